//! The storage of the tree: blocks of four binary levels each.
//!
//! The block at level L keeps the digests of its binary nodes at the levels L + 1 to L + 4 and,
//! below them, either its entries or a block for each of its sixteen slots. It keeps entries
//! exactly if none of its slots has to split, so the storage, like the digests, is a function of
//! the set of entries alone.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use crate::bucket::Bucket;
use crate::digests::{Digests, Heap};
use crate::path::nibble;
use crate::scheme::Scheme;
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
    /// All entries.
    Bucket(Bucket<K>),
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
    pub(crate) const EMPTY: Self = Self { occupied: 0, list: Vec::new() };

    /// How many slots before slot `nibble` are occupied: its place in the list. 16 is the end.
    pub(crate) fn rank(&self, nibble: u8) -> usize {
        match self.occupied {
            u16::MAX => nibble.into(),
            occupied => (u32::from(occupied) & ((1 << nibble) - 1)).count_ones() as usize,
        }
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
            Self::Bucket(bucket) => bucket.entries().len(),
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
            Self::Bucket(bucket) => Entries::in_bucket(&bucket.entries()[range]),
            Self::Branch(slots) => Entries::in_slots(&slots.list[range]),
        }
    }

    /// The entries or slots below a node.
    pub(crate) fn range(&self, level: u16, node: Heap) -> Range<usize> {
        let (first, end) = span(node);
        self.boundary(level, first)..self.boundary(level, end)
    }

    /// The first entry or slot in the right half of a node.
    pub(crate) fn middle(&self, level: u16, node: Heap) -> usize {
        let (first, _) = span(2 * node + 1);
        self.boundary(level, first)
    }

    /// The first entry or slot in `slot` or a later one; 16 is the end.
    fn boundary(&self, level: u16, slot: u8) -> usize {
        match self {
            Self::Bucket(bucket) => bucket.boundary(level, slot),
            Self::Branch(slots) => slots.rank(slot),
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
            (Body::Bucket(bucket), _) => bucket.below(level, path),
            (Body::Branch(_), Some(node)) => block.body.range(level, node),
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
            Body::Bucket(bucket) => {
                let at = bucket.position(level, key_hash).ok()?;
                return Some(&bucket.entries()[at]);
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

/// The node of the block at `level` that `path` names, which is at most four levels below it.
fn heap(path: &Path, level: u16) -> Heap {
    match path.level() - level {
        0 => 1,
        depth => (1 << depth) + (Heap::from(nibble(path.bits(), level)) >> (SPAN - depth)),
    }
}

/// The first slot below a node of a block, and the one after the last.
fn span(node: Heap) -> (u8, u8) {
    let height = u32::from(SPAN) - node.ilog2();
    let first = (node << height) - (1 << SPAN);
    (first as u8, (first + (1 << height)) as u8)
}
