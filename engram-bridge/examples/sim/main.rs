//! Simulates clusters with the production scheduler, sessions and store: `cargo xtask sim`.
//!
//! `run` runs scenarios and checks them, `bytes` measures the messages of the protocol, and `list`
//! prints the scenarios.

mod baseline;
mod bytes;
mod conversation;
mod curve;
mod faults;
mod load;
mod pair;
mod replica;
mod report;
mod run;
mod scenario;
mod seeds;
mod silence;
mod spread;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::report::Report;
use crate::run::{Setting, Tracing};
use crate::scenario::{ALL, Scenario, Size};
use crate::seeds::Seeds;

/// Simulates clusters with the production scheduler, sessions and store.
#[derive(Parser)]
#[command(name = "sim", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    Run(Options),
    Bytes(bytes::Options),
    /// Lists the scenarios.
    List,
}

/// Runs scenarios, and fails if one violates a rule or exceeds a bound or its baseline.
#[derive(Args, Default)]
struct Options {
    /// The scenarios; all quick ones by default.
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// The range of seeds, end excluded; by default, the scenario's own number of seeds.
    #[arg(long, value_name = "A..B", conflicts_with = "seed")]
    seeds: Option<Seeds>,
    /// One seed.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Print the events of one run. Needs exactly one --scenario, and --seed.
    #[arg(long, requires = "seed", requires = "scenario")]
    trace: bool,
    /// Include the scenarios that take minutes.
    #[arg(long)]
    all: bool,
    /// Print one JSON array instead of a table.
    #[arg(long)]
    json: bool,
    /// Write the convergence curves of each scenario to this folder, as JSON.
    #[arg(long, value_name = "FOLDER")]
    curves: Option<PathBuf>,
    /// Write the results to the baseline.
    #[arg(long)]
    bless: bool,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        None => Options::default().run(),
        Some(Task::Run(options)) => options.run(),
        Some(Task::Bytes(options)) => options.run(),
        Some(Task::List) => {
            list();
            Ok(true)
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    /// Returns whether every scenario passed.
    fn run(&self) -> Result<bool> {
        let scenarios = self.scenarios()?;
        if self.trace {
            let ([scenario], Some(seed)) = (&*scenarios, self.seed) else {
                return Err("--trace needs one --scenario and --seed".into());
            };
            return Ok(trace(scenario, seed));
        }
        if !self.json {
            println!("{}", Report::HEADING);
        }
        let mut reports = Vec::new();
        for scenario in scenarios {
            let report = self.run_one(scenario)?;
            if !self.json {
                println!("{}", report.row());
                report.met.iter().for_each(|met| println!("{met}"));
            }
            reports.push(report);
        }
        if self.bless {
            baseline::write(&reports)?;
        } else {
            baseline::compare(&mut reports)?;
        }
        let complaints = reports.iter().flat_map(|report| &report.complaints);
        complaints.for_each(|complaint| eprintln!("{complaint}"));
        if self.json {
            let lines: Vec<_> = reports.iter().map(|report| &report.costs.line).collect();
            println!("{}", serde_json::to_string_pretty(&lines)?);
        } else {
            println!("\n{}\n\n{}", Report::LEGEND, report::verdict(&reports));
        }
        Ok(reports.iter().all(Report::passed))
    }

    fn run_one(&self, scenario: &Scenario) -> Result<Report> {
        let one = self.seed.map(|seed| Seeds(seed..seed + 1));
        let seeds = one.or_else(|| self.seeds.clone()).unwrap_or(Seeds(0..scenario.seeds));
        let runs = seeds.run(scenario);
        if let Some(folder) = &self.curves {
            curve::write(folder, scenario.name, &runs)?;
        }
        Ok(Report::of(scenario, &runs))
    }

    fn scenarios(&self) -> Result<Vec<&'static Scenario>> {
        if self.scenario.is_empty() {
            return Ok(ALL.iter().filter(|s| self.all || s.size == Size::Quick).collect());
        }
        let found = self.scenario.iter().map(|name| {
            let unknown =
                || format!("there is no scenario {name:?}; `cargo xtask sim list` lists them");
            scenario::find(name).ok_or_else(unknown)
        });
        Ok(found.collect::<std::result::Result<_, _>>()?)
    }
}

fn trace(scenario: &Scenario, seed: u64) -> bool {
    let run = scenario.run(Setting { seed, trace: Tracing::On });
    print!("{}", run.trace);
    match run.agreed {
        Some(after) => println!("the measured time is {:.3} s", after.as_secs_f64()),
        None => println!("the nodes did not agree or connect by the deadline"),
    }
    if run.lost > 0 {
        println!("{} acknowledged writes were lost", run.lost);
    }
    run.faults.iter().for_each(|fault| println!("{fault}"));
    run.passed()
}

fn list() {
    for scenario in ALL {
        let size = if scenario.size == Size::Large { " (large)" } else { "" };
        println!("{:<14} {:>5} nodes  {}{size}", scenario.name, scenario.nodes, scenario.about);
    }
}
