//! Random histories of every class of faults.
//!
//! In the long test, `ENGRAM_HISTORIES` sets the number of histories of each class, and
//! `ENGRAM_SEED` sets the first seed. For each fault in a class, the first failing seed is printed
//! with its shrunk history.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::history::{Accepted, CLASSES, Class, Fault, History};

/// The result of the histories of one class.
#[derive(Default)]
struct Tally {
    histories: u64,
    sessions: u64,
    rounds: u32,
    reissued: u64,
    refused: u64,
    accepted: Accepted,
    /// For each fault, the seeds of the histories in which it occurred.
    faults: BTreeMap<Fault, Vec<u64>>,
}

impl Tally {
    fn of(class: &Class, seeds: Range<u64>) -> Self {
        let mut tally = Self::default();
        for seed in seeds {
            let verdict = History::draw(class, seed).judge();
            tally.histories += 1;
            tally.sessions += verdict.sessions;
            tally.rounds = tally.rounds.max(verdict.rounds);
            tally.reissued += verdict.reissued;
            tally.refused += verdict.refused;
            tally.accepted += verdict.accepted;
            for fault in verdict.faults {
                tally.faults.entry(fault).or_default().push(seed);
            }
        }
        tally
    }

    fn print(&self, class: &Class) {
        let Accepted { destroyed, unchanged, behind, ahead, clones, .. } = self.accepted;
        println!(
            "{:<30} {:>9} {:>9} {:>6} {:>8} {:>7} {:>9} {unchanged:>4} {behind:>4} {ahead:>4} {clones:>4}",
            class.name,
            self.histories,
            self.sessions,
            self.rounds,
            self.reissued,
            self.refused,
            destroyed,
        );
    }

    /// The first failing history of each fault, shrunk.
    fn complaints(&self, class: &Class) -> Vec<String> {
        let complaint = |(fault, seeds): (&Fault, &Vec<u64>)| {
            let History { nodes, pace, steps } = History::draw(class, seeds[0]).shrink(*fault);
            format!(
                "{}: {fault:?} in {} histories, the first with seed {}; {nodes} nodes, {pace:?}: {steps:?}",
                class.name,
                seeds.len(),
                seeds[0],
            )
        };
        self.faults.iter().map(complaint).collect()
    }
}

fn run(seeds: Range<u64>) {
    println!(
        "{:<30} {:>9} {:>9} {:>6} {:>8} {:>7} {:>9} {:>4} {:>4} {:>4} {:>4}",
        "class",
        "histories",
        "sessions",
        "rounds",
        "reissued",
        "refused",
        "destroyed",
        "D1",
        "D2",
        "D3",
        "D4"
    );
    let mut complaints = Vec::new();
    for class in &CLASSES {
        let tally = Tally::of(class, seeds.clone());
        tally.print(class);
        complaints.extend(tally.complaints(class));
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |value| value.parse().expect("a number"))
}

#[test]
fn random_histories_lose_nothing() {
    run(0..80);
}

/// At least 100,000 histories in all, unless the environment sets a different number.
#[test]
#[ignore = "takes minutes"]
fn many_random_histories_lose_nothing() {
    let count = number("ENGRAM_HISTORIES", 100_000_u64.div_ceil(CLASSES.len() as u64));
    let first = number("ENGRAM_SEED", 0);
    run(first..first + count);
}

#[test]
fn a_history_replays_from_its_seed() {
    for class in &CLASSES {
        let [one, again] = [7, 7].map(|seed| History::draw(class, seed));
        assert_eq!(one.steps, again.steps);
        assert_eq!(one.judge().rows, again.judge().rows);
    }
}
