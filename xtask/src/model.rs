//! Runs the long searches of the model of the state rules.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::Verdict;
use crate::command::{cargo, spelled};

/// Search the model of the state rules for histories that break a law
///
/// Runs random histories and all short histories of every fault class, and random histories in which sessions run
/// record by record. Each printed row is one class, or one class under one session condition. Forbidden violations
/// fail the search; accepted ones are the documented limits of the rules. Prints each violation with its shortest
/// history. The model is in vclock/tests/rules; the counterexamples to weaker rules are ordinary tests there.
#[derive(Args)]
pub(crate) struct Model {
    /// Run only these searches
    #[arg(value_enum)]
    searches: Vec<Search>,
    /// Random histories for each fault class; a twentieth of this number for each class and
    /// session condition
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    histories: u64,
    /// Maximum number of steps of a history in the exhaustive search; two more in the search of submissions
    #[arg(long, value_name = "N", default_value_t = 3)]
    depth: u64,
    /// Number of nodes in each random history
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(3..=4))]
    nodes: u64,
    /// Random histories have 4 to N + 3 steps; with sessions record by record, always 40
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..))]
    length: u64,
    /// The seed of the histories
    #[arg(long, value_name = "S", default_value_t = 42)]
    seed: u64,
    /// Search only this fault class; may be given several times
    #[arg(long = "class", value_name = "NAME")]
    classes: Vec<String>,
    /// Print the rows as one JSON array on standard output
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Search {
    /// Random histories
    Random,
    /// All short histories
    Exhaustive,
    /// All short histories of submissions and whole sessions
    Submissions,
    /// Random histories in which sessions run record by record
    Sessions,
}

impl Search {
    const fn test(self) -> &'static str {
        match self {
            Self::Random => "runs::long_random",
            Self::Exhaustive => "runs::long_exhaustive",
            Self::Submissions => "runs::long_exhaustive_of_submissions",
            Self::Sessions => "runs::long_sessions",
        }
    }
}

impl Model {
    pub(crate) fn run(self) -> Result<Verdict> {
        let mut command = self.command();
        eprintln!("$ {}", spelled(&command));
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", spelled(&command)))?;
        let mut table = Table::default();
        for line in BufReader::new(child.stdout.take().context("stdout is not piped")?).lines() {
            let line = line?;
            if self.json {
                table.read(&line);
                eprintln!("{line}");
            } else {
                println!("{line}");
            }
        }
        let passed = child.wait()?.success();
        if self.json {
            println!("{}", json!(table.rows));
        }
        Ok(if passed { Verdict::Passed } else { Verdict::Failed })
    }

    fn command(&self) -> Command {
        let mut command = cargo(["test", "--release", "--quiet", "--package=engram-vclock"]);
        command.args(["--all-features", "--test=rules", "--", "--ignored", "--exact"]);
        command.args(["--nocapture", "--test-threads=1"]);
        let all = Search::value_variants();
        let chosen = if self.searches.is_empty() { all } else { &self.searches };
        command.args(chosen.iter().map(|search| search.test()));
        let sizes = [
            ("MODEL_HISTORIES", self.histories),
            ("MODEL_DEPTH", self.depth),
            ("MODEL_NODES", self.nodes),
            ("MODEL_LENGTH", self.length),
            ("MODEL_SEED", self.seed),
        ];
        command.envs(sizes.map(|(name, size)| (name, size.to_string())));
        if !self.classes.is_empty() {
            command.env("MODEL_CLASSES", self.classes.join(","));
        }
        command
    }
}

/// The rows printed by the model.
#[derive(Default)]
struct Table {
    heading: Vec<String>,
    rows: Vec<Value>,
}

impl Table {
    /// Reads a line of output: a heading begins with `run`, a row with the name of a search.
    fn read(&mut self, line: &str) {
        // The first heading may follow output of the test runner in the same line.
        let Some(cells) = line.find("| ").map(|begin| &line[begin..]) else { return };
        let cells: Vec<_> = cells.trim_matches(['|', ' ']).split(" | ").collect();
        match cells.first() {
            Some(&"run") => {
                self.heading = cells.iter().map(|cell| cell.replace(' ', "_")).collect()
            }
            Some(&"-") => {}
            _ if cells.len() == self.heading.len() => {
                let values = cells.iter().map(|cell| {
                    cell.parse::<u64>().map_or_else(|_| json!(cell), |number| json!(number))
                });
                let row: Map<_, _> = self.heading.iter().cloned().zip(values).collect();
                self.rows.push(Value::Object(row));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_objects() {
        let mut table = Table::default();
        for line in [
            "test runs::long_random ... | run | class | writes cut |",
            "| - | - | - |",
            "| random | lost | 7 |",
            "  Lost in 2, shortest [Save]",
        ] {
            table.read(line);
        }
        assert_eq!(table.rows, [json!({"run": "random", "class": "lost", "writes_cut": 7})]);
    }

    #[test]
    fn every_search_is_a_test_of_the_model() {
        let source = crate::command::root().join("vclock/tests/rules/runs.rs");
        let source = std::fs::read_to_string(source).unwrap();
        for search in Search::value_variants() {
            let name = search.test().trim_start_matches("runs::");
            assert!(source.contains(&format!("fn {name}()")), "{name}");
        }
    }
}
