//! Ranges of seeds, and parallel runs over them.

use std::ops::Range;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::run::{Run, Setting, Tracing};
use crate::scenario::Scenario;

/// A range of seeds, written `A..B`, excluding `B`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seeds(pub(crate) Range<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bounds = text
            .split_once("..")
            .and_then(|(from, to)| Some(Self(from.parse().ok()?..to.parse().ok()?)));
        bounds
            .filter(|seeds| !seeds.0.is_empty())
            .ok_or_else(|| format!("{text:?} is not a range of seeds such as 0..100"))
    }
}

impl Seeds {
    /// Runs `scenario` with each of these seeds on all cores. Returns the runs in the order of the
    /// seeds.
    pub(crate) fn run(&self, scenario: &Scenario) -> Vec<Run> {
        let next = AtomicU64::new(self.0.start);
        let runs = Mutex::new(Vec::new());
        let workers = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= self.0.end {
                            return;
                        }
                        let run = scenario.run(Setting { seed, trace: Tracing::Off });
                        runs.lock().expect("a seed that panics ends the program").push(run);
                    }
                });
            }
        });
        let mut runs = runs.into_inner().expect("a seed that panics ends the program");
        runs.sort_by_key(|run| run.seed);
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range() {
        assert_eq!("3..7".parse(), Ok(Seeds(3..7)));
        for text in ["3", "7..3", "3..3", "a..b", ""] {
            assert!(text.parse::<Seeds>().is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn a_seed_means_the_same_run_on_any_core() {
        let scenario = crate::scenario::find("lan_one_10").unwrap();
        let costs = |run: Run| (run.agreed, run.bytes_per_node, run.sessions);
        let runs = || Seeds(0..8).run(scenario).into_iter().map(costs).collect::<Vec<_>>();
        assert_eq!(runs(), runs());
    }
}
