//! Simulated clusters, run by the product's own simulator.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::Verdict;
use crate::command::{passes, root};
use crate::product;

/// Simulate clusters of up to 1,000 nodes, and judge how they converge
///
/// Without options: every quick scenario over its usual seeds, judged by its bound and by the committed baseline. The
/// nodes run the scheduler, the sessions and the store that ship, with default settings, in virtual time. A seed that
/// fails is printed with the command that replays it.
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
    /// Print every event of one scenario and one seed
    #[arg(long, requires = "seed", requires = "scenario")]
    trace: bool,
    /// Also large clusters, and for `bytes` a million entries
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
    /// Make the results the baseline
    #[arg(long)]
    bless: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Run scenarios
    Run,
    /// Weigh what the protocol sends
    Bytes,
    /// Name the scenarios
    List,
}

impl Sim {
    pub(crate) fn run(self) -> Result<Verdict> {
        let mut command = std::process::Command::new(product::simulator()?);
        command.current_dir(root()).args(self.arguments());
        Ok(if passes(&mut command)? { Verdict::Passed } else { Verdict::Failed })
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
        self.curves.iter().for_each(|folder| add(&["--curves", &folder.to_string_lossy()]));
        for (given, flag) in [(self.trace, "--trace"), (self.all, "--all"), (self.bless, "--bless")]
        {
            if given {
                add(&[flag]);
            }
        }
        arguments
    }
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
        let traced = arguments("sim --scenario pair --seed 7 --trace");
        assert_eq!(traced, ["run", "--scenario", "pair", "--seed", "7", "--trace"]);
        assert_eq!(arguments("sim"), ["run"]);
        assert_eq!(arguments("sim bytes --all --json"), ["bytes", "--json", "--large"]);
    }
}
