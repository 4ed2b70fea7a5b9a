//! Deleted patterns on their way out, and what the peers are known to cover.
//!
//! A deletion has to reach everybody who could bring the deleted back, and then it should not be
//! kept for ever. It goes in two steps, each of which waits for the whole roster:
//!
//! 1. A **tombstone** is a record like any other: it is in the tree, and travels by the sessions.
//!    Once every member is known to have it, and the grace is over, it becomes a husk.
//! 2. A **husk** is the record without siblings. It is still the least upper bound of all that it
//!    deletes, so a join with it is as safe as before; but it is not in the tree, so that roots of
//!    nodes with and without it are equal. A peer that still has the tombstone gets the husk in the
//!    ordinary course of a session, because walks show husks, too. Once every member is known to have
//!    neither the tombstone nor anything older, the husk is gone as well, and only the **floor**
//!    remains: one counter for each life of a node.
//!
//! # Why nothing comes back
//!
//! *What proves that a peer has it.* A session ended with equal roots while this root was ours. So
//! the peer had exactly our records, at a time when it had made them durable. We note our moment, a
//! count of our changes. A record that has not changed since an earlier moment was among them. Nobody
//! is believed about a third node.
//!
//! *Why the proof stays true.* A peer that has the tombstone only ever joins, so whatever it holds of
//! this id later is above the tombstone: nothing that the tombstone deleted can become visible there
//! again, whoever sends it. When the last member is proven to have it, in whatever order, no member
//! holds the deleted any more, nor can it take it from a stranger. From then on the tombstone has
//! done its work; the husk is for those who have not noticed yet.
//!
//! *Why the husk must wait, too.* A message that a member sent before it had the tombstone may still
//! be under way. It is part of a session, sessions of a pair follow each other, and the husk goes only
//! after a later session of every pair has ended with equal roots.
//!
//! *What the floor is for.* It takes up the context of every husk that goes, and lies above no write
//! that a member could still bring as news: when the husk goes, each member who wrote was equal with
//! us after that write, so we have had all that it wrote before. A record of an id that is not known
//! here, with a live content at or below the floor, was therefore deleted while its sender was away:
//! it is refused. The floor deletes nothing and is never raised on a peer's word.
//!
//! *What remains.* Whoever restores a state, joins, or is evicted and comes back, does so with a store
//! that is no older than the grace, or empty. A member that joined after the floor was raised has
//! none, and would take what others refuse.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use engram_gossip_net::NodeId;
use engram_gossip_proto::Rejection;
use engram_merkle::Digest;
use engram_vclock::VectorClock;

use crate::Timestamp;
use crate::record::{self, Body, Record};

/// The deleted patterns of a space.
#[derive(Debug, Default)]
pub(crate) struct Deletions {
    /// Counts the changes of the space, from 1.
    moment: u64,
    /// Every id of which nothing is live but deletions, tombstones and husks alike.
    waiting: BTreeMap<Arc<str>, Since>,
    /// Shared with the sessions that see it.
    husks: Arc<Husks>,
    /// Everybody who ever was in the roster, and our last moment that it is known to cover; 0 if none.
    covered: BTreeMap<NodeId, u64>,
    floor: VectorClock,
    /// Tombstones that became husks since the process started.
    reaped: u64,
}

/// When a deletion became what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Since {
    pub(crate) moment: u64,
    /// By the clock of this node.
    pub(crate) at: Timestamp,
}

/// What a node keeps of its deletions beside the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Floor {
    pub(crate) covered: BTreeMap<NodeId, u64>,
    pub(crate) floor: VectorClock,
}

/// The husks of a space by the hashes of their ids.
pub(crate) type Husks = BTreeMap<Digest, Husk>;

/// What a walk shows of a reaped record.
#[derive(Clone, Debug)]
pub(crate) struct Husk {
    pub(crate) id: Arc<str>,
    pub(crate) digest: Digest,
}

/// For whom, and for how long, deletions wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience<'r> {
    /// The other members of the cluster.
    pub(crate) roster: &'r [NodeId],
    pub(crate) node: NodeId,
    pub(crate) now: Timestamp,
    pub(crate) grace: Duration,
}

/// What may be done to a deletion now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Everybody has the tombstone.
    Reap,
    /// Nobody needs the husk.
    Drop,
}

impl Deletions {
    /// As it was stored.
    pub(crate) fn restore(floor: Floor) -> Self {
        let Floor { covered, floor } = floor;
        let moment = covered.values().copied().max().unwrap_or(0);
        Self { moment, covered, floor, ..Self::default() }
    }

    /// What is to be stored.
    pub(crate) fn floor(&self) -> Floor {
        Floor { covered: self.covered.clone(), floor: self.floor.clone() }
    }

    /// The moment of the change that is being made.
    pub(crate) fn next(&self, at: Timestamp) -> Since {
        Since { moment: self.moment + 1, at }
    }

    /// A change was made.
    pub(crate) fn advance(&mut self) {
        self.moment += 1;
    }

    /// Since when the pattern is deleted, if it is.
    pub(crate) fn since(&self, id: &str) -> Option<Since> {
        self.waiting.get(id).copied()
    }

    /// How many deletions wait for the roster.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn reaped(&self) -> u64 {
        self.reaped
    }

    pub(crate) fn husks(&self) -> &Arc<Husks> {
        &self.husks
    }

    /// Takes note of what became of a record.
    pub(crate) fn note(&mut self, husk: Husk, key: Digest, record: &Record, since: Since) {
        let was_deleted = self.waiting.remove(&husk.id).is_some();
        let was_husk = self.husks.contains_key(&key);
        if was_husk {
            Arc::make_mut(&mut self.husks).remove(&key);
        }
        self.reaped += u64::from(was_deleted && !was_husk && record.is_empty());
        if record::is_bottom(record) || !record::is_deleted(record) {
            return;
        }
        self.moment = self.moment.max(since.moment);
        self.waiting.insert(Arc::clone(&husk.id), since);
        if record.is_empty() {
            Arc::make_mut(&mut self.husks).insert(key, husk);
        }
    }

    /// Takes up the context of a husk that goes.
    pub(crate) fn raise(&mut self, floor: &VectorClock) {
        self.floor.merge(floor);
    }

    /// `peer` has exactly what this node has now. Returns whether a deletion waited for that.
    pub(crate) fn note_equal(&mut self, peer: NodeId) -> bool {
        let before = self.covered.insert(peer, self.moment).unwrap_or(0);
        self.waiting.values().any(|since| since.moment > before)
    }

    /// This node is not what it was: what it has may be older than what its peers were equal with.
    pub(crate) fn doubt(&mut self) {
        self.covered.values_mut().for_each(|moment| *moment = 0);
    }

    /// Whether the members of the roster are all known by name. They stay so when they are evicted.
    pub(crate) fn knows(&self, roster: &[NodeId]) -> bool {
        roster.iter().all(|member| self.covered.contains_key(member))
    }

    /// Learns the names of the roster.
    pub(crate) fn learn(&mut self, roster: &[NodeId]) {
        roster.iter().for_each(|member| _ = self.covered.entry(*member).or_insert(0));
    }

    /// How many deletions `peer` is not known to cover.
    pub(crate) fn behind(&self, peer: &NodeId) -> u64 {
        let covered = self.covered.get(peer).copied().unwrap_or(0);
        self.waiting.values().filter(|since| since.moment > covered).count() as u64
    }

    /// The deletions for which the wait is over. O(deletions).
    pub(crate) fn due<'s>(
        &'s self,
        patience: Patience<'s>,
        record: impl Fn(&str) -> Option<&'s Record> + 's,
    ) -> impl Iterator<Item = (&'s Arc<str>, &'s Record, Due)> + 's {
        let covered = |member: &NodeId| self.covered.get(member).copied().unwrap_or(0);
        let all_cover = patience.roster.iter().map(covered).min().unwrap_or(u64::MAX);
        let over = self.waiting.iter().filter(move |(_, since)| since.moment <= all_cover);
        over.filter_map(move |(id, since)| {
            let record = record(id)?;
            let due = match record.is_empty() {
                true => self.is_settled(record, patience.node).then_some(Due::Drop),
                false => since.is_over(patience).then_some(Due::Reap),
            };
            Some((id, record, due?))
        })
    }

    /// Whether everybody who wrote the record is, or was, in the roster. Of a stranger it cannot be
    /// known that all its earlier writes came here, so the floor must not rise above them.
    fn is_settled(&self, record: &Record, node: NodeId) -> bool {
        let mut authors = record.context().iter().map(|(actor, _)| NodeId::from(actor.node));
        authors.all(|author| author == node || self.covered.contains_key(&author))
    }

    /// What has to be taken for held of an id of which nothing is, before `arrived` is joined with it:
    /// what the floor remembers of the writes that `arrived` has seen.
    ///
    /// # Errors
    /// [`Rejection::Reaped`] if a content would come back that was deleted.
    pub(crate) fn remembered(&self, arrived: &Record) -> Result<Option<Record>, Rejection> {
        let dead = |dot: &engram_vclock::Dot| self.floor.covers(dot);
        let returns = |(dot, body): (_, &Body)| matches!(body, Body::Content(_)) && dead(dot);
        if arrived.iter().any(returns) {
            return Err(Rejection::Reaped);
        }
        let seen = arrived.context().iter();
        let seen = seen.map(|(actor, counter)| (*actor, counter.min(self.floor.get(actor))));
        let seen = VectorClock::from_sorted(seen.filter(|(_, counter)| *counter > 0));
        let seen = seen.expect("a clock with lesser counters is a clock");
        Ok((!seen.is_empty()).then(|| record::husk(seen)))
    }
}

impl Since {
    fn is_over(self, patience: Patience<'_>) -> bool {
        let waited = patience.now.as_nanoseconds().saturating_sub(self.at.as_nanoseconds());
        i128::from(waited) >= i128::try_from(patience.grace.as_nanos()).unwrap_or(i128::MAX)
    }
}

/// The husks whose hash of the id begins with `bits` bits of `least`, which has zeros after them.
pub(crate) fn below<'h>(
    husks: &'h Husks,
    least: &[u8; 32],
    bits: u16,
) -> impl Iterator<Item = (&'h Digest, &'h Husk)> {
    let mut greatest = *least;
    for (at, byte) in greatest.iter_mut().enumerate() {
        let fixed = usize::from(bits).saturating_sub(8 * at).min(8);
        *byte |= 0xff_u8.checked_shr(fixed as u32).unwrap_or(0);
    }
    let range = (Bound::Included(Digest::from(*least)), Bound::Included(Digest::from(greatest)));
    husks.range(range)
}
