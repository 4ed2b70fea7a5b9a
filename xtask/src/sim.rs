//! Runs the product's own simulator of clusters.

mod curves;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::Verdict;
use crate::command::{passes, root};
use crate::product;

/// Simulate clusters of up to 1,000 nodes, and check their convergence
///
/// Without options, runs every quick scenario over its usual seeds, and compares it with its bound and the committed
/// baseline. The nodes run the shipped scheduler, sessions and store, with default settings, in virtual time. Prints a
/// failing seed with the command that replays it.
#[derive(Args)]
pub(crate) struct Sim {
    /// The action
    #[arg(value_enum, default_value_t = Part::Run)]
    part: Part,
    /// Run only this scenario; may be given several times
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// A range of seeds instead of the usual ones, end excluded
    #[arg(long, value_name = "A..B")]
    seeds: Option<String>,
    /// A single seed
    #[arg(long, value_name = "S", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Print every event of one scenario and one seed
    #[arg(long, requires = "seed", requires = "scenario")]
    trace: bool,
    /// Include large clusters, and for `bytes` a million entries
    #[arg(long)]
    all: bool,
    /// A folder of consolidation snapshots for `bytes` instead of the fixture
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Print the results as one JSON array on standard output
    #[arg(long)]
    json: bool,
    /// Draw the convergence curves of each scenario into this folder, and write their data there
    #[arg(long, value_name = "FOLDER")]
    curves: Option<PathBuf>,
    /// Save the results as the baseline
    #[arg(long)]
    bless: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Run scenarios
    Run,
    /// Measure the bytes of the protocol
    Bytes,
    /// List the scenarios
    List,
}

impl Sim {
    pub(crate) fn run(self) -> Result<Verdict> {
        let mut command = std::process::Command::new(product::simulator()?);
        command.current_dir(root()).args(self.arguments());
        let passed = passes(&mut command)?;
        if let (Part::Run, Some(folder)) = (self.part, &self.curves) {
            curves::draw(folder)?;
        }
        Ok(if passed { Verdict::Passed } else { Verdict::Failed })
    }

    fn arguments(&self) -> Vec<String> {
        let part = self.part.to_possible_value().expect("no part is skipped");
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
