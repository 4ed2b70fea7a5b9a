//! Random histories of every class of faults.

use std::collections::BTreeMap;

use crate::history::{Accepted, CLASSES, Class, Fault, History};

/// Histories of one class.
#[derive(Default)]
struct Tally {
    histories: u64,
    sessions: u64,
    rounds: u32,
    reissued: u64,
    given_up: u64,
    accepted: Accepted,
    /// The seeds of histories that met a fault.
    faults: BTreeMap<Fault, Vec<u64>>,
}

impl Tally {
    fn of(class: &Class, seeds: std::ops::Range<u64>) -> Self {
        let mut tally = Self::default();
        for seed in seeds {
            let verdict = History::draw(class, seed).judge();
            tally.histories += 1;
            tally.sessions += verdict.sessions;
            tally.rounds = tally.rounds.max(verdict.rounds);
            tally.reissued += verdict.reissued;
            tally.given_up += verdict.given_up;
            tally.accepted += verdict.accepted;
            for fault in verdict.faults {
                tally.faults.entry(fault).or_default().push(seed);
            }
        }
        tally
    }

    fn print(&self, class: &Class) {
        let Accepted { destroyed, unchanged, behind, ahead, clones } = self.accepted;
        println!(
            "{:<30} {:>8} {:>9} {:>6} {:>8} {:>9} {unchanged:>6} {behind:>6} {ahead:>6} {clones:>6}",
            class.name, self.histories, self.sessions, self.rounds, self.reissued, destroyed,
        );
    }

    /// The first failing history of each fault, made as short as possible.
    fn complaints(&self, class: &Class) -> Vec<String> {
        let complaint = |(fault, seeds): (&Fault, &Vec<u64>)| {
            let History { nodes, pace, steps } = History::draw(class, seeds[0]).shrink(*fault);
            format!(
                "{}: {fault:?} in {} histories, the first of seed {}; {nodes} nodes, {pace:?}: {steps:?}",
                class.name,
                seeds.len(),
                seeds[0],
            )
        };
        self.faults.iter().map(complaint).collect()
    }
}

fn run(seeds: std::ops::Range<u64>) {
    println!(
        "{:<30} {:>8} {:>9} {:>6} {:>8} {:>9} {:>6} {:>6} {:>6} {:>6}",
        "class", "count", "sessions", "rounds", "reissues", "destroyed", "D1", "D2", "D3", "D4"
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
    run(0..number("HISTORIES", 100));
}
