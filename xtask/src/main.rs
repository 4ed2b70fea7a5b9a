//! All workflows of this repository: `cargo xtask` without arguments lists them.
//!
//! Each command has a module. No command links the product: those that need it run cargo or the product's binaries, as
//! a user would.

mod bench;
mod certs;
mod chart;
mod ci;
mod command;
mod dashboard;
mod demo;
mod deny;
mod features;
mod fuzz;
mod hosts;
mod image;
mod model;
mod mutants;
mod netem;
mod node;
mod nostd;
mod product;
mod release;
mod report;
mod scratch;
mod semver;
mod sim;
mod tidy;
mod tool;
mod unit;
mod workspace;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Consolidation gossip for Engram: one command per workflow.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Bench(bench::Bench),
    Certs(certs::Certs),
    #[command(visible_alias = "test")]
    Ci(ci::Ci),
    Dashboard(dashboard::Dashboard),
    Demo(demo::Demo),
    Deny(deny::Deny),
    Features(features::Features),
    Fuzz(fuzz::Fuzz),
    Image(image::Image),
    Mutants(mutants::Mutants),
    Model(model::Model),
    Netem(netem::Netem),
    Node(node::Node),
    Nostd(nostd::Nostd),
    Release(release::Release),
    Report(report::Report),
    Semver(semver::Semver),
    Sim(sim::Sim),
    Tidy(tidy::Tidy),
    Unit(unit::Unit),
}

/// The result of a task: a failed check is not an error of the task itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Passed,
    Failed,
}

/// The tasks in the order in which a newcomer needs them.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Try", &["demo", "node", "sim", "certs"]),
    (
        "Check",
        &[
            "ci", "tidy", "features", "nostd", "deny", "semver", "model", "mutants", "fuzz",
            "netem", "unit", "image",
        ],
    ),
    ("Measure", &["bench", "report"]),
    ("Ship", &["release", "dashboard"]),
];

fn main() -> ExitCode {
    let command = Cli::command().override_help(overview());
    if std::env::args_os().len() < 2 {
        print!("{}", overview());
        return ExitCode::SUCCESS;
    }
    // Clap exits with status 2 on a wrong command line, and with 0 after help.
    let cli = Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    let result = match cli.task {
        Task::Bench(task) => task.run(),
        Task::Certs(task) => task.run(),
        Task::Ci(task) => task.run(),
        Task::Dashboard(task) => task.run(),
        Task::Demo(task) => task.run(),
        Task::Deny(task) => task.run(),
        Task::Features(task) => task.run(),
        Task::Fuzz(task) => task.run(),
        Task::Image(task) => task.run(),
        Task::Mutants(task) => task.run(),
        Task::Model(task) => task.run(),
        Task::Netem(task) => task.run(),
        Task::Node(task) => task.run(),
        Task::Nostd(task) => task.run(),
        Task::Release(task) => task.run(),
        Task::Report(task) => task.run(),
        Task::Semver(task) => task.run(),
        Task::Sim(task) => task.run(),
        Task::Tidy(task) => task.run(),
        Task::Unit(task) => task.run(),
    };
    match result {
        Ok(Verdict::Passed) => ExitCode::SUCCESS,
        Ok(Verdict::Failed) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The reason why a command line is refused, in one line. Ignores missing arguments.
pub(crate) fn refuses(arguments: &[&str]) -> Option<String> {
    let line = ["cargo xtask"].into_iter().chain(arguments.iter().copied());
    let error = Cli::command().try_get_matches_from(line).err()?;
    let lacks = [
        ErrorKind::MissingRequiredArgument,
        ErrorKind::MissingSubcommand,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    ];
    // A request for help is valid.
    (error.use_stderr() && !lacks.contains(&error.kind()))
        .then(|| error.to_string().lines().next().unwrap_or_default().to_owned())
}

/// The grouped list of tasks, generated from the tasks' own descriptions.
fn overview() -> String {
    let command = Cli::command();
    let mut text = String::from("Usage: cargo xtask <task> [options]\n");
    for (group, tasks) in GROUPS {
        text.push_str(&format!("\n{group}\n"));
        for name in tasks {
            let Some(task) = command.find_subcommand(name) else { continue };
            let names: Vec<_> = [*name].into_iter().chain(task.get_visible_aliases()).collect();
            let about = task.get_about().cloned().unwrap_or_default();
            text.push_str(&format!("  {:<13}{about}\n", names.join(", ")));
        }
    }
    text.push_str(
        "\nDetails of a task: cargo xtask <task> --help\n\
         Exit status: 0 success, 1 failure, 2 wrong command line\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn overview_lists_every_task_once() {
        let mut listed: Vec<_> =
            GROUPS.iter().flat_map(|(_, tasks)| tasks.iter().copied()).collect();
        let command = Cli::command();
        let mut known: Vec<_> = command.get_subcommands().map(|task| task.get_name()).collect();
        listed.sort_unstable();
        known.sort_unstable();
        assert_eq!(listed, known);
    }
}
