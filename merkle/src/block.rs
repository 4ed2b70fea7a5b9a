//! The storage of the tree: blocks of four binary levels each.
//!
//! The block at level L keeps the digests of its binary nodes at the levels L + 1 to L + 4 and,
//! below them, either its entries or a block for each of its sixteen slots. It keeps entries
//! exactly if none of its slots has to split, so the storage, like the digests, is a function of
//! the set of entries alone.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use crate::digests::{Digests, Heap};
use crate::path::nibble;
use crate::scheme::{LEAF_CAPACITY, Scheme};
use crate::{Digest, Entries, Entry, Path};

/// How many binary levels a block spans.
pub(crate) const SPAN: u16 = 4;

#[derive(Clone)]
pub(crate) struct Block<K> {
    /// Nothing is stored below a leaf, so a block that is a leaf as a whole stores no digest.
    pub(crate) digests: Digests,
    pub(crate) body: Body<K>,
}

#[derive(Clone)]
pub(crate) enum Body<K> {
    /// All entries, in the order of their key hashes.
    Bucket(Vec<Entry<K>>),
    /// The slots that are not empty.
    Branch(Slots<K>),
}

#[derive(Clone)]
pub(crate) struct Slots<K> {
    /// Which slots are not empty, one bit each.
    pub(crate) occupied: u16,
    /// What those slots hold, in order.
    pub(crate) list: Vec<Slot<K>>,
}

#[derive(Clone)]
pub(crate) struct Slot<K> {
    pub(crate) block: Arc<Block<K>>,
    /// How many entries the block holds. Kept here so that nobody must look into it to know.
    pub(crate) count: u64,
}

impl<K> Block<K> {
    /// How many entries there are.
    pub(crate) fn count(&self) -> u64 {
        self.body.count(0..self.body.len())
    }

    /// All entries.
    pub(crate) fn entries(&self) -> Entries<'_, K> {
        self.body.entries(0..self.body.len())
    }

    /// The digests of the two halves.
    pub(crate) fn halves(&self) -> [Digest; 2] {
        [2, 3].map(|half| self.digests.get(half).unwrap_or(Digest::EMPTY))
    }
}

impl<K> Slots<K> {
    pub(crate) const NONE: Self = Self { occupied: 0, list: Vec::new() };

    /// How many slots before slot `nibble` are occupied: its place in the list.
    pub(crate) fn rank(&self, nibble: u8) -> usize {
        (self.occupied & ((1 << nibble) - 1)).count_ones() as usize
    }

    pub(crate) fn get(&self, nibble: u8) -> Option<&Slot<K>> {
        self.has(nibble).then(|| &self.list[self.rank(nibble)])
    }

    pub(crate) fn get_mut(&mut self, nibble: u8) -> Option<&mut Slot<K>> {
        let rank = self.rank(nibble);
        self.has(nibble).then(|| &mut self.list[rank])
    }

    pub(crate) fn has(&self, nibble: u8) -> bool {
        self.occupied >> nibble & 1 == 1
    }
}

impl<K> Body<K> {
    /// How many entries, or occupied slots, there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bucket(entries) => entries.len(),
            Self::Branch(slots) => slots.list.len(),
        }
    }

    /// How many entries lie in a range of entries or slots.
    pub(crate) fn count(&self, range: Range<usize>) -> u64 {
        match self {
            Self::Bucket(_) => range.len() as u64,
            Self::Branch(slots) => slots.list[range].iter().map(|slot| slot.count).sum(),
        }
    }

    /// The entries in a range of entries or slots.
    pub(crate) fn entries(&self, range: Range<usize>) -> Entries<'_, K> {
        match self {
            Self::Bucket(entries) => Entries::in_bucket(&entries[range]),
            Self::Branch(slots) => Entries::in_slots(&slots.list[range]),
        }
    }

    /// The first index in `range`, which must be that of a node, that lies in the node's right half.
    pub(crate) fn middle(&self, level: u16, node: Heap, range: Range<usize>) -> usize {
        let [first, _] = span(2 * node + 1);
        match self {
            Self::Bucket(entries) => {
                let left = |entry: &Entry<K>| nibble(&entry.key_hash, level) < first;
                range.start + entries[range].partition_point(left)
            }
            Self::Branch(slots) => slots.rank(first),
        }
    }
}

/// A place in the storage: everything below a path.
pub(crate) struct Place<'a, K> {
    pub(crate) body: &'a Body<K>,
    pub(crate) range: Range<usize>,
    /// The stored digest of the path, if it is an inner node or a leaf.
    pub(crate) digest: Option<Digest>,
}

/// Finds what lies below `path`, starting from the block at level 0.
pub(crate) fn locate<'a, K>(mut block: &'a Block<K>, path: &Path) -> Option<Place<'a, K>> {
    let mut level = 0;
    loop {
        let node = (path.level() <= level + SPAN).then(|| heap(path, level));
        let digest = node.and_then(|node| block.digests.get(node));
        let range = match (&block.body, node) {
            (Body::Bucket(entries), _) => {
                let start = entries.partition_point(|entry| entry.key_hash < *path.bits());
                let below = |entry: &Entry<K>| path.contains(&entry.key_hash);
                start..start + entries[start..].partition_point(below)
            }
            (Body::Branch(slots), Some(node)) => {
                let [first, last] = span(node);
                let end = slots.rank(last) + usize::from(slots.has(last));
                slots.rank(first)..end
            }
            (Body::Branch(slots), None) => {
                block = &slots.get(nibble(path.bits(), level))?.block;
                level += SPAN;
                continue;
            }
        };
        return Some(Place { body: &block.body, range, digest });
    }
}

/// Finds the entry of `key_hash`, starting from the block at level 0.
pub(crate) fn find<'a, K>(mut block: &'a Block<K>, key_hash: &Digest) -> Option<&'a Entry<K>> {
    let mut level = 0;
    loop {
        match &block.body {
            Body::Bucket(entries) => {
                let at = entries.binary_search_by_key(key_hash, |entry| entry.key_hash).ok()?;
                return Some(&entries[at]);
            }
            Body::Branch(slots) => block = &slots.get(nibble(key_hash, level))?.block,
        }
        level += SPAN;
    }
}

/// Whether the block at `level` may keep entries: its slots may be leaves.
pub(crate) fn may_be_bucket<H>(scheme: &Scheme<H>, level: u16) -> bool {
    level + SPAN >= u16::from(scheme.depth.levels())
}

/// Whether some slot of the block at `level` has too many of these sorted entries for a leaf.
pub(crate) fn splits<K>(entries: &[Entry<K>], level: u16) -> bool {
    let slot = |entry: &Entry<K>| nibble(&entry.key_hash, level);
    entries.windows(LEAF_CAPACITY + 1).any(|run| slot(&run[0]) == slot(&run[LEAF_CAPACITY]))
}

/// The node of the block at `level` that `path` names, which is at most four levels below it.
fn heap(path: &Path, level: u16) -> Heap {
    match path.level() - level {
        0 => 1,
        depth => (1 << depth) + (Heap::from(nibble(path.bits(), level)) >> (SPAN - depth)),
    }
}

/// The first and the last slot below a node of a block.
fn span(node: Heap) -> [u8; 2] {
    let height = u32::from(SPAN) - node.ilog2();
    let first = (node << height) - (1 << SPAN);
    [first as u8, (first + (1 << height) - 1) as u8]
}
