//! The bytes that the protocol sends, by the sessions and the codec that ship.

mod real;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use engram_gossip_proto::sim::{Host, Latency, Link, Random, World, WorldConfig};
use engram_gossip_proto::{Delivery, Ending, Prefix, SessionConfig, View};
use serde::Serialize;

use crate::Result;
use crate::conversation::Conversation;
use crate::replica::{Replica, default_space, pattern};

/// Weighs the messages of the protocol, and fails if a budget is not met.
#[derive(Args)]
pub(crate) struct Options {
    /// Print one JSON array instead of a table.
    #[arg(long)]
    json: bool,
    /// Also among a million entries, which takes a minute and 3 GB.
    #[arg(long)]
    large: bool,
    /// A folder of consolidation snapshots, node-a.jsonl and others, to weigh real patterns of.
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
    /// The value in terms of the reference.
    ratio: f64,
    /// How high the ratio may be.
    budget: f64,
    met: bool,
}

impl Options {
    pub(crate) fn run(&self) -> Result<bool> {
        let mut weights = vec![idle()];
        weights.extend(learning(10_000, [1, 10, 100]));
        if self.large {
            weights.extend(learning(1_000_000, [1, 10, 100]));
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
    /// A value that may be as high as `budget`, itself the reference.
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

    fn print(&self) {
        let Self { name, input, value, unit, reference, ratio, budget, met } = self;
        let verdict = if *met { "met" } else { "NOT MET" };
        println!(
            "{name:<14} {input:<46} {value:>9} {unit:<11} {ratio:>7.3} of {reference}, budget {budget}: {verdict}"
        );
    }
}

/// The bytes that the nodes of a cluster send while nothing happens.
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
    let input = format!("{NODES} nodes in sync for {SECONDS} s, a node and second");
    Weight::capped("idle", input, (bytes * 10.0).round() / 10.0, "bytes", 160.0)
}

/// Two nodes with the same `entries`, again and again made different in some of them.
fn learning(entries: usize, differences: [usize; 3]) -> Vec<Weight> {
    const TRIALS: u32 = 5;
    /// Two version summaries are told, whatever differs among however many.
    const BYTES: f64 = 250.0;
    const ROUND_TRIPS: f64 = 1.0;
    let space = default_space();
    let mut random = Random::new(entries as u64);
    let [left, right] =
        [0, 1].map(|n| Replica::new(n, std::slice::from_ref(&space), random.fork()));
    let id = |n: usize| format!("pattern_{n:016x}");
    for n in 0..entries {
        left.submit(&space, &pattern(&id(n), 0));
    }
    copy(&left, &right);
    let mut weights = Vec::new();
    let quiet = Conversation::hold(&left, &right, SessionConfig::default());
    assert_eq!(quiet.ending, Ending::InSync, "the two were made equal");
    let input = format!("{entries} entries, both sides equal");
    weights.push(Weight::capped("in-sync", input, quiet.bytes() as f64, "bytes", 200.0));
    // Nothing was learnt by clocks yet: the first session that differs offers everything.
    left.submit(&space, &pattern("first", 0));
    let first = Conversation::hold(&left, &right, SessionConfig::default());
    assert_eq!(first.ending, Ending::InSync, "nobody writes meanwhile");
    let (mut fresh, mut written) = (entries, 0);
    for kind in [Change::New, Change::Updated] {
        for count in differences {
            let (mut bytes, mut round_trips) = (0, 0.0_f64);
            for _ in 0..TRIALS {
                for n in 0..count {
                    written += 1;
                    fresh += usize::from(kind == Change::New);
                    let place = if kind == Change::New { fresh } else { random.below(entries) };
                    let host = if n % 2 == 0 { &left } else { &right };
                    host.submit(&space, &pattern(&id(place), written));
                }
                let talk = Conversation::hold(&left, &right, SessionConfig::default());
                assert_eq!(talk.ending, Ending::InSync, "nobody writes meanwhile");
                bytes = bytes.max(talk.learning_bytes());
                round_trips = round_trips.max(talk.round_trips());
            }
            let input = format!("{count} {kind} of {entries} entries, worst of {TRIALS}");
            weights.push(Weight::capped("learn", input.clone(), bytes as f64, "bytes", BYTES));
            let (unit, cap) = ("round trips", ROUND_TRIPS);
            weights.push(Weight::capped("learn", input, round_trips, unit, cap));
        }
    }
    weights
}

/// The difference between two nodes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// In entries that only one of them has, half of them on each side.
    New,
    /// In entries of which one of them has a newer version, half of them on each side.
    Updated,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::New { "new" } else { "updated" })
    }
}

/// Gives `to` everything that `from` has, past the protocol.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_difference_among_a_thousand_is_learnt_cheaply() {
        assert!(learning(1_000, [1, 2, 3]).iter().all(|weight| weight.met));
    }
}
