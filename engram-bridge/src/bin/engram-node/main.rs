//! A node of a consolidation gossip cluster that runs without Engram: it reads consolidation
//! snapshots from a file, gossips them, and reports its state. Also contains the operator's tools.

#[macro_use]
mod terminal;

mod agreement;
mod backlog;
mod certs;
mod check;
mod control;
#[cfg(unix)]
mod ctl;
mod days;
mod diff;
mod event;
mod explained;
mod export;
mod files;
mod follow;
mod host;
mod init;
#[cfg(unix)]
mod keeper;
mod metrics;
mod migrate;
mod network;
mod notice;
mod operate;
mod output;
mod replay;
mod report;
mod request;
mod run;
mod signals;
#[cfg(unix)]
mod socket;
mod source;
mod status;
mod submit;
mod watch;
mod words;

use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use engram_bridge::config::ClusterConfig;

/// Consolidation gossip for Engram: one node.
#[derive(Parser)]
#[command(name = "engram-node", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Run(run::Run),
    #[cfg(unix)]
    Ctl(ctl::Ctl),
    Init(init::Init),
    #[command(subcommand)]
    Certs(certs::Certs),
    Check(check::Check),
    Watch(watch::Watch),
    Diff(diff::Diff),
    /// Prints every key of cluster.toml with its values and its default.
    Keys,
    Metrics(metrics::Metrics),
    Migrate(migrate::Migrate),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Run(task) => task.run(),
        #[cfg(unix)]
        Task::Ctl(task) => task.run(),
        Task::Init(task) => task.run(),
        Task::Certs(task) => task.run(),
        Task::Check(task) => task.run(),
        Task::Watch(task) => return agreement::status(task.run()),
        Task::Diff(task) => return agreement::status(task.run()),
        Task::Keys => {
            out!("{}", ClusterConfig::reference());
            Ok(())
        }
        Task::Metrics(task) => task.run(),
        Task::Migrate(task) => task.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The environment variables, which override values of the configuration.
fn variables() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

/// An error that ends the program. Its text names the cause and, where possible, the next step.
type Failure = Box<dyn Error + Send + Sync>;
