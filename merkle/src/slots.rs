//! The sixteen blocks below a block that is not a bucket.

use alloc::vec::{self, Vec};
use core::ops::Range;
use core::slice;

use crate::block::{Body, Node, SPAN};
use crate::change::{Change, grown};
use crate::digests::{Heap, SLOTS, slots_below};
use crate::hasher::Hasher;
use crate::path::nibble;
use crate::scheme::{LEAF_CAPACITY, Scheme};
use crate::{Digest, Entries, Entry};

/// A block for each slot that is not empty, side by side: one step in memory leads to the next.
#[derive(Clone)]
pub(crate) struct Slots<K> {
    nodes: [Option<Node<K>>; SLOTS as usize],
    /// How many entries each slot holds. Kept here so that nobody must look into it to know.
    counts: [u64; SLOTS as usize],
}

impl<K> Slots<K> {
    pub(crate) const EMPTY: Self =
        Self { nodes: [const { None }; SLOTS as usize], counts: [0; SLOTS as usize] };

    pub(crate) fn get(&self, nibble: u8) -> Option<&Node<K>> {
        self.nodes[usize::from(nibble)].as_ref()
    }

    fn get_mut(&mut self, nibble: u8) -> Option<&mut Node<K>> {
        self.nodes[usize::from(nibble)].as_mut()
    }

    pub(crate) fn nodes(&self) -> &[Option<Node<K>>] {
        &self.nodes
    }

    /// Fills an empty slot.
    fn insert(&mut self, nibble: u8, node: Node<K>, count: u64) {
        self.nodes[usize::from(nibble)] = Some(node);
        self.counts[usize::from(nibble)] = count;
    }

    /// Accounts for entries that have come or gone in a slot, and empties it after the last.
    fn grow(&mut self, nibble: u8, grown: isize) {
        let count = &mut self.counts[usize::from(nibble)];
        *count = count.wrapping_add_signed(grown as i64);
        if *count == 0 {
            self.nodes[usize::from(nibble)] = None;
        }
    }

    /// The entries below a node of the block.
    pub(crate) fn below(&self, node: Heap) -> Entries<'_, K> {
        let slots = slots_below(node);
        let count = self.count_in(slots.clone());
        Entries::in_slots(&self.nodes[slots], count as usize)
    }

    fn count_in(&self, slots: Range<usize>) -> u64 {
        self.counts[slots].iter().sum()
    }

    /// Whether every slot has so few entries that they belong into a bucket.
    pub(crate) fn fit_a_bucket(&self) -> bool {
        self.counts.iter().all(|count| *count <= LEAF_CAPACITY as u64)
    }
}

impl<K: Clone> Slots<K> {
    /// Builds the slots of the block at `level` from the next `take` entries, which are sorted.
    pub(crate) fn build<H: Hasher>(
        scheme: &Scheme<H>,
        level: u16,
        entries: &mut vec::IntoIter<Entry<K>>,
        mut take: usize,
    ) -> Self {
        let mut slots = Self::EMPTY;
        while take > 0 {
            let next = &entries.as_slice()[..take];
            let slot = nibble(&next[0].key_hash, level);
            let count = next.partition_point(|entry| nibble(&entry.key_hash, level) == slot);
            slots.insert(slot, Node::build(scheme, level + SPAN, entries, count), count as u64);
            take -= count;
        }
        slots
    }

    /// Applies a change to the slot `nibble` of the block at `level` and returns the value before.
    pub(crate) fn apply_one<H: Hasher>(
        &mut self,
        scheme: &Scheme<H>,
        level: u16,
        nibble: u8,
        change: &mut Change<K>,
    ) -> Option<Digest> {
        let wanted = change.value();
        let Some(node) = self.get_mut(nibble) else {
            if wanted.is_some() {
                let node = Node::from_changes(scheme, level + SPAN, slice::from_mut(change));
                self.insert(nibble, node, 1);
            }
            return None;
        };
        let previous = node.apply_one(scheme, level + SPAN, change);
        self.grow(nibble, grown(previous, wanted));
        previous
    }

    /// Applies sorted changes, each with an effect, to the slots of the block at `level`. Returns by
    /// how much the entries became more.
    pub(crate) fn apply<H: Hasher>(
        &mut self,
        scheme: &Scheme<H>,
        level: u16,
        changes: &mut [Change<K>],
    ) -> isize {
        let slot = |change: &Change<K>| nibble(&change.key_hash, level);
        let mut all_grown = 0;
        for group in changes.chunk_by_mut(|a, b| slot(a) == slot(b)) {
            let nibble = slot(&group[0]);
            all_grown += match self.get_mut(nibble) {
                Some(node) => {
                    let grown = node.apply(scheme, level + SPAN, group);
                    self.grow(nibble, grown);
                    grown
                }
                None => {
                    let node = Node::from_changes(scheme, level + SPAN, group);
                    self.insert(nibble, node, group.len() as u64);
                    group.len() as isize
                }
            };
        }
        all_grown
    }

    /// All entries, copied as far as clones of the tree share them.
    pub(crate) fn into_entries(self) -> Vec<Entry<K>> {
        let mut entries = Vec::with_capacity(self.count(1) as usize);
        for node in self.nodes.into_iter().flatten() {
            entries.extend(node.into_entries());
        }
        entries
    }
}

impl<K> Body for Slots<K> {
    fn count(&self, node: Heap) -> u64 {
        self.count_in(slots_below(node))
    }

    fn tip<H: Hasher>(&self, scheme: &Scheme<H>, level: u16, node: Heap) -> Digest {
        match node.checked_sub(SLOTS).and_then(|nibble| self.get(nibble as u8)) {
            Some(block) if !scheme.is_leaf(level, self.count(node)) => {
                scheme.node(level, block.halves())
            }
            _ => scheme.leaf(level, self.below(node).map(Entry::line)),
        }
    }
}
