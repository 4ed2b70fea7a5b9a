//! Clusters of simulated nodes over the store, the records and the codec that ship.
//!
//! `engram-sim run` runs scenarios by name and judges them, `engram-sim mutants` shows that the
//! judgement means something, `engram-sim bytes` weighs what the protocol sends.

mod baseline;
mod bytes;
mod curve;
mod faults;
mod history;
mod load;
mod mutant;
mod pair;
mod replica;
mod report;
mod run;
mod scenario;
mod seeds;
mod spread;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::mutant::Mutant;
use crate::report::{Line, Report};
use crate::run::{Setting, Tracing};
use crate::scenario::{ALL, Scenario, Size};
use crate::seeds::Seeds;

/// Simulated clusters over the store, the records and the codec that ship.
#[derive(Parser)]
#[command(name = "engram-sim", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Run(Options),
    /// Makes every deliberate mistake, and fails if one goes unnoticed.
    Mutants,
    Bytes(bytes::Options),
    /// Names the scenarios.
    List,
}

/// Runs scenarios, and fails if one of them misses what it has to reach.
#[derive(Args)]
struct Options {
    /// Which scenario; all quick ones if none is named.
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// Which seeds, the last one excluded; each scenario has its own number if not given.
    #[arg(long, value_name = "A..B", conflicts_with = "seed")]
    seeds: Option<Seeds>,
    /// One seed.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Print everything that happens. Needs --scenario and --seed.
    #[arg(long, requires = "seed", requires = "scenario")]
    trace: bool,
    /// Also those scenarios that take minutes.
    #[arg(long)]
    all: bool,
    /// Print one JSON array instead of a table.
    #[arg(long)]
    json: bool,
    /// Make a deliberate mistake.
    #[arg(long, value_name = "NAME")]
    mutant: Option<Mutant>,
    /// Draw the convergence curves of each scenario into this folder.
    #[arg(long, value_name = "FOLDER")]
    curves: Option<PathBuf>,
    /// Fail if anything is dearer than in this file.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write the file instead of comparing with it.
    #[arg(long, requires = "baseline")]
    bless: bool,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Run(options) => options.run(),
        Task::Mutants => mutants(),
        Task::Bytes(options) => options.run(),
        Task::List => {
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
    /// Returns whether everything went as it has to.
    fn run(&self) -> Result<bool> {
        let scenarios = self.scenarios()?;
        if let ([scenario], Some(seed), true) = (&*scenarios, self.seed, self.trace) {
            return Ok(trace(scenario, seed, self.mutant));
        }
        if !self.json {
            println!("{}", Report::HEADING);
        }
        let mut lines = Vec::new();
        let mut complaints = Vec::new();
        for scenario in scenarios {
            let report = self.run_one(scenario)?;
            if !self.json {
                println!("{}", report.row());
            }
            complaints.extend(report.complaints);
            lines.push(report.line);
        }
        if self.json {
            println!("{}", serde_json::to_string_pretty(&lines)?);
        }
        complaints.extend(self.compare(&lines)?);
        complaints.iter().for_each(|complaint| eprintln!("{complaint}"));
        Ok(complaints.is_empty())
    }

    fn run_one(&self, scenario: &Scenario) -> Result<Report> {
        let one = self.seed.map(|seed| Seeds(seed..seed + 1));
        let seeds = one.or_else(|| self.seeds.clone()).unwrap_or(Seeds(0..scenario.seeds));
        let runs = seeds.run(scenario, self.mutant);
        if let Some(folder) = &self.curves {
            std::fs::create_dir_all(folder)?;
            let file = folder.join(format!("{}.svg", scenario.name));
            std::fs::write(file, curve::svg(scenario.name, &runs))?;
        }
        Ok(Report::of(scenario, &runs))
    }

    fn scenarios(&self) -> Result<Vec<&'static Scenario>> {
        if self.scenario.is_empty() {
            return Ok(ALL.iter().filter(|s| self.all || s.size == Size::Quick).collect());
        }
        let found = self.scenario.iter().map(|name| {
            let unknown = || format!("there is no scenario {name:?}; `engram-sim list` names them");
            scenario::find(name).ok_or_else(unknown)
        });
        Ok(found.collect::<std::result::Result<_, _>>()?)
    }

    /// What is dearer than in the baseline, if there is one.
    fn compare(&self, lines: &[Line]) -> Result<Vec<String>> {
        let Some(file) = &self.baseline else { return Ok(Vec::new()) };
        let named = |error| format!("{}: {error}", file.display());
        if self.bless {
            baseline::write(file, lines).map_err(named)?;
            return Ok(Vec::new());
        }
        Ok(baseline::worse(&baseline::read(file).map_err(named)?, lines))
    }
}

fn trace(scenario: &Scenario, seed: u64, mutant: Option<Mutant>) -> bool {
    let run = scenario.run(Setting { seed, trace: Tracing::On, mutant });
    print!("{}", run.trace);
    match run.agreed {
        Some(after) => println!("all agree after {:.3} s", after.as_secs_f64()),
        None => println!("the nodes did not agree until the deadline"),
    }
    if run.lost > 0 {
        println!("{} acknowledged writes were lost", run.lost);
    }
    run.faults.iter().for_each(|fault| println!("{fault}"));
    run.passed()
}

/// Every mutant has to be noticed by its scenario, within the seeds that are run by default.
fn mutants() -> Result<bool> {
    let mut all_killed = true;
    for &mutant in Mutant::value_variants() {
        let name = mutant.to_possible_value().map(|value| value.get_name().to_owned());
        let name = name.unwrap_or_default();
        let scenario = scenario::find(mutant.killer()).ok_or("a mutant names its scenario")?;
        let seeds = Seeds(0..scenario.seeds.min(MUTANT_SEEDS));
        let report = Report::of(scenario, &seeds.run(scenario, Some(mutant)));
        match report.complaints.first() {
            Some(complaint) => {
                let what = complaint.lines().next().unwrap_or_default();
                println!("killed    {name:<22} {what}");
            }
            None => {
                all_killed = false;
                println!("SURVIVED  {name:<22} {}, seeds 0..{}", scenario.name, seeds.0.end);
            }
        }
    }
    Ok(all_killed)
}

/// So many seeds are enough to notice any mutant.
const MUTANT_SEEDS: u64 = 60;

fn list() {
    for scenario in ALL {
        let size = if scenario.size == Size::Large { " (large)" } else { "" };
        println!("{:<20} {:>5} nodes  {}{size}", scenario.name, scenario.nodes, scenario.about);
    }
}
