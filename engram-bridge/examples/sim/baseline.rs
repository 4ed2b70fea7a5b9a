//! Comparison with the committed baseline of costs.

use std::fs;
use std::io;

use crate::report::{Costs, Report};
use crate::scenario;

/// The file with the accepted costs of the scenarios.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/sim/baseline.json");
/// Maximum ratio of a scenario's costs to the baseline.
const TOLERANCE: f64 = 1.05;

fn read() -> io::Result<Vec<Costs>> {
    serde_json::from_str(&fs::read_to_string(FILE)?).map_err(io::Error::other)
}

/// Writes these results to the baseline, one per line for readable diffs. Keeps the lines of
/// existing scenarios that were not run.
///
/// # Errors
/// The file cannot be read or written.
pub(crate) fn write(reports: &[Report]) -> io::Result<()> {
    let mut all = read().map_err(named)?;
    all.retain(|old| reports.iter().all(|new| new.costs.line.scenario != old.line.scenario));
    all.extend(reports.iter().map(|report| report.costs.clone()));
    let place = |costs: &Costs| scenario::ALL.iter().position(|s| s.name == costs.line.scenario);
    all.retain(|costs| place(costs).is_some());
    all.sort_by_key(place);
    let encoded: Result<Vec<_>, _> = all.iter().map(serde_json::to_string).collect();
    fs::write(FILE, format!("[\n{}\n]\n", encoded?.join(",\n"))).map_err(named)
}

/// Adds a complaint for every cost that exceeds its baseline by more than the tolerance.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn compare(reports: &mut [Report]) -> io::Result<()> {
    let baseline = read().map_err(named)?;
    for report in reports {
        report.complaints.extend(dearer(&baseline, &report.costs));
    }
    Ok(())
}

fn named(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{FILE}: {error}"))
}

/// The costs that exceed their baseline by more than the tolerance. Compares only runs with the same number of seeds:
/// by default these use the same seeds, so only a change to the code can cause a difference.
fn dearer(baseline: &[Costs], new: &Costs) -> Vec<String> {
    let same =
        |old: &&Costs| old.line.scenario == new.line.scenario && old.line.seeds == new.line.seeds;
    let Some(old) = baseline.iter().find(same) else { return Vec::new() };
    let figures = [
        ("seconds_p99", old.line.seconds_p99, new.line.seconds_p99),
        ("bytes_per_node", count(old.line.bytes_per_node), count(new.line.bytes_per_node)),
        ("wasted_per_node", count(old.wasted_per_node), count(new.wasted_per_node)),
        ("descents", old.descents, new.descents),
        ("sessions_per_node", Some(old.sessions_per_node), Some(new.sessions_per_node)),
    ];
    let dearer = figures.into_iter().filter_map(|(name, old, now)| {
        let (old, now) = (old?, now?);
        let is_dearer = now > old * TOLERANCE;
        is_dearer.then(|| format!("{}: {name} was {old}, is {now}", new.line.scenario))
    });
    dearer.collect()
}

const fn count(value: u64) -> Option<f64> {
    Some(value as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Line;

    fn costs(seeds: u64, seconds: f64, bytes_per_node: u64) -> Costs {
        let line = Line {
            scenario: "pair".into(),
            nodes: 2,
            seeds,
            rounds_p50: Some(1),
            rounds_p99: Some(1),
            seconds_p99: Some(seconds),
            bytes_per_node,
            lost: 0,
            converged: true,
        };
        Costs {
            line,
            wasted_per_node: 0,
            redundant: 0.0,
            descents: Some(0.0),
            sessions_per_node: 2.0,
        }
    }

    #[test]
    fn every_scenario_has_its_line() {
        let baseline = read().unwrap();
        let names: Vec<&str> = baseline.iter().map(|costs| &*costs.line.scenario).collect();
        let expected: Vec<&str> = scenario::ALL.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names, expected, "run the missing scenarios with --bless");
        for (costs, scenario) in baseline.iter().zip(scenario::ALL) {
            let usual = costs.line.seeds == scenario.seeds && costs.line.converged;
            assert!(usual, "{}: run it over its usual seeds with --bless", scenario.name);
        }
    }

    #[test]
    fn cost_above_the_tolerance_is_reported() {
        let baseline = [costs(10, 4.0, 1_000)];
        assert!(dearer(&baseline, &costs(10, 4.1, 1_040)).is_empty());
        assert_eq!(dearer(&baseline, &costs(10, 5.0, 1_060)).len(), 2);
        assert!(dearer(&baseline, &costs(11, 5.0, 2_000)).is_empty(), "other seeds");
    }
}
