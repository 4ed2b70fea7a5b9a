//! What all seeds of a scenario together say.

use serde::{Deserialize, Serialize};

use crate::run::Run;
use crate::scenario::Scenario;

/// One line of the result. Percentiles are over the seeds that converged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) scenario: String,
    pub(crate) nodes: usize,
    pub(crate) seeds: u64,
    pub(crate) rounds_p50: Option<u64>,
    pub(crate) rounds_p99: Option<u64>,
    /// Virtual seconds.
    pub(crate) seconds_p99: f64,
    /// Mean bytes that a node sent until all agreed.
    pub(crate) bytes_per_node: u64,
    /// Mean bytes that a node received until then of records that it knew already.
    pub(crate) wasted_per_node: u64,
    /// Mean number of sessions that a node took part in until then.
    pub(crate) sessions_per_node: f64,
    /// Acknowledged writes that were lost, over all seeds.
    pub(crate) lost: u64,
    pub(crate) converged: bool,
}

/// A line, and what people want to know beside it.
pub(crate) struct Report {
    pub(crate) line: Line,
    /// What is wrong, with the command that shows it again.
    pub(crate) complaints: Vec<String>,
}

impl Report {
    /// Sums the runs of `scenario` up.
    pub(crate) fn of(scenario: &Scenario, runs: &[Run]) -> Self {
        let mut rounds: Vec<u64> = runs.iter().filter_map(|run| run.rounds).collect();
        let mut seconds: Vec<f64> =
            runs.iter().filter_map(|run| Some(run.agreed?.as_secs_f64())).collect();
        rounds.sort_unstable();
        seconds.sort_by(f64::total_cmp);
        let count = runs.len().max(1) as u64;
        let mean = |of: fn(&Run) -> u64| runs.iter().map(of).sum::<u64>() as f64 / count as f64;
        let sessions = 2.0 * mean(|run| run.sessions) / scenario.nodes as f64;
        let line = Line {
            scenario: scenario.name.to_owned(),
            nodes: scenario.nodes,
            seeds: runs.len() as u64,
            rounds_p50: percentile(&rounds, 50),
            rounds_p99: percentile(&rounds, 99),
            seconds_p99: (percentile(&seconds, 99).unwrap_or_default() * 1e3).round() / 1e3,
            bytes_per_node: mean(|run| run.bytes_per_node) as u64,
            wasted_per_node: mean(|run| run.wasted_per_node) as u64,
            sessions_per_node: (sessions * 1e2).round() / 1e2,
            lost: runs.iter().map(|run| run.lost).sum(),
            converged: runs.iter().all(|run| run.agreed.is_some()),
        };
        let mut complaints: Vec<_> =
            runs.iter().filter_map(|run| complaint(scenario, run)).collect();
        complaints.extend(out_of_bounds(scenario, &line));
        Self { line, complaints }
    }

    /// The heading of [`row`](Self::row).
    pub(crate) const HEADING: &str = "scenario              nodes  seeds  rounds p50/p99  \
         seconds p99  bytes/node  wasted/node  sessions/node  lost";

    /// One line of a table for people.
    pub(crate) fn row(&self) -> String {
        let line = &self.line;
        let rounds = match (line.rounds_p50, line.rounds_p99) {
            (Some(p50), Some(p99)) => format!("{p50}/{p99}"),
            _ => "-".to_owned(),
        };
        let lost = match line.converged {
            true => line.lost.to_string(),
            false => "not converged".to_owned(),
        };
        format!(
            "{:<21} {:>5} {:>6} {rounds:>15} {:>12.1} {:>11} {:>12} {:>14.1} {lost:>5}",
            line.scenario,
            line.nodes,
            line.seeds,
            line.seconds_p99,
            line.bytes_per_node,
            line.wasted_per_node,
            line.sessions_per_node,
        )
    }
}

/// The smallest value that at least `percent` of 100 do not exceed.
fn percentile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

fn complaint(scenario: &Scenario, run: &Run) -> Option<String> {
    if run.passed() {
        return None;
    }
    let mut what = Vec::new();
    if run.agreed.is_none() {
        what.push("the nodes did not agree until the deadline".to_owned());
    }
    if run.lost > 0 {
        what.push(format!("{} acknowledged writes were lost", run.lost));
    }
    what.extend(run.faults.iter().take(3).cloned());
    let (name, seed) = (scenario.name, run.seed);
    let again = format!("cargo xtask sim --scenario {name} --seed {seed} --trace");
    Some(format!("{name}, seed {seed}: {}\n  replay: {again}", what.join("; ")))
}

fn out_of_bounds(scenario: &Scenario, line: &Line) -> Option<String> {
    let bounds = scenario.bounds;
    let rounds = bounds.rounds.zip(line.rounds_p99).filter(|(bound, p99)| p99 > bound);
    if let Some((bound, p99)) = rounds {
        return Some(format!("{}: {p99} rounds, at most {bound} are allowed", scenario.name));
    }
    let seconds = bounds.seconds.filter(|bound| line.seconds_p99 > *bound)?;
    Some(format!("{}: {} s, at most {seconds} s are allowed", scenario.name, line.seconds_p99))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sample() {
        let sample: Vec<u64> = (1..=200).collect();
        assert_eq!(percentile(&sample, 50), Some(100));
        assert_eq!(percentile(&sample, 99), Some(198));
        assert_eq!(percentile(&[7], 99), Some(7));
        assert_eq!(percentile::<u64>(&[], 99), None);
    }
}
