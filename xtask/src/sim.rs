//! Simulated clusters, run by the product's own simulator.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::Verdict;
use crate::command::{cargo, passes};
use crate::product;

/// Simulate clusters of up to 10,000 nodes, and judge how they converge
///
/// Without options: every quick scenario over its usual seeds, judged by its bounds and by the committed baseline. The
/// nodes run the store, the records and the codec that ship. A seed that fails is printed with the command that replays
/// it.
#[derive(Args)]
pub(crate) struct Sim {
    /// What to do
    #[arg(value_enum, default_value_t = Part::Run)]
    part: Part,
    /// Only this scenario; may be given several times
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// Other seeds than usual, the last one excluded
    #[arg(long, value_name = "A..B")]
    seeds: Option<String>,
    /// One seed
    #[arg(long, value_name = "S", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Print everything that happens, for one scenario and one seed
    #[arg(long, requires = "seed", requires = "scenario")]
    trace: bool,
    /// Also what takes minutes: large clusters, and for `bytes` a million entries
    #[arg(long)]
    all: bool,
    /// A folder of consolidation snapshots for `bytes` to weigh instead of the fixture
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Print the results as one JSON array on standard output
    #[arg(long)]
    json: bool,
    /// Draw the convergence curves of each scenario into this folder
    #[arg(long, value_name = "FOLDER")]
    curves: Option<PathBuf>,
    /// Make a deliberate mistake, to see it noticed
    #[arg(long, value_name = "NAME")]
    mutant: Option<String>,
    /// Make the results the baseline
    #[arg(long)]
    bless: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Run scenarios
    Run,
    /// Run every deliberate mistake, and fail if one goes unnoticed
    Mutants,
    /// Weigh what the protocol sends
    Bytes,
    /// Name the scenarios
    List,
}

/// What the scenarios cost when that was last found to be right.
const BASELINE: &str = "engram-bridge/src/bin/engram-sim/baseline.json";

impl Sim {
    pub(crate) fn run(self) -> Result<Verdict> {
        let mut command = std::process::Command::new(product::simulator()?);
        command.current_dir(crate::command::root()).args(self.arguments());
        let mut passed = passes(&mut command)?;
        if self.part == Part::Mutants {
            passed &= passes(&mut stale_reads())?;
        }
        Ok(if passed { Verdict::Passed } else { Verdict::Failed })
    }

    fn arguments(&self) -> Vec<String> {
        let part = self.part.to_possible_value().expect("no part is hidden");
        let mut arguments = vec![part.get_name().to_owned()];
        let mut add = |texts: &[&str]| arguments.extend(texts.iter().map(|&text| text.to_owned()));
        if self.json && matches!(self.part, Part::Run | Part::Bytes) {
            add(&["--json"]);
        }
        if self.part == Part::Bytes {
            self.data.iter().for_each(|folder| add(&["--data", &folder.to_string_lossy()]));
            if self.all {
                add(&["--large"]);
            }
        }
        if self.part != Part::Run {
            return arguments;
        }
        self.scenario.iter().for_each(|name| add(&["--scenario", name]));
        self.seeds.iter().for_each(|seeds| add(&["--seeds", seeds]));
        self.seed.iter().for_each(|seed| add(&["--seed", &seed.to_string()]));
        self.mutant.iter().for_each(|name| add(&["--mutant", name]));
        self.curves.iter().for_each(|folder| add(&["--curves", &folder.to_string_lossy()]));
        for (given, flag) in [(self.trace, "--trace"), (self.all, "--all"), (self.bless, "--bless")]
        {
            if given {
                add(&[flag]);
            }
        }
        if self.mutant.is_none() && !self.trace {
            add(&["--baseline", BASELINE]);
        }
        arguments
    }
}

/// One mistake the store that ships has no room for, so that the crate's own naive store makes it.
fn stale_reads() -> std::process::Command {
    let mut command = cargo(["test", "--quiet", "--package=engram-gossip-proto", "--features=sim"]);
    command.args(["--test=sim", "a_store_that_trusts_stale_reads_is_noticed"]);
    command.stdout(std::process::Stdio::from(std::io::stderr()));
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{FromArgMatches, Parser};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        sim: Sim,
    }

    fn arguments(line: &str) -> Vec<String> {
        let command = <Line as clap::CommandFactory>::command();
        let matches = command.get_matches_from(line.split(' '));
        Line::from_arg_matches(&matches).unwrap().sim.arguments()
    }

    #[test]
    fn options_reach_the_simulator() {
        let traced = arguments("sim --scenario faults --seed 7 --trace");
        assert_eq!(traced, ["run", "--scenario", "faults", "--seed", "7", "--trace"]);
        assert_eq!(arguments("sim"), ["run", "--baseline", BASELINE]);
        assert_eq!(arguments("sim mutants"), ["mutants"]);
        assert_eq!(arguments("sim bytes --all --json"), ["bytes", "--json", "--large"]);
    }
}
