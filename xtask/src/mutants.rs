//! Deliberate mistakes in the shipped code, each of which named tests must detect.

mod plant;
mod scheduler;
mod session;
mod table;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::json;

use crate::Verdict;
use crate::command::{cargo, passes, spelled};
use crate::scratch::Scratch;
use crate::workspace::target_folder;
use plant::{copy_checkout, plant};
use table::{Mutant, Suite};

/// Plant deliberate mistakes in the code, and fail if a test does not detect them
///
/// Each mutant replaces text in one or more source files of a copy of the checkout, and names the tests that must
/// then fail. A text that does not occur exactly once is an error: the code has changed, and the mutant must be
/// updated.
#[derive(Args)]
pub(crate) struct Mutants {
    /// Run only this mutant; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// List the mutants without running them
    #[arg(long)]
    list: bool,
    /// Print the outcomes as one JSON array on standard output
    #[arg(long)]
    json: bool,
}

impl Mutants {
    pub(crate) fn run(self) -> Result<Verdict> {
        let chosen = self.choose()?;
        if self.list {
            for mutant in chosen {
                println!("{:<40} {}", mutant.name, mutant.suite.package);
            }
            return Ok(Verdict::Passed);
        }
        let copy = Copy::new()?;
        copy.check_unchanged(&chosen)?;
        let mut outcomes = Vec::new();
        for mutant in chosen {
            let survived = copy.survived(mutant).with_context(|| mutant.name.to_owned())?;
            match survived.is_empty() {
                true => eprintln!("killed    {}", mutant.name),
                false => eprintln!("SURVIVED  {}: {}", mutant.name, survived.join(", ")),
            }
            outcomes.push((mutant, survived));
        }
        if self.json {
            let line = |(mutant, survived): &(&Mutant, Vec<&str>)| json!({ "mutant": mutant.name, "killed": survived.is_empty(), "passed": survived });
            println!("{}", json!(outcomes.iter().map(line).collect::<Vec<_>>()));
        }
        let all_killed = outcomes.iter().all(|(_, survived)| survived.is_empty());
        Ok(if all_killed { Verdict::Passed } else { Verdict::Failed })
    }

    fn choose(&self) -> Result<Vec<&'static Mutant>> {
        let is_known = |name: &&String| all().any(|mutant| mutant.name == name.as_str());
        if let Some(unknown) = self.only.iter().find(|name| !is_known(name)) {
            bail!("there is no mutant {unknown:?}; cargo xtask mutants --list names them");
        }
        let chosen = |mutant: &&Mutant| {
            self.only.is_empty() || self.only.iter().any(|name| name == mutant.name)
        };
        Ok(all().filter(chosen).collect())
    }
}

/// Every mutant.
fn all() -> impl Iterator<Item = &'static Mutant> {
    table::MUTANTS.iter().chain(session::MUTANTS).chain(scheduler::MUTANTS)
}

/// A copy of the checkout, with a target folder that is kept for the next run.
struct Copy {
    scratch: Scratch,
    target: PathBuf,
}

impl Copy {
    fn new() -> Result<Self> {
        let (scratch, target) = (Scratch::new()?, target_folder()?.join("mutants"));
        copy_checkout(scratch.path())?;
        Ok(Self { scratch, target })
    }

    /// Checks that every test passes without a mutant: a test that always fails would appear to detect all mutants.
    fn check_unchanged(&self, mutants: &[&Mutant]) -> Result<()> {
        let suites: BTreeSet<&Suite> = mutants.iter().map(|mutant| mutant.suite).collect();
        for suite in suites {
            let of_suite = mutants.iter().filter(|mutant| mutant.suite == suite);
            let tests: BTreeSet<&str> =
                of_suite.flat_map(|mutant| mutant.killers).copied().collect();
            let failed = self.failed(suite, &tests)?;
            ensure!(failed.is_empty(), "failed without a mutant: {}", join(&failed));
        }
        Ok(())
    }

    /// Plants a mutant, and returns the tests that do not detect it.
    fn survived(&self, mutant: &'static Mutant) -> Result<Vec<&'static str>> {
        let _planted = plant(self.scratch.path(), mutant.edits)?;
        let failed = self.failed(mutant.suite, &mutant.killers.iter().copied().collect())?;
        Ok(mutant.killers.iter().copied().filter(|test| !failed.contains(*test)).collect())
    }

    /// Runs tests, and returns those that fail. Every named test must exist.
    fn failed(&self, suite: &Suite, tests: &BTreeSet<&str>) -> Result<BTreeSet<String>> {
        let mut build = self.test(suite);
        ensure!(passes(build.arg("--no-run"))?, "it does not compile: {}", spelled(&build));
        let mut run = self.test(suite);
        run.arg("--").arg("--exact").args(tests);
        let output = run.output().with_context(|| format!("cannot start {}", spelled(&run)))?;
        let output = String::from_utf8_lossy(&output.stdout);
        let outcome = |test: &str| {
            let line = output.lines().find(|line| line.starts_with(&format!("test {test} ... ")));
            line.with_context(|| format!("{test} did not finish"))
        };
        let mut failed = BTreeSet::new();
        for test in tests {
            if outcome(test)?.ends_with("FAILED") {
                failed.insert((*test).to_owned());
            }
        }
        Ok(failed)
    }

    fn test(&self, suite: &Suite) -> Command {
        let mut command = cargo(["test", "--package", suite.package]);
        command.args(["--features", suite.features, "--test", suite.test]);
        command.current_dir(self.scratch.path()).env("CARGO_TARGET_DIR", &self.target);
        command
    }
}

fn join(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::root;

    #[test]
    fn every_mutant_has_a_name_and_a_killer() {
        let names: BTreeSet<_> = all().map(|mutant| mutant.name).collect();
        assert_eq!(names.len(), all().count());
        assert!(all().all(|mutant| !mutant.killers.is_empty()));
    }

    #[test]
    fn every_mutant_finds_its_texts() {
        for mutant in all() {
            for edit in mutant.edits {
                let found = plant::occurrences(root(), edit).unwrap();
                assert_eq!(found, 1, "{}: {}", mutant.name, edit.file);
            }
        }
    }

    #[test]
    fn an_unknown_mutant_is_refused() {
        let chosen = Mutants { only: vec!["rain".to_owned()], list: true, json: false }.choose();
        assert!(chosen.unwrap_err().to_string().contains("no mutant \"rain\""));
    }
}
