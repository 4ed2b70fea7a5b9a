//! The entries that a block stores directly, rather than in child blocks.

use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

use crate::block::Body;
use crate::change::{Change, merge};
use crate::digests::{Heap, SLOTS, slots_below};
use crate::hasher::Hasher;
use crate::path::nibble;
use crate::scheme::{LEAF_CAPACITY, Scheme};
use crate::{Digest, Entries, Entry, Path};

/// Entries in the order of their key hashes, at most eight in each slot of their block. The
/// allocation has exactly the size that they need.
#[derive(Clone)]
pub(crate) struct LeafBlock<K> {
    entries: Vec<Entry<K>>,
    starts: Starts,
}

/// The index at which each slot begins in a leaf block. A byte suffices: the last slot begins at index 121 at most,
/// after fifteen full slots and the one entry that makes a slot split.
pub(crate) type Starts = [u8; SLOTS as usize];

impl<K> LeafBlock<K> {
    /// Returns the indices at which the slots of the block at `level` begin in these sorted
    /// entries, or `None` if a slot has too many entries for a leaf block.
    pub(crate) fn starts(level: u16, entries: &[Entry<K>]) -> Option<Starts> {
        let mut starts = Starts::default();
        let mut at = 0;
        for (slot, start) in (0..).zip(&mut starts) {
            *start = at as u8;
            let in_slot = |entry: &&Entry<K>| nibble(&entry.key_hash, level) == slot;
            let count = entries[at..].iter().take_while(in_slot).count();
            if count > LEAF_CAPACITY {
                return None;
            }
            at += count;
        }
        Some(starts)
    }

    pub(crate) fn new(starts: Starts, mut entries: Vec<Entry<K>>) -> Self {
        entries.shrink_to_fit();
        Self { entries, starts }
    }

    pub(crate) fn entries(&self) -> &[Entry<K>] {
        &self.entries
    }

    pub(crate) fn into_entries(self) -> Vec<Entry<K>> {
        self.entries
    }

    /// Removes and returns all entries. The caller must then replace the leaf block.
    pub(crate) fn take_entries(&mut self) -> Vec<Entry<K>> {
        mem::take(&mut self.entries)
    }

    /// The number of allocated bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<K>>()
    }

    /// Returns the position of the entry with `key_hash` in the leaf block at `level`. If there is no
    /// such entry, returns an error with the position at which to insert it.
    pub(crate) fn position(&self, level: u16, key_hash: &Digest) -> Result<usize, usize> {
        let slot = usize::from(nibble(key_hash, level));
        let range = self.range(slot..slot + 1);
        let before = |entry: &Entry<K>| entry.key_hash < *key_hash;
        let at = range.start + self.entries[range].partition_point(before);
        match self.entries.get(at) {
            Some(entry) if entry.key_hash == *key_hash => Ok(at),
            _ => Err(at),
        }
    }

    /// The entries below a node of the block.
    pub(crate) fn below(&self, node: Heap) -> Entries<'_, K> {
        Entries::in_leaf_block(self.slice(node))
    }

    /// The entries below `path`, which lies below a slot of the block at `level`.
    pub(crate) fn below_path(&self, level: u16, path: &Path) -> Entries<'_, K> {
        let (Ok(start) | Err(start)) = self.position(level, path.bits());
        let below = |entry: &Entry<K>| path.contains(&entry.key_hash);
        let end = start + self.entries[start..].partition_point(below);
        Entries::in_leaf_block(&self.entries[start..end])
    }

    /// Applies sorted changes, all of which have an effect, to the leaf block at `level`. Returns whether the entries
    /// still fit; if not, the caller must [take them](Self::take_entries).
    pub(crate) fn apply(&mut self, level: u16, changes: &mut [Change<K>]) -> bool {
        if let [change] = changes {
            return self.apply_one(level, change);
        }
        self.entries = merge(mem::take(&mut self.entries), changes);
        self.entries.shrink_to_fit();
        let starts = Self::starts(level, &self.entries);
        self.starts = starts.unwrap_or_default();
        starts.is_some()
    }

    /// Does the same as [`apply`](Self::apply) for one change, in place.
    fn apply_one(&mut self, level: u16, change: &mut Change<K>) -> bool {
        let slot = usize::from(nibble(&change.key_hash, level));
        match (self.position(level, &change.key_hash), change.take_entry()) {
            (Ok(at), Some(entry)) => self.entries[at].value = entry.value,
            (Ok(at), None) => {
                self.entries.remove(at);
                self.entries.shrink_to_fit();
                self.starts[slot + 1..].iter_mut().for_each(|start| *start -= 1);
            }
            (Err(at), Some(entry)) => {
                self.entries.reserve_exact(1);
                self.entries.insert(at, entry);
                self.starts[slot + 1..].iter_mut().for_each(|start| *start += 1);
            }
            (Err(_), None) => {}
        }
        self.range(slot..slot + 1).len() <= LEAF_CAPACITY
    }

    /// Replaces the value of `key_hash`, which the leaf block at `level` holds.
    pub(crate) fn replace(&mut self, level: u16, key_hash: &Digest, value: Digest) {
        let at = self.position(level, key_hash).expect("the entry is in this leaf block");
        self.entries[at].value = value;
    }

    /// The indices of the entries in a range of slots.
    fn range(&self, slots: Range<usize>) -> Range<usize> {
        let start = |slot| self.starts.get(slot).map_or(self.entries.len(), |at| usize::from(*at));
        start(slots.start)..start(slots.end)
    }

    fn slice(&self, node: Heap) -> &[Entry<K>] {
        &self.entries[self.range(slots_below(node))]
    }
}

impl<K> Body for LeafBlock<K> {
    fn count(&self, node: Heap) -> u64 {
        self.slice(node).len() as u64
    }

    fn tip<H: Hasher>(&self, scheme: &Scheme<H>, level: u16, node: Heap) -> Digest {
        scheme.leaf(level, self.slice(node).iter().map(Entry::line))
    }
}
