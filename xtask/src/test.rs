//! Everything that CI runs, in the order in which a mistake is found soonest.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::Verdict;
use crate::command::{cargo, passes, root, spelled};
use crate::workspace::{Member, members};

/// Run everything that CI runs
///
/// Formatting, house rules, lints, tests, doctests, documentation, every crate without its features, the builds without std, the
/// examples, and a real demo. Each command is printed before it runs, and again if it fails.
#[derive(Args)]
pub(crate) struct Test {
    /// Go on after a failure, and report all of them
    #[arg(long)]
    keep_going: bool,
    /// Print the outcome of each step as one JSON array on standard output
    #[arg(long)]
    json: bool,
}

/// Commands that belong together; they run until one fails.
struct Step {
    name: &'static str,
    commands: Vec<Command>,
}

struct Report {
    step: &'static str,
    took: Duration,
    /// The command that failed, as one would type it.
    failed: Option<String>,
}

impl Test {
    pub(crate) fn run(self) -> Result<Verdict> {
        let mut reports: Vec<Report> = Vec::new();
        for step in steps(&members()?) {
            reports.push(step.run()?);
            if reports.last().is_some_and(|report| report.failed.is_some()) && !self.keep_going {
                break;
            }
        }
        summarise(&reports);
        if self.json {
            let reports: Vec<_> = reports.iter().map(Report::json).collect();
            println!("{}", json!(reports));
        }
        let passed = reports.iter().all(|report| report.failed.is_none());
        Ok(if passed { Verdict::Passed } else { Verdict::Failed })
    }
}

impl Step {
    fn new(name: &'static str, commands: impl IntoIterator<Item = Command>) -> Self {
        Self { name, commands: commands.into_iter().collect() }
    }

    fn run(self) -> Result<Report> {
        eprintln!("\n== {} ==", self.name);
        let begun = Instant::now();
        let mut failed = None;
        for mut command in self.commands {
            // Standard output is for the result of this task alone.
            if !passes(command.stdout(Stdio::from(std::io::stderr())))? {
                failed = Some(spelled(&command));
                break;
            }
        }
        Ok(Report { step: self.name, took: begun.elapsed(), failed })
    }
}

impl Report {
    fn json(&self) -> serde_json::Value {
        json!({"step": self.step, "seconds": self.took.as_secs(), "passed": self.failed.is_none()})
    }
}

fn summarise(reports: &[Report]) {
    eprintln!();
    for Report { step, took, failed } in reports {
        let verdict = if failed.is_none() { "passed" } else { "FAILED" };
        eprintln!("{verdict}  {:>5} s  {step}", took.as_secs());
    }
    for command in reports.iter().filter_map(|report| report.failed.as_ref()) {
        eprintln!("\nthis command failed; run it by itself to look closer:\n$ {command}");
    }
}

/// All packages and features go together wherever possible: each other selection builds the dependencies once more.
fn steps(members: &[Member]) -> Vec<Step> {
    let mut documentation = cargo(["doc", "--workspace", "--all-features", "--no-deps"]);
    documentation.env("RUSTDOCFLAGS", "-D warnings");
    vec![
        Step::new("formatting", [cargo(["fmt", "--all", "--check"])]),
        Step::new("house rules", [cargo(["xtask", "tidy"])]),
        Step::new("lints", [lints()]),
        Step::new("tests", [tests()]),
        Step::new("doctests", [cargo(["test", "--workspace", "--all-features", "--doc"])]),
        Step::new("documentation", [documentation]),
        Step::new("crates without features", members.iter().filter(|m| m.is_library).map(bare)),
        Step::new("crates without std", members.iter().filter_map(without_std)),
        Step::new(
            "examples",
            members.iter().flat_map(|member| &member.examples).map(|name| example(name)),
        ),
        Step::new("demo", [cargo(["xtask", "demo"])]),
    ]
}

fn lints() -> Command {
    cargo(["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"])
}

/// Nextest, if it is installed: it runs the tests of all crates side by side.
fn tests() -> Command {
    let mut probe = cargo(["nextest", "--version"]);
    let nextest = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if nextest.is_ok_and(|status| status.success()) {
        cargo(["nextest", "run", "--workspace", "--all-features"])
    } else {
        cargo(["test", "--workspace", "--all-features", "--lib", "--bins", "--tests"])
    }
}

fn bare(member: &Member) -> Command {
    let package = format!("--package={}", member.name);
    cargo(["check", "--no-default-features", &package])
}

/// A crate proves that it needs no std by a package below its tests that has none to link.
fn without_std(member: &Member) -> Option<Command> {
    let manifest = member.folder.join("tests/no_std/Cargo.toml");
    let relative = manifest.strip_prefix(root()).unwrap_or(&manifest);
    let path = format!("--manifest-path={}", relative.display());
    manifest.is_file().then(|| cargo(["build", &path, "--target-dir=target/no_std"]))
}

fn example(name: &str) -> Command {
    cargo(["run", "--quiet", "--all-features", "--example", name])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    #[cfg(unix)]
    fn a_step_ends_at_its_first_failure_and_names_it() {
        let step = Step::new("s", [shell("true"), shell("exit 3"), shell("exit 4")]);
        assert_eq!(step.run().unwrap().failed.as_deref(), Some("sh -c 'exit 3'"));
        assert_eq!(Step::new("s", [shell("true")]).run().unwrap().failed, None);
    }
}
