//! Real node processes converge on real consolidation state, and an independent check verifies the outcome.

mod cluster;
mod data;
mod event;
mod node;
mod outcome;
mod picture;
mod progress;
mod run;
mod verify;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::Verdict;
use crate::command::root;
use crate::product;
use crate::scratch::Scratch;
use cluster::Cluster;
use data::{Feed, Rejected};
use run::Run;

/// Watch real nodes converge on real patterns
///
/// Builds the node, issues temporary certificates, starts one process per node on this machine, and replays the
/// consolidation snapshots of each node to its process. When all roots are equal, or the time is up, compares every
/// node's visible patterns byte for byte with those of the others, and with the union of the input. Ctrl-C ends the
/// demo cleanly.
#[derive(Args)]
pub(crate) struct Demo {
    /// Number of nodes, up to 16; nodes beyond the files start empty [default: one per file, at least 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=MOST_NODES))]
    nodes: Option<u8>,
    /// Folder with one *.jsonl of snapshots per node [default: the three nodes of the fixture]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Seconds between timed gossip rounds; changes are always announced immediately
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval: u64,
    /// Keep the nodes and their status pages running after the check, until Ctrl-C
    #[arg(long)]
    hold: bool,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    json: bool,
    /// Keep certificates, configurations, logs, exports and the picture in this folder, which must be new or empty
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Give up if the nodes have not converged after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Whether each node has a separate host, created beforehand.
    #[arg(skip)]
    on_hosts: bool,
}

const MOST_NODES: i64 = 16;

/// The maximum number of rejected lines to list for each file; the rest are only counted.
const LISTED: usize = 10;

impl Demo {
    /// Creates a demo with the fixture's nodes, each in its host's network namespace.
    pub(crate) fn on_hosts() -> Self {
        let (nodes, data, keep) = (None, None, None);
        let (interval, timeout) = (5, 180);
        Self { nodes, data, interval, hold: false, json: false, keep, timeout, on_hosts: true }
    }

    pub(crate) fn run(self) -> Result<Verdict> {
        let interrupted = watch_for_interrupts()?;
        let data = match &self.data {
            Some(folder) => folder.clone(),
            None => root().join("engram-bridge/fixture/small"),
        };
        eprintln!("reading {}", data.strip_prefix(root()).unwrap_or(&data).display());
        let mut feeds = data::read_folder(&data)?;
        let count = self.node_count(&mut feeds)?;
        report_rejected(&feeds);
        let union =
            feeds.iter().flat_map(|feed| feed.patterns.keys()).collect::<BTreeSet<_>>().len();
        if union == 0 {
            bail!("{}: contains no valid pattern", data.display());
        }

        let binary = product::node()?;
        let scratch = match &self.keep {
            Some(folder) => Scratch::keep(folder)?,
            None => Scratch::new()?,
        };
        let mut cluster = Cluster::issue(&binary, scratch.path(), &feeds, count)?;
        cluster.on_hosts = self.on_hosts;
        let run = Run {
            cluster,
            folder: scratch.path(),
            feeds: &feeds,
            union,
            interval: self.interval,
            timeout: Duration::from_secs(self.timeout),
            interrupted: &interrupted,
        };
        let (outcome, running) = run.converge()?;

        let picture = self.picture_path(&binary)?;
        fs::write(&picture, outcome.picture())
            .with_context(|| format!("{}: cannot be written", picture.display()))?;
        outcome.explain();
        if self.json {
            println!("{}", outcome.json());
        } else {
            print!("{}", outcome.table());
        }
        eprintln!("picture: {}", picture.strip_prefix(root()).unwrap_or(&picture).display());
        if self.hold {
            running.hold(&interrupted);
        }
        Ok(if outcome.converged() { Verdict::Passed } else { Verdict::Failed })
    }

    /// Returns the number of nodes to run, and drops the files beyond this number.
    fn node_count(&self, feeds: &mut Vec<Feed>) -> Result<usize> {
        let count = match self.nodes {
            Some(count) => usize::from(count),
            None => feeds.len().max(3),
        };
        if count > MOST_NODES as usize {
            bail!(
                "there are {count} files, and a demo runs at most {MOST_NODES} nodes; choose with --nodes"
            );
        }
        for feed in feeds.drain(count.min(feeds.len())..) {
            eprintln!("ignored, because there are only {count} nodes: {}", feed.file.display());
        }
        Ok(count)
    }

    fn picture_path(&self, binary: &Path) -> Result<PathBuf> {
        let folder = match &self.keep {
            Some(folder) => folder.clone(),
            // `target/demo`, next to the folder of the build profile.
            None => binary.ancestors().nth(2).expect("cargo builds into folders").join("demo"),
        };
        fs::create_dir_all(&folder)
            .with_context(|| format!("{}: cannot be created", folder.display()))?;
        Ok(folder.join("convergence.svg"))
    }
}

/// Sets the flag on Ctrl-C and similar signals, so that the demo shuts down cleanly. A second signal ends it
/// immediately; the nodes then end because their input is closed.
fn watch_for_interrupts() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in signal_hook::consts::TERM_SIGNALS {
        signal_hook::flag::register_conditional_shutdown(*signal, 1, Arc::clone(&interrupted))
            .and_then(|_| signal_hook::flag::register(*signal, Arc::clone(&interrupted)))
            .context("cannot watch for Ctrl-C")?;
    }
    Ok(interrupted)
}

fn report_rejected(feeds: &[Feed]) {
    for Feed { file, rejected, .. } in feeds {
        for Rejected { line, reason } in rejected.iter().take(LISTED) {
            let place = if *line == 0 { String::new() } else { format!(":{line}") };
            eprintln!("rejected: {}{place}: {reason}", file.display());
        }
        if rejected.len() > LISTED {
            eprintln!("rejected: {} more of {}", rejected.len() - LISTED, file.display());
        }
    }
    if feeds.iter().any(|feed| !feed.rejected.is_empty()) {
        eprintln!("The demo continues without the rejected entries; correct or remove them.\n");
    }
}
