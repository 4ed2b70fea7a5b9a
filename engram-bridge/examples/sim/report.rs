//! The combined result of all seeds of a scenario.

use std::time::Duration;

use engram_gossip_proto::schedule::ScheduleConfig;
use serde::{Deserialize, Serialize};

use crate::run::Run;
use crate::scenario::Scenario;

/// One line of the result. Percentiles are over the seeds that converged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) scenario: String,
    pub(crate) nodes: usize,
    pub(crate) seeds: u64,
    /// Timer intervals that began before all nodes agreed.
    pub(crate) rounds_p50: Option<u64>,
    pub(crate) rounds_p99: Option<u64>,
    /// The measured time in virtual seconds: see [`Run::agreed`].
    pub(crate) seconds_p99: Option<f64>,
    /// Mean bytes sent by a node until all nodes agreed.
    pub(crate) bytes_per_node: u64,
    /// Lost acknowledged writes, over all seeds.
    pub(crate) lost: u64,
    pub(crate) converged: bool,
}

/// A line and its costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Costs {
    #[serde(flatten)]
    pub(crate) line: Line,
    /// Mean bytes that a node received, until all nodes agreed, for records that changed nothing.
    pub(crate) wasted_per_node: u64,
    /// The fraction of the received record bytes that belongs to records that changed nothing. It
    /// has a fixed bound instead of a baseline.
    #[serde(skip)]
    pub(crate) redundant: f64,
    /// The fraction of the sessions with a difference that still needed a descent after the delta
    /// by clocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) descents: Option<f64>,
    /// Mean number of sessions of a node until all nodes agreed.
    pub(crate) sessions_per_node: f64,
}

/// The result of one scenario.
pub(crate) struct Report {
    pub(crate) costs: Costs,
    /// The injected faults and their effects, over all seeds.
    pub(crate) met: Vec<String>,
    /// The violated rules. Those of one run are followed by the command that replays the run.
    pub(crate) complaints: Vec<String>,
}

impl Report {
    /// Combines the runs of `scenario`.
    pub(crate) fn of(scenario: &Scenario, runs: &[Run]) -> Self {
        let mut times: Vec<Duration> = runs.iter().filter_map(|run| run.agreed).collect();
        times.sort_unstable();
        let rounds = |percent| percentile(&times, percent).map(rounds);
        let seconds = |time: Duration| rounded(time.as_secs_f64(), 1e3);
        let count = runs.len().max(1) as f64;
        let mean = |of: fn(&Run) -> u64| runs.iter().map(of).sum::<u64>() as f64 / count;
        let line = Line {
            scenario: scenario.name.to_owned(),
            nodes: scenario.nodes,
            seeds: runs.len() as u64,
            rounds_p50: rounds(50),
            rounds_p99: rounds(99),
            seconds_p99: percentile(&times, 99).map(seconds),
            bytes_per_node: mean(|run| run.bytes_per_node) as u64,
            lost: runs.iter().map(|run| run.lost).sum(),
            converged: times.len() == runs.len(),
        };
        let sessions = 2.0 * mean(|run| run.sessions) / scenario.nodes as f64;
        let complaints = runs.iter().filter_map(|run| complaint(scenario, run));
        let [payload, wasted] = [mean(|run| run.payload), mean(|run| run.wasted)];
        let [differed, descents] = [mean(|run| run.differed), mean(|run| run.descents)];
        let redundant = rounded(wasted / payload.max(1.0), 1e3);
        let complaints = complaints.chain(too_slow(scenario, &line));
        let complaints = complaints.chain(too_redundant(scenario, redundant));
        let complaints = complaints.chain(absent(scenario, runs)).collect();
        let costs = Costs {
            line,
            wasted_per_node: (wasted / scenario.nodes as f64) as u64,
            redundant,
            descents: (differed > 0.0).then(|| rounded(descents / differed, 1e4)),
            sessions_per_node: rounded(sessions, 1e2),
        };
        Self { costs, met: met(runs), complaints }
    }

    /// Whether there are no complaints.
    pub(crate) fn passed(&self) -> bool {
        self.complaints.is_empty()
    }

    /// The heading of [`row`](Self::row).
    pub(crate) const HEADING: &str = "scenario      nodes  seeds  rounds p50/p99  seconds p99  \
         bytes/node  wasted/node  redundant  descents  sessions/node  lost";

    /// The meaning of the columns.
    pub(crate) const LEGEND: &str = "\
        Schedulers and sessions have default settings. Percentiles are over the seeds, means over nodes and seeds.\n\
        rounds         intervals of the timer (60 s) that began before all nodes agreed\n\
        seconds        virtual time, usually from the change or from the healing until all nodes agreed\n\
        bytes/node     bytes of frames and adverts that a node sent until all nodes agreed\n\
        wasted/node    bytes that a node received for records that changed nothing\n\
        redundant      the fraction of wasted bytes among the bytes of all received records\n\
        descents       fraction of the sessions with a difference that compared trees after the delta by clocks\n\
        sessions/node  sessions that a node took part in\n\
        lost           acknowledged writes that a node does not show";

    /// One line of a table.
    pub(crate) fn row(&self) -> String {
        let Costs { line, wasted_per_node, redundant, descents, sessions_per_node } = &self.costs;
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let redundant = percent(*redundant);
        let descents = descents.map_or_else(|| "-".to_owned(), percent);
        let rounds = match (line.rounds_p50, line.rounds_p99) {
            (Some(p50), Some(p99)) => format!("{p50}/{p99}"),
            _ => "-".to_owned(),
        };
        let seconds = line.seconds_p99.map_or_else(|| "-".to_owned(), |s| format!("{s:.3}"));
        let lost = match line.converged {
            true => line.lost.to_string(),
            false => "not converged".to_owned(),
        };
        format!(
            "{:<13} {:>5} {:>6} {rounds:>15} {seconds:>12} {:>11} {wasted_per_node:>12} \
             {redundant:>10} {descents:>9} {sessions_per_node:>14.1} {lost:>5}",
            line.scenario, line.nodes, line.seeds, line.bytes_per_node,
        )
    }
}

/// Summary of all scenarios in one sentence.
pub(crate) fn verdict(reports: &[Report]) -> String {
    let failed = reports.iter().filter(|report| !report.passed());
    let failed: Vec<&str> = failed.map(|report| report.costs.line.scenario.as_str()).collect();
    match (&*failed, reports.len()) {
        ([], 1) => "The scenario converged, and nothing was lost.".to_owned(),
        ([], count) => format!("All {count} scenarios converged, and nothing was lost."),
        (failed, count) => {
            format!("{} of {count} scenarios failed: {}.", failed.len(), failed.join(", "))
        }
    }
}

/// The injected faults and their effects, summed over the runs.
fn met(runs: &[Run]) -> Vec<String> {
    totals(runs).into_iter().map(|(name, total)| format!("  {total:>9} {name}")).collect()
}

/// Complains about kinds of faults that occurred in no run: such runs do not test them.
fn absent(scenario: &Scenario, runs: &[Run]) -> Vec<String> {
    let absent = totals(runs).into_iter().filter(|(_, total)| *total == 0);
    absent
        .map(|(name, _)| format!("{}: the runs do not test this fault: 0 {name}", scenario.name))
        .collect()
}

fn totals(runs: &[Run]) -> Vec<(&'static str, u64)> {
    let Some(first) = runs.first() else { return Vec::new() };
    let total = |at: usize| runs.iter().map(|run| run.met[at].1).sum::<u64>();
    first.met.iter().enumerate().map(|(at, (name, _))| (*name, total(at))).collect()
}

/// Number of timer intervals that began within `time`.
fn rounds(time: Duration) -> u64 {
    time.as_nanos().div_ceil(ScheduleConfig::default().interval.as_nanos()).max(1) as u64
}

fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

/// The smallest value that at least `percent` % of the values do not exceed.
fn percentile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

fn complaint(scenario: &Scenario, run: &Run) -> Option<String> {
    if run.passed() {
        return None;
    }
    let mut what = Vec::new();
    if run.agreed.is_none() {
        what.push("the nodes did not agree or connect by the deadline".to_owned());
    }
    if run.lost > 0 {
        what.push(format!("{} acknowledged writes were lost", run.lost));
    }
    what.extend(run.faults.iter().take(3).cloned());
    let (name, seed) = (scenario.name, run.seed);
    let again = format!("cargo xtask sim --scenario {name} --seed {seed} --trace");
    Some(format!("{name}, seed {seed}: {}\n  replay: {again}", what.join("; ")))
}

fn too_slow(scenario: &Scenario, line: &Line) -> Option<String> {
    let Scenario { name, seconds: bound, .. } = scenario;
    let seconds = line.seconds_p99.filter(|seconds| seconds > bound)?;
    Some(format!("{name}: the 99th percentile is {seconds} s; the limit is {bound} s"))
}

fn too_redundant(scenario: &Scenario, redundant: f64) -> Option<String> {
    let (name, limit) = (scenario.name, scenario.max_redundant());
    let complaint = || {
        format!(
            "{name}: {redundant} of the received record bytes changed nothing; the limit is {limit}"
        )
    };
    (redundant > limit).then(complaint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_taken_from_the_sample() {
        let sample: Vec<u64> = (1..=200).collect();
        assert_eq!(percentile(&sample, 50), Some(100));
        assert_eq!(percentile(&sample, 99), Some(198));
        assert_eq!(percentile(&[7], 99), Some(7));
        assert_eq!(percentile::<u64>(&[], 99), None);
    }

    #[test]
    fn a_round_is_an_interval_that_began() {
        let seconds = [0, 1, 60, 61, 120, 121].map(Duration::from_secs);
        assert_eq!(seconds.map(rounds), [1, 1, 1, 2, 2, 3]);
    }

    #[test]
    fn a_slow_lossy_or_wasteful_seed_fails_its_scenario() {
        let scenario = crate::scenario::find("lan_one_3").unwrap();
        let run = |agreed, lost| Run { agreed, lost, ..Run::default() };
        let soon = Some(Duration::from_millis(10));
        let redundant = Run { payload: 1_000, wasted: 201, ..run(soon, 0) };
        let slow = Some(Duration::from_secs(2));
        let failed = [run(None, 0), run(soon, 1), run(slow, 0), redundant];
        let good = Report::of(scenario, &[run(soon, 0)]);
        assert!(good.passed());
        for run in failed {
            let bad = Report::of(scenario, &[run]);
            assert!(!bad.passed());
            assert_eq!(verdict(&[bad]), "1 of 1 scenarios failed: lan_one_3.");
        }
        assert_eq!(verdict(&[good]), "The scenario converged, and nothing was lost.");
    }
}
