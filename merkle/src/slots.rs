//! The body of a branch: its sixteen slots, which hold the blocks below it.

use alloc::vec::{self, Vec};

use crate::block::{Body, Node, SPAN};
use crate::change::Change;
use crate::digests::{Heap, SLOTS, slots_below};
use crate::hasher::Hasher;
use crate::path::nibble;
use crate::scheme::{LEAF_CAPACITY, Scheme};
use crate::{Digest, Entries, Entry};

/// The slots of a branch, contiguous in memory. Each slot that is not empty has a block.
#[derive(Clone)]
pub(crate) struct Slots<K>([Slot<K>; SLOTS as usize]);

#[derive(Clone)]
pub(crate) struct Slot<K> {
    pub(crate) node: Option<Node<K>>,
    /// The number of entries in the block, stored here to avoid reading the block.
    count: u64,
}

impl<K> Slots<K> {
    pub(crate) const EMPTY: Self = Self([const { Slot { node: None, count: 0 } }; SLOTS as usize]);

    pub(crate) fn get(&self, nibble: u8) -> Option<&Node<K>> {
        self.0[usize::from(nibble)].node.as_ref()
    }

    pub(crate) fn get_mut(&mut self, nibble: u8) -> Option<&mut Node<K>> {
        self.0[usize::from(nibble)].node.as_mut()
    }

    pub(crate) fn slots(&self) -> &[Slot<K>] {
        &self.0
    }

    /// The entries below a node of the block.
    pub(crate) fn below(&self, node: Heap) -> Entries<'_, K> {
        Entries::in_slots(&self.0[slots_below(node)], self.count(node) as usize)
    }

    /// Whether every slot has few enough entries for a leaf block.
    pub(crate) fn fit_a_leaf_block(&self) -> bool {
        self.0.iter().all(|slot| slot.count <= LEAF_CAPACITY as u64)
    }
}

impl<K: Clone> Slots<K> {
    /// Builds the slots of the block at `level` from the next `take` sorted entries.
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
            let node = Some(Node::build(scheme, level + SPAN, entries, count));
            slots.0[usize::from(slot)] = Slot { node, count: count as u64 };
            take -= count;
        }
        slots
    }

    /// Applies sorted changes, all of which have an effect, to the slots of the block at `level`. Returns the change in
    /// the number of entries.
    pub(crate) fn apply<H: Hasher>(
        &mut self,
        scheme: &Scheme<H>,
        level: u16,
        changes: &mut [Change<K>],
    ) -> isize {
        let nibble = |change: &Change<K>| nibble(&change.key_hash, level);
        let mut all_grown = 0;
        for group in changes.chunk_by_mut(|a, b| nibble(a) == nibble(b)) {
            let slot = &mut self.0[usize::from(nibble(&group[0]))];
            let grown = match &mut slot.node {
                Some(node) => node.apply(scheme, level + SPAN, group),
                empty => {
                    *empty = Some(Node::from_changes(scheme, level + SPAN, group));
                    group.len() as isize
                }
            };
            slot.grow(grown);
            all_grown += grown;
        }
        all_grown
    }

    /// Returns all entries, copied where clones of the tree share them.
    pub(crate) fn into_entries(self) -> Vec<Entry<K>> {
        let mut entries = Vec::with_capacity(self.count(1) as usize);
        for node in self.0.into_iter().filter_map(|slot| slot.node) {
            entries.extend(node.into_entries());
        }
        entries
    }
}

impl<K> Slot<K> {
    /// Adds `grown` to the number of entries, and drops the block when no entry is left.
    fn grow(&mut self, grown: isize) {
        self.count = self.count.wrapping_add_signed(grown as i64);
        if self.count == 0 {
            self.node = None;
        }
    }
}

impl<K> Body for Slots<K> {
    fn count(&self, node: Heap) -> u64 {
        self.0[slots_below(node)].iter().map(|slot| slot.count).sum()
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
