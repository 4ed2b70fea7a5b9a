//! The cost of learning another node's writes.

use std::collections::BTreeSet;

use engram_gossip_proto::sim::Random;
use engram_gossip_proto::{Ending, SessionConfig};

use super::{Weight, copy};
use crate::conversation::Conversation;
use crate::replica::{Replica, default_space, pattern};

/// The difference between two nodes, all of it on one side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    New,
    Updated,
    Deleted,
}

impl Change {
    const ALL: [(Self, &'static str); 3] =
        [(Self::New, "new"), (Self::Updated, "updated"), (Self::Deleted, "deleted")];
}

/// Two nodes with the same records, written by `nodes` nodes.
struct Pair {
    left: Replica,
    right: Replica,
    entries: usize,
    /// The number of the latest new pattern; the initial ones are numbered below `entries`.
    fresh: usize,
    /// The version of the latest write.
    written: u32,
    random: Random,
}

fn id(n: usize) -> String {
    format!("pattern_{n:016x}")
}

fn hold(opener: &Replica, acceptor: &Replica) -> Conversation {
    let suspects = vec![default_space()];
    let config = SessionConfig { suspects, ..SessionConfig::default() };
    let talk = Conversation::hold(opener, acceptor, config);
    assert_eq!(talk.ending, Ending::InSync, "no node writes meanwhile");
    talk
}

impl Pair {
    fn new(entries: usize, nodes: usize) -> Self {
        let space = default_space();
        let mut random = Random::new(entries as u64);
        let mut node = |n| Replica::new(n, std::slice::from_ref(&space), random.fork());
        let [left, right] = [0, 1].map(&mut node);
        for writer in 2..nodes {
            let other = node(writer);
            (writer..entries).step_by(nodes).for_each(|n| {
                other.submit(&space, &pattern(&id(n), 0));
            });
            copy(&other, &left);
        }
        for first in 0..2.min(nodes) {
            (first..entries).step_by(nodes).for_each(|n| left.submit(&space, &pattern(&id(n), 0)));
        }
        copy(&left, &right);
        Self { left, right, entries, fresh: entries, written: 0, random }
    }

    /// Changes `count` patterns at the node `right`.
    fn change(&mut self, change: Change, count: usize) {
        let space = default_space();
        let mut chosen = BTreeSet::new();
        while chosen.len() < count {
            self.written += 1;
            let place = match change {
                Change::New => {
                    self.fresh += 1;
                    self.fresh
                }
                Change::Updated | Change::Deleted => self.random.below(self.entries),
            };
            if !chosen.insert(place) {
                continue;
            }
            match change {
                Change::Deleted => self.right.forget(&space, &id(place)),
                Change::New | Change::Updated => {
                    self.right.submit(&space, &pattern(&id(place), self.written));
                }
            }
        }
    }
}

/// Measures the bytes of all frames without the contents, and the round trips until the first records
/// arrive.
pub(super) fn by_clocks(entries: usize, nodes: usize, counts: &[usize]) -> Vec<Weight> {
    const TRIALS: u32 = 3;
    const BASE: f64 = 310.0;
    const RECORD: f64 = 24.0;
    const ENTRY: f64 = 10.0;
    /// Each frame names a node once, by its id and a version.
    const NODE: f64 = 40.0;
    /// A deletion carries the digests that it suppresses.
    const SUPPRESSED: f64 = 34.0;
    let mut pair = Pair::new(entries, nodes);
    let quiet = hold(&pair.left, &pair.right);
    let among = format!("of {entries}, {nodes} nodes");
    let input = format!("nothing {among}");
    let mut weights = vec![Weight::capped("in-sync", input, quiet.bytes() as f64, "bytes", 200.0)];
    // The nodes have learnt nothing through clocks yet: the first session with a difference offers
    // everything.
    pair.change(Change::New, 1);
    hold(&pair.left, &pair.right);
    for (change, name) in Change::ALL {
        for &count in counts {
            let input = format!("{count} {name} {among}, worst of {TRIALS}");
            let (mut bytes, mut most, mut cap, mut round_trips) = (0.0_f64, 0.0_f64, 0.0, 0.0_f64);
            for _ in 0..TRIALS {
                pair.change(change, count);
                let talk = hold(&pair.left, &pair.right);
                let budget = BASE
                    + RECORD * talk.records() as f64
                    + ENTRY * talk.context_entries() as f64
                    + NODE * talk.nodes() as f64
                    + SUPPRESSED * talk.suppressed() as f64;
                let beside = talk.bytes_beside_contents() as f64;
                if beside / budget > most {
                    (bytes, most, cap) = (beside, beside / budget, budget);
                }
                round_trips = round_trips.max(talk.round_trips_to_records());
            }
            weights.push(Weight::capped("learn", input.clone(), bytes, "bytes", cap));
            // Changes of more than 128 records are offered first.
            let cap = if count > 128 { 2.0 } else { 1.0 };
            weights.push(Weight::capped("learn", input, round_trips, "round trips", cap));
        }
    }
    weights
}

/// Measures the bytes until both sides, by comparing trees alone, know which records differ.
pub(super) fn by_descent(entries: usize) -> Vec<Weight> {
    let mut pair = Pair::new(entries, 3);
    // For a key that both sides have, one side's context is sent too.
    let caps = match entries > 100_000 {
        true => [(Change::New, [720.0, 26_300.0]), (Change::Updated, [900.0, 31_000.0])],
        false => [(Change::New, [700.0, 12_700.0]), (Change::Updated, [700.0, 17_000.0])],
    };
    let mut weights = Vec::new();
    for (change, caps) in caps {
        for (count, cap) in [1, 100].into_iter().zip(caps) {
            pair.change(change, count);
            let talk = Conversation::without_clocks(&pair.left, &pair.right);
            assert_eq!(talk.ending, Ending::InSync, "no node writes meanwhile");
            let name = if change == Change::New { "new" } else { "updated" };
            let input = format!("{count} {name} of {entries}, by descent");
            let bytes = talk.learning_bytes() as f64;
            weights.push(Weight::capped("learn", input, bytes, "bytes", cap));
        }
    }
    weights
}
