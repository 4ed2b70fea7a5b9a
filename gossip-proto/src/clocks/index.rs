//! An in-memory clock index. A large index takes at most 16 bytes per context entry.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::{BaseId, Clocks, ShortNode, VersionRange, VersionSummary, short_node};
use crate::limits::{MAX_BASES, MAX_REFUSED_NODES};
use crate::tag::{self, KEY_LEN};

/// Size of a [`Slot`] in bytes: a version and the first bytes of a key hash.
const SLOT: usize = 8 + KEY_LEN;
/// Number of changes that a node may keep alongside its sorted slots before it merges them. A node
/// with many slots may keep one change for every [`FEW`] slots.
const LEAST_CHANGES: usize = 16;
const FEW: usize = 64;

/// A context entry in big-endian order, then the first bytes of the key hash of the record with
/// this entry.
type Slot = [u8; SLOT];

/// Indexes the records of one space by context entry, and keeps its version summary and bases.
///
/// The host keeps one index per space, informs it of every change to a context entry, and passes it
/// to sessions through [`View::with_clocks`](crate::View::with_clocks). The index is not
/// persistent: after a start, collect the context entries of the held records, then call
/// [`restart`](Self::restart).
#[derive(Clone, Debug, Default)]
pub struct ClockIndex {
    nodes: BTreeMap<ShortNode, Node>,
    /// Nodes that have so far occurred only in refused records, not in held ones.
    unheld: BTreeSet<ShortNode>,
    /// The kept bases, oldest first.
    bases: VecDeque<Base>,
    /// The base of the last agreement with each peer.
    common: BTreeMap<ShortNode, BaseId>,
}

#[derive(Clone, Debug)]
struct Base {
    id: BaseId,
    root: [u8; 32],
    summary: VersionSummary,
}

impl ClockIndex {
    /// Creates an empty index.
    pub const fn new() -> Self {
        Self {
            nodes: BTreeMap::new(),
            unheld: BTreeSet::new(),
            bases: VecDeque::new(),
            common: BTreeMap::new(),
        }
    }

    /// Notes that the context entry of `node` in the record with key hash `key` changed from
    /// `before` to `now`; 0 means no entry.
    ///
    /// Takes amortised O(log n) time for n entries. Does not raise the summary: call
    /// [`raise`](Clocks::raise) for this node's own writes once they are durable and in the tree.
    pub fn change(&mut self, key: &[u8; 32], node: &[u8; 32], before: u64, now: u64) {
        if before == now {
            return;
        }
        self.unheld.remove(&short_node(node));
        let node = self.nodes.entry(short_node(node)).or_default().named(node);
        if before > 0 {
            node.set(slot(before, key), Presence::Absent);
        }
        if now > 0 {
            node.set(slot(now, key), Presence::Present);
        }
    }

    /// Marks all held records as handled; call it after a start.
    ///
    /// If the node stopped during a session, this marks too many versions as handled; the descent
    /// then finds the missing records.
    pub fn restart(&mut self) {
        self.nodes.values_mut().for_each(|node| node.handled = node.greatest());
    }

    /// Returns the approximate size of the index on the heap, in bytes.
    pub fn memory(&self) -> usize {
        let nodes: usize = self.nodes.values().map(Node::memory).sum();
        let bases: usize = self.bases.iter().map(|base| 48 + 16 * base.summary.len()).sum();
        nodes + bases + 24 * self.common.len()
    }
}

/// Collects the context entries of the held records: the key hash of each record, a node, and the
/// node's entry. Sorts them once, which is much faster than a [`change`](ClockIndex::change) for
/// each.
impl FromIterator<([u8; 32], [u8; 32], u64)> for ClockIndex {
    fn from_iter<I: IntoIterator<Item = ([u8; 32], [u8; 32], u64)>>(entries: I) -> Self {
        let mut index = Self::new();
        for (key, node, version) in entries.into_iter().filter(|(_, _, version)| *version > 0) {
            let node = index.nodes.entry(short_node(&node)).or_default().named(&node);
            node.sorted.push(slot(version, &key));
        }
        for node in index.nodes.values_mut() {
            node.sorted.sort_unstable();
            node.sorted.dedup();
            node.sorted.shrink_to_fit();
        }
        index
    }
}

impl Clocks for ClockIndex {
    fn summary(&self) -> VersionSummary {
        let entry = |(node, index): (&ShortNode, &Node)| (*node, index.handled.min(index.limit()));
        self.nodes.iter().map(entry).collect()
    }

    fn greatest(&self) -> VersionSummary {
        self.nodes.iter().map(|(node, index)| (*node, index.greatest())).collect()
    }

    fn nodes(&self) -> Vec<[u8; 32]> {
        self.nodes.values().flat_map(|node| node.ids.iter().copied()).collect()
    }

    fn count(&self, range: &VersionRange) -> u64 {
        self.nodes.get(&range.node).map_or(0, |node| node.count(range))
    }

    fn records(&self, range: &VersionRange, limit: usize) -> Vec<(u64, [u8; KEY_LEN])> {
        let Some(node) = self.nodes.get(&range.node) else { return Vec::new() };
        let mut records: Vec<(u64, [u8; KEY_LEN])> = Vec::new();
        for slot in node.within(range) {
            let (version, key) = split(&slot);
            if records.len() >= limit && records.last().is_some_and(|(last, _)| *last < version) {
                break;
            }
            records.push((version, key));
        }
        records
    }

    fn raise(&mut self, node: ShortNode, version: u64) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.handled = version.min(node.limit()).max(node.handled);
        }
    }

    fn refuse(&mut self, node: &[u8; 32], version: u64) {
        let short = short_node(node);
        if !self.nodes.contains_key(&short) && self.unheld.len() < MAX_REFUSED_NODES {
            self.unheld.insert(short);
            self.nodes.entry(short).or_default().named(node);
        }
        if let Some(node) = self.nodes.get_mut(&short) {
            node.refused = node.refused.max(version);
        }
    }

    fn agree(&mut self, root: &[u8; 32], peer: Option<ShortNode>) {
        let summary = self.summary();
        let id = match self.bases.back() {
            Some(last) if last.root == *root && last.summary == summary => last.id,
            _ => {
                let id = summary.base_id(root);
                self.bases.retain(|base| base.id != id);
                if self.bases.len() == MAX_BASES {
                    self.bases.pop_front();
                }
                self.bases.push_back(Base { id, root: *root, summary });
                let kept: Vec<BaseId> = self.bases.iter().map(|base| base.id).collect();
                self.common.retain(|_, id| kept.contains(id));
                id
            }
        };
        if let Some(peer) = peer {
            self.common.insert(peer, id);
        }
    }

    fn base(&self, id: &BaseId) -> Option<VersionSummary> {
        let base = self.bases.iter().find(|base| base.id == *id)?;
        Some(base.summary.clone())
    }

    fn base_with(&self, peer: Option<ShortNode>) -> Option<BaseId> {
        let common = peer.and_then(|peer| self.common.get(&peer).copied());
        common.or_else(|| self.bases.back().map(|base| base.id))
    }
}

/// The records that have a context entry for one node.
///
/// Most of them are in `sorted`; `changes` holds the additions and removals that have not been
/// merged into it.
#[derive(Clone, Debug, Default)]
struct Node {
    /// The full ids, ascending: one, unless the ids of several nodes begin with the same bytes.
    ids: Vec<[u8; 32]>,
    sorted: Vec<Slot>,
    changes: BTreeMap<Slot, Presence>,
    /// All versions of the node up to this one have been handled.
    handled: u64,
    /// The greatest context entry for the node among the refused records.
    refused: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Present,
    Absent,
}

impl Node {
    /// Notes a full id of this node.
    fn named(&mut self, id: &[u8; 32]) -> &mut Self {
        if let Err(at) = self.ids.binary_search(id) {
            self.ids.insert(at, *id);
        }
        self
    }

    fn set(&mut self, slot: Slot, presence: Presence) {
        let is_sorted = self.sorted.binary_search(&slot).is_ok();
        if is_sorted == (presence == Presence::Present) {
            self.changes.remove(&slot);
        } else if presence == Presence::Present && self.sorted.last() < Some(&slot) {
            if self.sorted.len() == self.sorted.capacity() {
                self.sorted.reserve_exact(self.sorted.len() / 32 + 4);
            }
            self.sorted.push(slot);
        } else {
            self.changes.insert(slot, presence);
            if self.changes.len() > LEAST_CHANGES.max(self.sorted.len() / FEW) {
                self.merge();
            }
        }
    }

    fn merge(&mut self) {
        let mut sorted = Vec::new();
        sorted.reserve_exact(self.sorted.len() + self.changes.len());
        sorted.extend(self.within(&VersionRange { node: [0; 8], above: 0, upper: u64::MAX }));
        sorted.shrink_to(sorted.len() + sorted.len() / 32 + 4);
        self.sorted = sorted;
        self.changes.clear();
    }

    fn within(&self, range: &VersionRange) -> impl Iterator<Item = Slot> {
        let (sorted, changes) = self.cut(range);
        let mut sorted = sorted.iter().copied().peekable();
        let mut changes = changes.peekable();
        core::iter::from_fn(move || {
            loop {
                let change = match (sorted.peek(), changes.peek()) {
                    (Some(slot), Some((changed, _))) if slot < *changed => return sorted.next(),
                    (_, Some(_)) => changes.next()?,
                    (_, None) => return sorted.next(),
                };
                match change {
                    (slot, Presence::Present) => return Some(*slot),
                    // The removed slot is the next sorted one.
                    (_, Presence::Absent) => _ = sorted.next(),
                }
            }
        })
    }

    fn count(&self, range: &VersionRange) -> u64 {
        let (sorted, changes) = self.cut(range);
        let changed = |count: u64, (_, presence): (&Slot, &Presence)| match presence {
            Presence::Present => count + 1,
            Presence::Absent => count - 1,
        };
        changes.fold(sorted.len() as u64, changed)
    }

    /// The sorted slots and the changes in a range.
    fn cut(&self, range: &VersionRange) -> (&[Slot], impl Iterator<Item = (&Slot, &Presence)>) {
        let upper = range.upper.max(range.above);
        let least = bound(range.above, u8::MAX);
        let most = bound(upper, u8::MAX);
        let from = self.sorted.partition_point(|slot| *slot <= least);
        let to = self.sorted.partition_point(|slot| *slot <= most);
        // With a key of 0xff bytes, a bound is at or above every slot of its version.
        let changes = self.changes.range(least..=most).filter(move |(slot, _)| **slot > least);
        (&self.sorted[from..to], changes)
    }

    fn greatest(&self) -> u64 {
        let sorted = self.sorted.iter().rev();
        let kept = sorted.copied().find(|slot| !self.changes.contains_key(slot));
        let mut changes = self.changes.iter().rev();
        let added = changes.find(|(_, presence)| **presence == Presence::Present);
        let added = added.map(|(slot, _)| *slot);
        kept.max(added).map_or(0, |slot| split(&slot).0)
    }

    /// The greatest version that may count as handled.
    fn limit(&self) -> u64 {
        self.greatest().max(self.refused)
    }

    fn memory(&self) -> usize {
        32 * self.ids.capacity()
            + SLOT * self.sorted.capacity()
            + 2 * (SLOT + 1) * self.changes.len()
            + size_of::<Self>()
    }
}

fn slot(version: u64, key: &[u8; 32]) -> Slot {
    let mut slot = bound(version, 0);
    slot[8..].copy_from_slice(&tag::key(key));
    slot
}

/// The slot of `version` with every byte of the key set to `key`.
fn bound(version: u64, key: u8) -> Slot {
    let mut slot = [key; SLOT];
    slot[..8].copy_from_slice(&version.to_be_bytes());
    slot
}

fn split(slot: &Slot) -> (u64, [u8; KEY_LEN]) {
    let (version, key) = slot.split_first_chunk().expect("a slot begins with a version");
    (u64::from_be_bytes(*version), key.try_into().expect("a slot ends with a key"))
}
