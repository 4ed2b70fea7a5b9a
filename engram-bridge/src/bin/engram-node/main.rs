//! A node of a consolidation gossip cluster, without an Engram around it: it reads consolidation
//! snapshots from a file, gossips them, and reports its state.

mod certs;
mod control;
mod episodes;
mod event;
mod export;
mod host;
mod metrics;
mod migrate;
mod network;
mod notice;
mod operate;
mod replay;
mod report;
mod run;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use engram_bridge::ClusterConfig;
use engram_gossip_proto::SpaceId;

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
    #[command(subcommand)]
    Certs(certs::Certs),
    Check(Check),
    /// Prints every key of cluster.toml with its values and its default.
    Keys,
    Metrics(metrics::Metrics),
    Migrate(migrate::Migrate),
}

/// Checks a configuration and the certificates that it names, and starts nothing.
#[derive(clap::Args)]
struct Check {
    /// The configuration, cluster.toml.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Prints the configuration that would be in force, defaults and variables included, and looks
    /// at no certificate.
    #[arg(long)]
    print_config: bool,
}

impl Check {
    fn run(self) -> Result<(), Failure> {
        let config = ClusterConfig::load_with(&self.config, std::env::vars())?;
        if self.print_config {
            print!("{config}");
            return Ok(());
        }
        let node_id = config.check()?;
        let spaces: Vec<_> = config.node.spaces.iter().map(SpaceId::as_str).collect();
        println!("{} is fine", self.config.display());
        println!("{} has the node id {node_id}", config.node.name);
        println!("it hosts {} and knows {} peers", spaces.join(", "), config.peers.len());
        Ok(())
    }
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Run(task) => task.run(),
        Task::Certs(task) => task.run(),
        Task::Check(task) => task.run(),
        Task::Keys => {
            print!("{}", ClusterConfig::reference());
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

/// An error that ends the program. Every error names its next step.
type Failure = Box<dyn Error + Send + Sync>;
