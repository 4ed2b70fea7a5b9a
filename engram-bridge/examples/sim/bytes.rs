//! Byte counts of the protocol, measured with the production sessions and codec.

mod learning;
mod peers;
mod real;
mod several;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use engram_gossip_proto::sim::{Host, Latency, Link, Random, World, WorldConfig};
use engram_gossip_proto::{Delivery, Prefix, View};
use serde::Serialize;

use crate::Result;
use crate::replica::{Replica, default_space, pattern};

/// Measures the messages of the protocol, and fails if a budget is exceeded.
#[derive(Args)]
pub(crate) struct Options {
    /// Print one JSON array instead of a table.
    #[arg(long)]
    json: bool,
    /// Also measure a million entries, which takes a minute and 3 GB of memory.
    #[arg(long)]
    large: bool,
    /// Measure the patterns in this folder of consolidation snapshots: node-a.jsonl, node-b.jsonl
    /// and node-c.jsonl.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

/// One line of the result.
#[derive(Clone, Debug, Serialize)]
struct Weight {
    name: &'static str,
    input: String,
    value: f64,
    unit: &'static str,
    reference: String,
    /// The value divided by the reference.
    ratio: f64,
    /// Maximum ratio; `f64::MAX` if there is no budget.
    budget: f64,
    met: bool,
}

impl Options {
    pub(crate) fn run(&self) -> Result<bool> {
        let mut weights = vec![idle()];
        for entries in if self.large { &[10_000, 1_000_000][..] } else { &[10_000] } {
            for nodes in [3, 100] {
                weights.extend(learning::by_clocks(*entries, nodes, &[1, 10, 100, 1_000]));
            }
            weights.extend(learning::by_descent(*entries));
            weights.extend(peers::weigh(*entries, &[1, 10, 100, 1_000]));
        }
        weights.push(several::confirmations());
        for (patterns, writers) in [(2_000, 1), (2_000, 8), (100, 1)] {
            weights.push(several::eight_sessions(patterns, writers));
        }
        let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixture/small");
        weights.extend(real::weigh(self.data.as_ref().unwrap_or(&default))?);
        if self.json {
            println!("{}", serde_json::to_string_pretty(&weights)?);
        } else {
            weights.iter().for_each(Weight::print);
        }
        Ok(weights.iter().all(|weight| weight.met))
    }
}

impl Weight {
    /// A value that may be at most `cap`, which is also the reference.
    fn capped(name: &'static str, input: String, value: f64, unit: &'static str, cap: f64) -> Self {
        let reference = format!("the cap of {} {unit}", (cap * 10.0).round() / 10.0);
        Self::new(name, input, (value, unit), (reference, cap), 1.0)
    }

    fn new(
        name: &'static str,
        input: String,
        (value, unit): (f64, &'static str),
        (reference, of): (String, f64),
        budget: f64,
    ) -> Self {
        let ratio = (value / of * 1e4).round() / 1e4;
        Self { name, input, value, unit, reference, ratio, budget, met: ratio <= budget }
    }

    /// The value of one method, compared with that of our descent. It has no budget.
    fn beside(name: &'static str, input: String, value: f64, unit: &'static str, of: f64) -> Self {
        let reference = (format!("ours, {of} {unit}"), of);
        Self::new(name, input, (value, unit), reference, f64::MAX)
    }

    fn print(&self) {
        let Self { name, input, value, unit, reference, ratio, budget, met } = self;
        let verdict = if *met { "met" } else { "NOT MET" };
        let budget = match *budget == f64::MAX {
            true => String::new(),
            false => format!(", budget {budget}: {verdict}"),
        };
        println!(
            "{name:<14} {input:<52} {value:>9} {unit:<11} {ratio:>7.3} of {reference}{budget}"
        );
    }
}

/// Bytes that a node of an idle cluster sends per second.
fn idle() -> Weight {
    const NODES: usize = 100;
    const SECONDS: u64 = 600;
    let space = default_space();
    let mut random = Random::new(1);
    let hosts: Vec<_> =
        (0..NODES).map(|n| Replica::new(n, std::slice::from_ref(&space), random.fork())).collect();
    for n in 0..100 {
        hosts[0].submit(&space, &pattern(&format!("pattern_{n}"), n));
    }
    hosts[1..].iter().for_each(|host| copy(&hosts[0], host));
    let config = WorldConfig::fair(1, Link::perfect(Latency::LAN));
    let mut world = World::new(config, hosts);
    world.run_until(Duration::from_secs(SECONDS));
    let bytes = world.tally().bytes() as f64 / (NODES as u64 * SECONDS) as f64;
    let input = format!("{NODES} nodes in sync for {SECONDS} s, per node and second");
    Weight::capped("idle", input, (bytes * 10.0).round() / 10.0, "bytes", 160.0)
}

/// Copies all records of `from` to `to`, without the protocol.
fn copy(from: &Replica, to: &Replica) {
    let space = default_space();
    let (view, mut target) = (from.pin(&space), to.pin(&space));
    for chunk in view.entries(&Prefix::ROOT).chunks(1_000) {
        let mut delivery = Delivery::default();
        for entry in chunk {
            let record = view.record(&entry.key).expect("a listed record is held");
            for (_, digest) in record.parts.iter().flat_map(|part| &part.dots) {
                let content = view.content(digest).expect("a named content is held");
                delivery.contents.push((*digest, content));
            }
            delivery.records.push(record);
        }
        target.apply(delivery);
    }
}
