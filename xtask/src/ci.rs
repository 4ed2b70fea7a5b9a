//! All checks for a change, ordered so that mistakes are found early.

mod report;
mod steps;

use std::io::{BufRead, BufReader, IsTerminal};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use crate::Verdict;
use crate::command::spelled;
use crate::workspace::members;
use report::{Ending, Report, summarise};
use steps::{DEEP, ORDINARY, Step};

/// Run all checks of CI
///
/// Checks formatting, house rules, lints, tests, doctests, documentation, every crate without its features, the builds
/// without std, the examples, the generated files, the alert rules and the systemd unit, and runs a real demo. Prints
/// each command before it runs, and again if it fails. With --deep, also runs the long checks. Skips steps whose tool
/// is not installed, and names them.
#[derive(Args)]
pub(crate) struct Ci {
    /// Also run the long checks, some of which take many minutes
    #[arg(long)]
    deep: bool,
    /// Run only this step, ordinary or deep; may be given several times
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Continue after a failure, and report all failures
    #[arg(long)]
    keep_going: bool,
    /// List the steps without running them
    #[arg(long)]
    list: bool,
    /// Print the outcome of each step as one JSON array on standard output
    #[arg(long)]
    json: bool,
}

impl Ci {
    pub(crate) fn run(self) -> Result<Verdict> {
        let chosen = self.choose()?;
        if self.list {
            chosen.iter().for_each(|step| println!("{:<15} {}", step.name, step.about));
            return Ok(Verdict::Passed);
        }
        let members = members()?;
        let mut reports: Vec<Report> = Vec::new();
        for step in chosen {
            let begun = Instant::now();
            eprintln!("\n== {} ==", step.name);
            let (ending, skipped) = match step.missing() {
                Some(tool) => (Ending::Skipped(tool), Vec::new()),
                None => run((step.commands)(&members))?,
            };
            reports.push(Report { step: step.name, took: begun.elapsed(), ending, skipped });
            if reports.last().is_some_and(Report::failed) && !self.keep_going {
                break;
            }
        }
        summarise(&reports);
        if self.json {
            println!("{}", json!(reports.iter().map(Report::json).collect::<Vec<_>>()));
        }
        let failed = reports.iter().any(Report::failed);
        Ok(if failed { Verdict::Failed } else { Verdict::Passed })
    }

    fn choose(&self) -> Result<Vec<&'static Step>> {
        let all = || ORDINARY.iter().chain(&DEEP);
        let is_unknown = |name: &&String| !all().any(|step| step.name == name.as_str());
        if let Some(unknown) = self.only.iter().find(is_unknown) {
            bail!("there is no step {unknown}; cargo xtask ci --deep --list names them");
        }
        if !self.only.is_empty() {
            return Ok(all().filter(|step| self.only.iter().any(|n| n == step.name)).collect());
        }
        Ok(if self.deep { all().collect() } else { ORDINARY.iter().collect() })
    }
}

/// Runs the commands of one step until one fails, and collects the lines in which they report skipped parts.
fn run(commands: Vec<Command>) -> Result<(Ending, Vec<String>)> {
    let mut skipped = Vec::new();
    for mut command in commands {
        let shown = spelled(&command);
        eprintln!("$ {shown}");
        let passed = follow(&mut command, &mut skipped);
        if !passed.with_context(|| format!("cannot run {shown}"))? {
            return Ok((Ending::Failed(shown), skipped));
        }
    }
    Ok((Ending::Passed, skipped))
}

/// Runs the command, forwards its output to stderr, and collects the lines that begin with "skipped", which are easily
/// overlooked in a long run. Standard output is reserved for the result of this task.
fn follow(command: &mut Command, skipped: &mut Vec<String>) -> Result<bool> {
    let (output, input) = std::io::pipe()?;
    command.stdout(input.try_clone()?).stderr(input);
    if std::io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command.spawn()?;
    // The command still holds the write ends of the pipe, and reading ends only when all of them are closed.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        eprintln!("{line}");
        if line.starts_with("skipped") {
            skipped.push(line.into_owned());
        }
    }
    Ok(child.wait()?.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ci(only: &[&str], deep: bool) -> Ci {
        let only = only.iter().map(|&name| name.to_owned()).collect();
        Ci { deep, only, keep_going: false, list: false, json: false }
    }

    #[test]
    fn step_names_are_unique() {
        let mut names: Vec<_> = ORDINARY.iter().chain(&DEEP).map(|step| step.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_step_is_chosen_by_its_name() {
        assert_eq!(ci(&["lints"], false).choose().unwrap().len(), 1);
        let error = ci(&["lint"], false).choose().err().unwrap().to_string();
        assert!(error.contains("no step lint;"), "{error}");
        assert!(ci(&[], false).choose().unwrap().len() < ci(&[], true).choose().unwrap().len());
    }

    #[test]
    #[cfg(unix)]
    fn a_step_ends_at_its_first_failure_and_names_it() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        let (failed, _) = run(vec![shell("true"), shell("exit 3"), shell("exit 4")]).unwrap();
        assert_eq!(failed, Ending::Failed("sh -c 'exit 3'".to_owned()));
        assert_eq!(run(vec![shell("true")]).unwrap(), (Ending::Passed, Vec::new()));
    }

    #[test]
    #[cfg(unix)]
    fn skipped_lines_of_a_command_are_kept() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo 'skipped: rain'; echo skipped  snow >&2"]);
        let (ending, skipped) = run(vec![command]).unwrap();
        assert_eq!(ending, Ending::Passed);
        assert_eq!(skipped, ["skipped: rain", "skipped snow"]);
    }
}
