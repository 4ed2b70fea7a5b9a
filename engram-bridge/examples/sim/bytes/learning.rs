//! The cost of a session in which one node learns another node's writes.

use std::collections::BTreeSet;

use engram_gossip_proto::sim::Random;
use engram_gossip_proto::{Ending, SessionConfig};

use super::{Weight, copy};
use crate::conversation::Conversation;
use crate::replica::{Replica, default_space, pattern};

/// The kind of change that one of two nodes makes.
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

impl Opener {
    /// The maximum number of round trips until `records` records arrive. More than 128 records are
    /// first offered, which takes one more round trip.
    fn round_trips(self, records: usize) -> f64 {
        let offer = if records > 128 { 1.0 } else { 0.0 };
        match self {
            Self::Receiver => 1.0 + offer,
            Self::Sender => 1.5 + offer,
        }
    }
}

/// Two nodes that hold the same records at first. All nodes of a cluster except `right` wrote them.
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

/// The side that opens a session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opener {
    Receiver,
    Sender,
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
        // Each node has handled all records, but not in a session with the other, so they have no
        // common base.
        [&left, &right].into_iter().for_each(Replica::handle_all);
        Self { left, right, entries, fresh: entries, written: 0, random }
    }

    /// A session in which `left` learns what `right` has written.
    fn meet(&self, opener: Opener) -> Conversation {
        match opener {
            Opener::Receiver => hold(&self.left, &self.right),
            Opener::Sender => hold(&self.right, &self.left),
        }
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

/// The budget for the bytes of a session, without the contents of the patterns: a fixed number, and
/// a number for each record and for each context entry.
struct Budget {
    session: f64,
    record: f64,
    entry: f64,
}

const WITH_BASE: Budget = Budget { session: 300.0, record: 24.0, entry: 10.0 };
const WITHOUT_BASE: Budget = Budget { session: 2_500.0, ..WITH_BASE };

impl Budget {
    fn of(&self, talk: &Conversation) -> f64 {
        self.session + self.record * talk.records as f64 + self.entry * talk.context_entries as f64
    }
}

/// Measures sessions that find the differences with version clocks: bytes without the contents of
/// the patterns, and round trips until the records arrive.
pub(super) fn by_clocks(entries: usize, nodes: usize, counts: &[usize]) -> Vec<Weight> {
    let mut pair = Pair::new(entries, nodes);
    let among = format!("of {entries}, {nodes} nodes");
    pair.change(Change::New, 1);
    let first = pair.meet(Opener::Receiver);
    let input = format!("1 new {among}, no common base");
    let mut weights = weigh(&input, &[first], &WITHOUT_BASE, 1.0);
    let quiet = pair.meet(Opener::Receiver).bytes() as f64;
    weights.push(Weight::capped("in-sync", format!("nothing {among}"), quiet, "bytes", 200.0));
    let openers =
        [(Opener::Receiver, "", counts), (Opener::Sender, ", sender opens", &counts[..3])];
    // Measure deletions last: an update of a deleted pattern also carries the digest that the
    // deletion suppressed.
    for (change, name) in Change::ALL {
        for (opener, whose, counts) in openers {
            for &count in counts {
                let trials = [(); 3].map(|()| {
                    pair.change(change, count);
                    pair.meet(opener)
                });
                let input = format!("{count} {name} {among}{whose}");
                weights.extend(weigh(&input, &trials, &WITH_BASE, opener.round_trips(count)));
            }
        }
    }
    weights
}

/// Selects, for each cost, the session that takes the largest share of its budget.
fn weigh(input: &str, trials: &[Conversation], budget: &Budget, round_trips: f64) -> Vec<Weight> {
    let worst = |name, bytes: fn(&Conversation) -> usize| {
        let weights = trials.iter().map(|talk| {
            Weight::capped(name, input.to_owned(), bytes(talk) as f64, "bytes", budget.of(talk))
        });
        weights.max_by(|a, b| a.ratio.total_cmp(&b.ratio)).expect("there is a trial")
    };
    let trips = trials.iter().map(Conversation::round_trips_to_records).fold(0.0, f64::max);
    vec![
        worst("learn", Conversation::bytes_beside_contents),
        Weight::capped("round-trips", input.to_owned(), trips, "round trips", round_trips),
    ]
}

/// Measures the bytes until both sides, by comparing trees alone, know which records differ.
pub(super) fn by_descent(entries: usize) -> Vec<Weight> {
    let mut pair = Pair::new(entries, 3);
    let caps = [700.0, if entries > 100_000 { 21_000.0 } else { 12_500.0 }];
    let mut weights = Vec::new();
    for (change, name) in Change::ALL {
        for (count, cap) in [1, 100].into_iter().zip(caps) {
            pair.change(change, count);
            let talk = Conversation::without_clocks(&pair.left, &pair.right);
            assert_eq!(talk.ending, Ending::InSync, "no node writes meanwhile");
            let input = format!("{count} {name} of {entries}, by descent");
            let bytes = talk.learning_bytes() as f64;
            weights.push(Weight::capped("learn", input, bytes, "bytes", cap));
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_by_clocks_keep_their_budgets() {
        let weights = by_clocks(1_000, 3, &[10, 20, 30]);
        let missed: Vec<_> = weights.iter().filter(|weight| !weight.met).collect();
        assert!(missed.is_empty(), "{missed:?}");
    }
}
