//! Applying changes to the storage.

use alloc::sync::Arc;
use alloc::vec::{self, Vec};
use core::mem;

use crate::block::{Block, Node};
use crate::digests::{self, Mask};
use crate::hasher::Hasher;
use crate::leaf_block::LeafBlock;
use crate::path::nibble;
use crate::scheme::Scheme;
use crate::slots::Slots;
use crate::{Digest, Entry};

/// A change to one key: the hash of the key, and its new entry, if there is one.
pub(crate) struct Change<K> {
    pub(crate) key_hash: Digest,
    /// The key and its new value; `None` removes the key. Applying the change takes both and leaves
    /// `None`.
    pub(crate) outcome: Option<(K, Digest)>,
}

impl<K> Change<K> {
    /// The value of the key after the change.
    pub(crate) fn value(&self) -> Option<Digest> {
        self.outcome.as_ref().map(|(_, value)| *value)
    }

    pub(crate) fn take_entry(&mut self) -> Option<Entry<K>> {
        let key_hash = self.key_hash;
        self.outcome.take().map(|(key, value)| Entry { key_hash, value, key })
    }
}

/// Sorts changes by key hash and keeps only the last of those with the same key hash.
pub(crate) fn in_order<K>(mut changes: Vec<Change<K>>) -> Vec<Change<K>> {
    // Sorts small records instead of the changes themselves, which are several times larger.
    // The first eight bytes of the hash decide the order, unless crafted keys share them.
    let prefixes = changes.iter().map(|change| change.key_hash.prefix());
    let mut order: Vec<(u64, usize)> = prefixes.zip(0..).collect();
    order.sort_unstable_by(|(a, i), (b, j)| {
        let whole = || changes[*i].key_hash.cmp(&changes[*j].key_hash);
        a.cmp(b).then_with(whole).then_with(|| i.cmp(j))
    });
    let mut sorted: Vec<Change<K>> = Vec::with_capacity(changes.len());
    for (_, at) in order {
        let change = &mut changes[at];
        let change = Change { key_hash: change.key_hash, outcome: change.outcome.take() };
        match sorted.last_mut() {
            Some(last) if last.key_hash == change.key_hash => *last = change,
            _ => sorted.push(change),
        }
    }
    sorted
}

impl<K: Clone> Node<K> {
    /// Builds the block at `level` from the next `take` sorted entries.
    pub(crate) fn build<H: Hasher>(
        scheme: &Scheme<H>,
        level: u16,
        entries: &mut vec::IntoIter<Entry<K>>,
        take: usize,
    ) -> Self {
        let next = &entries.as_slice()[..take];
        let starts =
            scheme.may_be_leaf_block(level).then(|| LeafBlock::starts(level, next)).flatten();
        match starts {
            Some(starts) => {
                let mut own = Vec::with_capacity(take);
                own.extend(entries.take(take));
                let body = LeafBlock::new(starts, own);
                Self::LeafBlock(Arc::new(Block::new(scheme, level, body)))
            }
            None => {
                let body = Slots::build(scheme, level, entries, take);
                Self::Branch(Arc::new(Block::new(scheme, level, body)))
            }
        }
    }

    /// Builds the block at `level` from sorted insertions of distinct keys.
    pub(crate) fn from_changes<H: Hasher>(
        scheme: &Scheme<H>,
        level: u16,
        changes: &mut [Change<K>],
    ) -> Self {
        let mut entries = Vec::with_capacity(changes.len());
        entries.extend(changes.iter_mut().filter_map(Change::take_entry));
        let take = entries.len();
        Self::build(scheme, level, &mut entries.into_iter(), take)
    }

    /// Returns all entries, copied if a clone of the tree shares them.
    pub(crate) fn into_entries(self) -> Vec<Entry<K>> {
        match self {
            Self::LeafBlock(block) => Arc::unwrap_or_clone(block).body.into_entries(),
            Self::Branch(block) => Arc::unwrap_or_clone(block).body.into_entries(),
        }
    }

    /// Applies changes that are sorted by [`in_order`] and all have an effect, and updates the digests of the block.
    /// Returns the change in the number of entries.
    pub(crate) fn apply<H: Hasher>(
        &mut self,
        scheme: &Scheme<H>,
        level: u16,
        changes: &mut [Change<K>],
    ) -> isize {
        let nibbles = changes.iter().map(|change| nibble(&change.key_hash, level));
        let dirty = nibbles.fold(0, |dirty, nibble| dirty | digests::mask_to(nibble));
        match self {
            Self::LeafBlock(shared) => {
                let block = Arc::make_mut(shared);
                let before = block.body.entries().len();
                let fits = block.body.apply(level, changes);
                let after = block.body.entries().len();
                if fits {
                    block.rehash(scheme, level, dirty);
                } else {
                    let branch = block.split(scheme, level, dirty);
                    *self = Self::Branch(Arc::new(branch));
                }
                after as isize - before as isize
            }
            Self::Branch(shared) => {
                let block = Arc::make_mut(shared);
                let grown = block.body.apply(scheme, level, changes);
                if block.belongs_into_a_leaf_block(scheme, level) {
                    let leaf_block = block.join(scheme, level, dirty);
                    *self = Self::LeafBlock(Arc::new(leaf_block));
                } else {
                    block.rehash(scheme, level, dirty);
                }
                grown
            }
        }
    }
}

impl<K: Clone> Block<LeafBlock<K>> {
    /// Turns this leaf block into a branch, after a slot has outgrown a leaf.
    fn split<H: Hasher>(&mut self, scheme: &Scheme<H>, level: u16, dirty: Mask) -> Block<Slots<K>> {
        let entries = self.body.take_entries();
        let take = entries.len();
        let body = Slots::build(scheme, level, &mut entries.into_iter(), take);
        let mut branch = Block { digests: mem::take(&mut self.digests), body };
        branch.rehash(scheme, level, dirty);
        branch
    }
}

impl<K: Clone> Block<Slots<K>> {
    fn belongs_into_a_leaf_block<H: Hasher>(&self, scheme: &Scheme<H>, level: u16) -> bool {
        scheme.may_be_leaf_block(level) && self.body.fit_a_leaf_block()
    }

    /// Turns this branch into a leaf block, after all slots have shrunk to leaves.
    fn join<H: Hasher>(
        &mut self,
        scheme: &Scheme<H>,
        level: u16,
        dirty: Mask,
    ) -> Block<LeafBlock<K>> {
        let entries = mem::replace(&mut self.body, Slots::EMPTY).into_entries();
        let starts =
            LeafBlock::starts(level, &entries).expect("no slot has more entries than a leaf holds");
        let body = LeafBlock::new(starts, entries);
        let mut leaf_block = Block { digests: mem::take(&mut self.digests), body };
        leaf_block.rehash(scheme, level, dirty);
        leaf_block
    }
}

/// Applies sorted changes to sorted entries.
pub(crate) fn merge<K>(entries: Vec<Entry<K>>, changes: &mut [Change<K>]) -> Vec<Entry<K>> {
    let mut merged = Vec::with_capacity(entries.len() + changes.len());
    let mut entries = entries.into_iter().peekable();
    for change in changes {
        while let Some(entry) = entries.next_if(|entry| entry.key_hash < change.key_hash) {
            merged.push(entry);
        }
        let old = entries.next_if(|entry| entry.key_hash == change.key_hash);
        match (old, change.take_entry()) {
            (Some(old), Some(new)) => merged.push(Entry { value: new.value, ..old }),
            (None, Some(new)) => merged.push(new),
            (_, None) => {}
        }
    }
    merged.extend(entries);
    merged
}
