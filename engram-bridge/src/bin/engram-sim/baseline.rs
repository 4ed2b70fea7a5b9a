//! Comparison with what was committed.

use std::fs;
use std::io;
use std::path::Path;

use crate::report::Line;

/// How much dearer than the baseline a scenario may become.
const TOLERANCE: f64 = 1.05;

/// The lines that were written by [`write()`].
pub(crate) fn read(path: &Path) -> io::Result<Vec<Line>> {
    serde_json::from_str(&fs::read_to_string(path)?).map_err(io::Error::other)
}

/// Makes these lines the baseline, one a line, so that a change shows what changed. Lines of
/// scenarios that were not run stay.
pub(crate) fn write(path: &Path, lines: &[Line]) -> io::Result<()> {
    let mut all = if path.exists() { read(path)? } else { Vec::new() };
    all.retain(|old| lines.iter().all(|line| line.scenario != old.scenario));
    all.extend(lines.iter().cloned());
    let place = |line: &Line| crate::scenario::ALL.iter().position(|s| s.name == line.scenario);
    all.sort_by_key(place);
    let encoded: Result<Vec<_>, _> = all.iter().map(serde_json::to_string).collect();
    fs::write(path, format!("[\n{}\n]\n", encoded?.join(",\n")))
}

/// What is worse than in the baseline, beyond the tolerance. Only runs of the same number of seeds
/// are compared: those are the same seeds, so any difference has a reason.
pub(crate) fn worse(baseline: &[Line], lines: &[Line]) -> Vec<String> {
    let pairs = lines.iter().filter_map(|line| {
        let same = |old: &&Line| old.scenario == line.scenario && old.seeds == line.seeds;
        baseline.iter().find(same).map(|old| (old, line))
    });
    pairs.flat_map(|(old, line)| worse_than(old, line)).collect()
}

fn worse_than(old: &Line, line: &Line) -> Vec<String> {
    let figures = [
        ("rounds_p99", old.rounds_p99.map(|n| n as f64), line.rounds_p99.map(|n| n as f64)),
        ("seconds_p99", Some(old.seconds_p99), Some(line.seconds_p99)),
        ("bytes_per_node", Some(old.bytes_per_node as f64), Some(line.bytes_per_node as f64)),
        ("wasted_per_node", Some(old.wasted_per_node as f64), Some(line.wasted_per_node as f64)),
        ("sessions_per_node", Some(old.sessions_per_node), Some(line.sessions_per_node)),
    ];
    let worse = figures.into_iter().filter_map(|(name, old, new)| {
        let (old, new) = (old?, new?);
        let worse = new > old * TOLERANCE;
        worse.then(|| format!("{}: {name} was {old}, is {new}", line.scenario))
    });
    worse.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seeds: u64, rounds: u64, bytes_per_node: u64) -> Line {
        Line {
            scenario: "pair".into(),
            nodes: 2,
            seeds,
            rounds_p50: Some(rounds),
            rounds_p99: Some(rounds),
            seconds_p99: 1.0,
            bytes_per_node,
            wasted_per_node: 0,
            sessions_per_node: 2.0,
            lost: 0,
            converged: true,
        }
    }

    #[test]
    fn every_scenario_has_its_line() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/engram-sim/baseline.json");
        let lines = read(Path::new(file)).unwrap();
        for scenario in crate::scenario::ALL {
            let line = lines.iter().find(|line| line.scenario == scenario.name);
            let usual = line.is_some_and(|line| line.seeds == scenario.seeds && line.converged);
            assert!(usual, "{}: run it over its usual seeds with --bless", scenario.name);
        }
    }

    #[test]
    fn what_is_dearer_beyond_the_tolerance_is_worse() {
        let baseline = [line(10, 4, 1_000)];
        assert!(worse(&baseline, &[line(10, 4, 1_040)]).is_empty());
        assert_eq!(worse(&baseline, &[line(10, 5, 1_060)]).len(), 2);
        assert!(worse(&baseline, &[line(11, 5, 2_000)]).is_empty(), "other seeds");
    }
}
