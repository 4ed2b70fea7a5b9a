//! Runs the fuzz targets of the Merkle tree, the wire format and the sync machine.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::Verdict;
use crate::command::{cargo, root, spelled};
use crate::workspace::target_folder;

/// Fuzz the parsers of the wire format and of the Merkle tree, and whole sessions
///
/// Needs cargo-fuzz (`cargo install cargo-fuzz`); works with a stable compiler. Starts from the committed corpus, and
/// stores new inputs in the crate's folder fuzz/corpus. Stores a failing input in the crate's folder fuzz/artifacts,
/// and prints the command that repeats it.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// Run only these targets
    targets: Vec<String>,
    /// Seconds per target
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Inputs per target, instead of a time
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    runs: Option<u64>,
    /// Print the results as one JSON array on standard output
    #[arg(long)]
    json: bool,
}

/// The folders that contain `fuzz/`.
const CRATES: [&str; 2] = ["merkle", "gossip-proto"];

/// The target whose inputs are whole sessions. It runs without traced comparisons, which help to guess bytes that a
/// decoder compares, and without weighted inputs: a session reaches so many branches that counting each takes longer
/// than the session. Without both, it tries about four times as many inputs a second.
const SESSIONS: &str = "session";

/// A fuzz target.
struct Target {
    /// The folder of its crate.
    folder: &'static str,
    name: String,
}

impl Fuzz {
    pub(crate) fn run(self) -> Result<Verdict> {
        let known = targets()?;
        let names: Vec<&str> = known.iter().map(|target| target.name.as_str()).collect();
        if let Some(unknown) = self.targets.iter().find(|target| !names.contains(&target.as_str()))
        {
            bail!("there is no fuzz target {unknown}; there are {}", names.join(", "));
        }
        let is_chosen =
            |target: &&Target| self.targets.is_empty() || self.targets.contains(&target.name);
        let chosen = known.iter().filter(is_chosen);
        let results = chosen.map(|target| self.feed(target)).collect::<Result<Vec<_>>>()?;
        if self.json {
            println!("{}", json!(results.iter().map(Fed::json).collect::<Vec<_>>()));
        } else {
            results.iter().for_each(Fed::print);
        }
        let survived = results.iter().all(|fed| fed.survived);
        Ok(if survived { Verdict::Passed } else { Verdict::Failed })
    }

    /// Runs one target and counts its inputs.
    fn feed(&self, Target { folder, name }: &Target) -> Result<Fed> {
        let mut command = cargo(["fuzz", "run", "--sanitizer=none"]);
        command.current_dir(root().join(folder));
        let mut build = target_folder()?.join("fuzz");
        let mut options = vec!["-max_len=4096", "-print_final_stats=1"];
        if name == SESSIONS {
            command.arg("--no-trace-compares");
            build.push("untraced");
            options.push("-entropic=0");
        }
        command.arg("--target-dir").arg(build).arg(name);
        let found = PathBuf::from("fuzz/corpus").join(name);
        std::fs::create_dir_all(root().join(folder).join(&found))?;
        command.arg(found).arg(PathBuf::from("tests/data/corpus").join(name));
        let limit = match self.runs {
            Some(runs) => format!("-runs={runs}"),
            None => format!("-max_total_time={}", self.seconds),
        };
        command.arg("--").args(options).arg(limit);
        self.watch(name, &mut command)
    }

    fn watch(&self, target: &str, command: &mut Command) -> Result<Fed> {
        eprintln!("$ {}", spelled(command));
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", spelled(command)))?;
        let mut runs = 0;
        for line in BufReader::new(child.stderr.take().context("stderr is not piped")?).lines() {
            let line = line?;
            if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
                runs = count.trim().parse().unwrap_or_default();
            } else if !line.starts_with('#') {
                eprintln!("{line}");
            }
        }
        let survived = child.wait()?.success();
        if !survived && runs == 0 {
            bail!("{target} did not run; is cargo-fuzz installed? cargo install cargo-fuzz");
        }
        Ok(Fed { target: target.to_owned(), runs, survived })
    }
}

/// The result of one target.
struct Fed {
    target: String,
    runs: u64,
    survived: bool,
}

impl Fed {
    fn json(&self) -> Value {
        json!({ "target": self.target, "runs": self.runs, "survived": self.survived })
    }

    fn print(&self) {
        let verdict = if self.survived { "survived" } else { "FAILED" };
        println!("{:<18} {:>12} inputs {verdict}", self.target, self.runs);
    }
}

/// Lists the targets by their source files.
fn targets() -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for folder in CRATES {
        let sources = root().join(folder).join("fuzz/fuzz_targets");
        let files =
            std::fs::read_dir(&sources).with_context(|| format!("{}", sources.display()))?;
        for file in files {
            let stem = file?.path().file_stem().map(|stem| stem.to_string_lossy().into_owned());
            targets.extend(stem.map(|name| Target { folder, name }));
        }
    }
    targets.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_committed_corpus() {
        for Target { folder, name } in targets().unwrap() {
            let corpus = root().join(folder).join("tests/data/corpus").join(name);
            assert!(corpus.is_dir(), "{} is missing", corpus.display());
        }
    }

    #[test]
    fn the_untraced_target_exists() {
        assert!(targets().unwrap().iter().any(|target| target.name == SESSIONS));
    }
}
