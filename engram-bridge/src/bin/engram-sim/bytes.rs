//! What the protocol sends, weighed by the codec that ships.

mod real;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use engram_gossip_proto::sim::{Climate, Host, Latency, Link, Random, Schedule, World};
use engram_gossip_proto::{
    Compression, Delivery, Ending, FrameHeader, Kind, Prefix, Session, SessionConfig, View,
};
use serde::Serialize;

use crate::Result;
use crate::replica::{Replica, default_space, pattern};

/// Weighs what the protocol sends, and fails if a budget is not met.
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

/// A session, frame by frame.
struct Conversation {
    /// Whether the opener sent it, what it is, how long it is.
    frames: Vec<(bool, Kind, usize)>,
    ending: Ending,
}

impl Conversation {
    /// Lets the opener's session with the acceptor run to its end.
    fn hold(opener: &Replica, acceptor: &Replica, compression: Compression) -> Self {
        let space = default_space();
        let config = SessionConfig { compression, ..SessionConfig::default() };
        let pin = |host: &Replica| vec![(space.clone(), host.pin(&space))];
        let now = Duration::ZERO;
        let mut ends = [
            Session::open(config.clone(), opener.parameters(), pin(opener), now),
            Session::accept(config, acceptor.parameters(), pin(acceptor), now),
        ]
        .map(|end| end.expect("the configuration is valid"));
        let mut frames = Vec::new();
        let mut sender = 0;
        while ends.iter().any(|end| end.outcome().is_none()) {
            while let Some(frame) = ends[sender].poll_frame(now) {
                let header = frame.first_chunk().map(FrameHeader::parse);
                let kind = header.expect("a frame has a header").expect("ours is valid").kind;
                frames.push((sender == 0, kind, frame.len()));
                ends[1 - sender].handle_frame(&frame, now).expect("both ends keep the rules");
            }
            sender = 1 - sender;
        }
        let ending = ends[0].outcome().expect("the session is over").result.clone();
        Self { frames, ending }
    }

    fn bytes(&self) -> usize {
        self.frames.iter().map(|(.., len)| len).sum()
    }

    fn record_bytes(&self) -> usize {
        let records = self.frames.iter().filter(|(_, kind, _)| *kind == Kind::PatternSync);
        records.map(|(.., len)| len).sum()
    }

    /// The frames until both sides know what to send.
    fn learning(&self) -> impl Iterator<Item = &(bool, Kind, usize)> {
        let moves = |kind| matches!(kind, Kind::PatternSync | Kind::Done);
        self.frames.iter().filter(move |(_, kind, _)| !moves(*kind))
    }

    /// Half the number of turns until both sides know which entries differ: up to the turn that
    /// answers the last subtree.
    fn round_trips(&self) -> f64 {
        let walks = |kind| matches!(kind, Kind::SubtreeRequest | Kind::SubtreeResponse);
        let turns: Vec<_> = self.frames.chunk_by(|(a, ..), (b, ..)| a == b).collect();
        let last = turns.iter().rposition(|turn| turn.iter().any(|(_, kind, _)| walks(*kind)));
        last.map_or(1.0, |last| (last + 2) as f64 / 2.0)
    }
}

/// What a cluster sends in which nothing happens.
fn idle() -> Weight {
    const NODES: usize = 100;
    const SECONDS: u64 = 600;
    let space = default_space();
    let mut random = Random::new(1);
    let hosts: Vec<_> = (0..NODES)
        .map(|n| Replica::new(n, std::slice::from_ref(&space), random.fork(), None))
        .collect();
    for n in 0..100 {
        hosts[0].submit(&space, &pattern(&format!("pattern_{n}"), n));
    }
    hosts[1..].iter().for_each(|host| copy(&hosts[0], host));
    let climate = Climate::fair(1, Link::perfect(Latency::LAN), Schedule::product());
    let mut world = World::new(climate, hosts);
    world.run_until(Duration::from_secs(SECONDS));
    let bytes = world.tally().bytes() as f64 / (NODES as u64 * SECONDS) as f64;
    let input = format!("{NODES} nodes in sync for {SECONDS} s, a node and second");
    Weight::capped("idle", input, (bytes * 10.0).round() / 10.0, "bytes", 160.0)
}

/// Two nodes with the same `entries`, again and again made different in some of them.
fn learning(entries: usize, differences: [usize; 3]) -> Vec<Weight> {
    const TRIALS: u32 = 5;
    let space = default_space();
    let mut random = Random::new(entries as u64);
    let [left, right] =
        [0, 1].map(|n| Replica::new(n, std::slice::from_ref(&space), random.fork(), None));
    let id = |n: usize| format!("pattern_{n:016x}");
    for n in 0..entries {
        left.submit(&space, &pattern(&id(n), 0));
    }
    copy(&left, &right);
    let mut weights = Vec::new();
    let quiet = Conversation::hold(&left, &right, Compression::Lz4);
    assert_eq!(quiet.ending, Ending::InSync, "the two were made equal");
    let input = format!("{entries} entries, both sides equal");
    weights.push(Weight::capped("in-sync", input, quiet.bytes() as f64, "bytes", 200.0));
    // A hundred times as many entries may cost this much more, in bytes and in time.
    let growth: f64 = if entries > 100_000 { 1.6 } else { 1.0 };
    let (mut fresh, mut written) = (entries, 0);
    for kind in [Change::New, Change::Updated] {
        for (count, cap) in differences.into_iter().zip([700.0, 3_500.0, 21_000.0]) {
            let (mut bytes, mut round_trips) = (0, 0.0_f64);
            for _ in 0..TRIALS {
                for n in 0..count {
                    written += 1;
                    fresh += usize::from(kind == Change::New);
                    let place = if kind == Change::New { fresh } else { random.below(entries) };
                    let host = if n % 2 == 0 { &left } else { &right };
                    host.submit(&space, &pattern(&id(place), written));
                }
                let talk = Conversation::hold(&left, &right, Compression::Lz4);
                assert_eq!(talk.ending, Ending::InSync, "nobody writes meanwhile");
                bytes = bytes.max(talk.learning().map(|(.., len)| len).sum());
                round_trips = round_trips.max(talk.round_trips());
            }
            let input = format!("{count} {kind} of {entries} entries, worst of {TRIALS}");
            let (cap, trips) = ((cap * growth).round(), 3.0 * growth);
            weights.push(Weight::capped("learn", input.clone(), bytes as f64, "bytes", cap));
            weights.push(Weight::capped("learn", input, round_trips, "round trips", trips));
        }
    }
    weights
}

/// In what two nodes differ.
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
            for (_, body) in &record.siblings {
                if let engram_gossip_proto::Body::Content(digest) = body {
                    let content = view.content(digest).expect("a named content is held");
                    delivery.contents.push((*digest, content));
                }
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
