//! Runs of the adopted rules: short ones in the ordinary tests, and long ones whose sizes come from
//! environment variables (`cargo xtask model` sets them). Each run prints a table. A row is one
//! fault class, or one fault class under one condition of sessions.

use crate::action::{CLASSES, Class};
use crate::rules::Rules;
use crate::search::{Alphabet, Tally, exhaustive, random};
use crate::session_runs::{self, CONDITIONS};

/// Reads a size from the environment variable `name`.
fn size(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => default,
    }
}

/// Whether the class is chosen: `MODEL_CLASSES`, a list of names separated by commas, is not set or
/// contains it.
fn is_chosen(name: &str) -> bool {
    let Ok(chosen) = std::env::var("MODEL_CLASSES") else { return true };
    for chosen in chosen.split(',') {
        let is_known = CLASSES.iter().any(|class| class.name == chosen);
        assert!(is_known, "unknown fault class {chosen}");
    }
    chosen.split(',').any(|chosen| chosen == name)
}

fn print_row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

fn print_heading(cells: &[&str]) {
    print_row(&cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
    print_row(&vec!["-".to_owned(); cells.len()]);
}

const HISTORY_HEADING: [&str; 11] = [
    "run",
    "class",
    "histories",
    "forbidden",
    "accepted",
    "late",
    "destroyed",
    "reissued",
    "writes cut",
    "refused",
    "rounds",
];

/// Prints a row and the shortest history of each violation. Returns the forbidden violations.
fn report(run: &str, class: &Class, tally: &Tally) -> Vec<String> {
    let (accepted, forbidden): (Vec<_>, Vec<_>) =
        tally.violations.iter().partition(|(violation, _)| class.accepted.contains(violation));
    let sum = |found: &[(_, &(u64, _))]| found.iter().map(|(_, (count, _))| count).sum::<u64>();
    print_row(&[
        run.to_owned(),
        class.name.to_owned(),
        tally.histories.to_string(),
        sum(&forbidden).to_string(),
        sum(&accepted).to_string(),
        tally.late.to_string(),
        tally.destroyed.to_string(),
        tally.reissued.to_string(),
        tally.writes_cut.to_string(),
        tally.refused.to_string(),
        tally.rounds.to_string(),
    ]);
    for (violation, (count, history)) in &tally.violations {
        println!("  {violation:?} in {count}, shortest {history:?}");
    }
    let name = |(violation, (_, history)): (_, &(u64, Vec<_>))| {
        format!("{}: {violation:?} after {history:?}", class.name)
    };
    forbidden.into_iter().map(name).collect()
}

/// Runs every chosen class, prints all rows, and then fails if any violation is forbidden.
fn run_histories(run: &str, tally: impl Fn(&Class) -> Tally) {
    print_heading(&HISTORY_HEADING);
    let chosen = CLASSES.iter().filter(|class| is_chosen(class.name));
    let forbidden: Vec<_> = chosen.flat_map(|class| report(run, class, &tally(class))).collect();
    assert!(forbidden.is_empty(), "{}", forbidden.join("\n"));
}

fn run_random(count: u64, nodes: usize, length: usize, seed: u64) {
    run_histories("random", |class| random(Rules::ADOPTED, class.name, nodes, count, length, seed));
}

fn run_exhaustive(depth: usize, alphabet: Alphabet) {
    run_histories(&format!("exhaustive {depth}"), |class| {
        exhaustive(Rules::ADOPTED, class.name, 3, depth, alphabet)
    });
}

fn run_sessions(count: u64, nodes: usize, length: usize, seed: u64) {
    print_heading(&[
        "run",
        "class",
        "conditions",
        "differed",
        "descents",
        "left",
        "left as news",
        "apart by refusal",
        "sent",
        "in vain",
        "by descent",
        "broken",
        "unequal",
        "stalls",
        "apart",
    ]);
    let mut forbidden = Vec::new();
    for class in session_runs::CLASSES.into_iter().filter(|class| is_chosen(class)) {
        for conditions in &CONDITIONS {
            let rules = Rules::ADOPTED;
            let tally = session_runs::random(rules, class, conditions, nodes, count, length, seed);
            let counts = tally.counts;
            let numbers = [
                counts.differed,
                counts.descents,
                counts.left,
                counts.left_as_news,
                counts.apart_by_refusal,
                counts.sent,
                counts.in_vain,
                counts.sent_by_descent,
                counts.broken,
                counts.unequal,
                tally.stalls,
                tally.apart,
            ];
            let names = ["sessions", class, conditions.name].map(str::to_owned);
            let numbers = numbers.map(|number| number.to_string());
            print_row(&[names.as_slice(), numbers.as_slice()].concat());
            if counts.unequal + tally.stalls + tally.apart > 0 {
                forbidden.push(format!("{class}, {}: {:?}", conditions.name, tally.stalled));
            }
        }
    }
    assert!(forbidden.is_empty(), "{}", forbidden.join("\n"));
}

#[test]
fn random_histories_keep_the_laws() {
    run_random(300, 3, 12, 1);
}

#[test]
fn all_short_histories_keep_the_laws() {
    run_exhaustive(2, Alphabet::Everything);
}

#[test]
fn sessions_end_equal_and_never_stall() {
    run_sessions(15, 3, 40, 1);
}

#[test]
#[ignore = "takes minutes; cargo xtask model runs it"]
fn long_random() {
    let (nodes, length) = (size("MODEL_NODES", 3), size("MODEL_LENGTH", 12));
    let seed = size("MODEL_SEED", 42);
    run_random(size("MODEL_HISTORIES", 100_000), nodes as usize, length as usize, seed);
}

#[test]
#[ignore = "takes minutes; cargo xtask model runs it"]
fn long_exhaustive() {
    run_exhaustive(size("MODEL_DEPTH", 3) as usize, Alphabet::Everything);
}

#[test]
#[ignore = "takes minutes; cargo xtask model runs it"]
fn long_exhaustive_of_submissions() {
    run_exhaustive(size("MODEL_DEPTH", 3) as usize + 2, Alphabet::Submissions);
}

#[test]
#[ignore = "takes minutes; cargo xtask model runs it"]
fn long_sessions() {
    let count = size("MODEL_HISTORIES", 100_000) / 20;
    run_sessions(count, size("MODEL_NODES", 3) as usize, 40, size("MODEL_SEED", 42));
}
