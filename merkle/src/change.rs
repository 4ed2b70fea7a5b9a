//! Applying changes to the storage.

use alloc::sync::Arc;
use alloc::vec::{self, Vec};
use core::{mem, slice};

use crate::block::{Block, Body, SPAN, Slot, Slots, may_be_bucket};
use crate::bucket::Bucket;
use crate::digests::{self, Digests};
use crate::hasher::Hasher;
use crate::path::nibble;
use crate::scheme::{LEAF_CAPACITY, Scheme};
use crate::{Digest, Entry};

/// An edit on its way down: where to, and what is to be there afterwards.
pub(crate) struct Change<K> {
    pub(crate) key_hash: Digest,
    /// Taken when the change is applied; `None` removes.
    pub(crate) outcome: Option<(K, Digest)>,
}

impl<K> Change<K> {
    pub(crate) fn take_entry(&mut self) -> Option<Entry<K>> {
        let key_hash = self.key_hash;
        self.outcome.take().map(|(key, value)| Entry { key_hash, value, key })
    }
}

/// Sorts changes by key hash. If several have the same, only the last of them is left.
pub(crate) fn in_order<K>(mut changes: Vec<Change<K>>) -> Vec<Change<K>> {
    // Small records are sorted in place of the changes themselves, which are several times larger.
    // Eight bytes of the hash decide, unless somebody has crafted keys that share them.
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

impl<K: Clone> Block<K> {
    /// Builds the block at `level` from changes as [`in_order`] leaves them, all of which insert.
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

    /// Builds the block at `level` from the next `take` entries, which are sorted.
    fn build<H: Hasher>(
        scheme: &Scheme<H>,
        level: u16,
        entries: &mut vec::IntoIter<Entry<K>>,
        take: usize,
    ) -> Self {
        let next = &entries.as_slice()[..take];
        let body = if may_be_bucket(scheme, level) && !Bucket::overflows(next, level) {
            Body::Bucket(Bucket::new(entries.take(take)))
        } else {
            Body::Branch(Slots::build(scheme, level, entries, take))
        };
        let mut block = Self { digests: Digests::default(), body };
        if !scheme.is_leaf(level, take as u64) {
            block.digests.reserve(digests::ALL);
            block.rehash(scheme, level, digests::ALL);
            block.digests.shrink();
        }
        block
    }

    /// Applies changes as [`in_order`] leaves them, each with an effect, and brings every digest of
    /// the block up to date. Returns by how much the entries became more.
    pub(crate) fn apply<H: Hasher>(
        &mut self,
        scheme: &Scheme<H>,
        level: u16,
        changes: &mut [Change<K>],
    ) -> isize {
        if let [change] = changes {
            return self.apply_one(scheme, level, change);
        }
        let nibbles = changes.iter().map(|change| nibble(&change.key_hash, level));
        let dirty = nibbles.fold(0, |dirty, nibble| dirty | digests::way_to(nibble));
        let grown = self.body.apply(scheme, level, changes);
        self.body.reshape(scheme, level);
        self.rehash(scheme, level, dirty);
        grown
    }

    fn apply_one<H: Hasher>(
        &mut self,
        scheme: &Scheme<H>,
        level: u16,
        change: &mut Change<K>,
    ) -> isize {
        let nibble = nibble(&change.key_hash, level);
        // Read on the way down, so that the memory arrives while the blocks below are at work.
        let way = self.digests.way(nibble);
        let grown = self.body.apply(scheme, level, slice::from_mut(change));
        if grown != 0 {
            self.body.reshape(scheme, level);
        }
        if grown == 0 || grown > 0 && self.keeps_leaf(scheme, level, &way) {
            self.refold(scheme, level, &way);
        } else {
            self.rehash(scheme, level, digests::way_to(nibble));
        }
        grown
    }
}

impl<K: Clone> Body<K> {
    fn apply<H: Hasher>(
        &mut self,
        scheme: &Scheme<H>,
        level: u16,
        changes: &mut [Change<K>],
    ) -> isize {
        match self {
            Self::Bucket(bucket) => bucket.apply(level, changes),
            Self::Branch(slots) => slots.apply(scheme, level, changes),
        }
    }

    /// Turns a bucket with a slot that splits into a branch, and a branch without one into a bucket.
    fn reshape<H: Hasher>(&mut self, scheme: &Scheme<H>, level: u16) {
        match self {
            Self::Bucket(bucket) if Bucket::overflows(bucket.entries(), level) => {
                let entries = mem::replace(bucket, Bucket::EMPTY).into_entries();
                let take = entries.len();
                *self = Self::Branch(Slots::build(scheme, level, &mut entries.into_iter(), take));
            }
            Self::Branch(slots) if may_be_bucket(scheme, level) && slots.fit_a_bucket() => {
                let entries = mem::replace(slots, Slots::EMPTY).into_entries();
                *self = Self::Bucket(Bucket::new(entries.into_iter()));
            }
            _ => {}
        }
    }
}

impl<K: Clone> Slots<K> {
    fn build<H: Hasher>(
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
            slots.insert(slot, Block::build(scheme, level + SPAN, entries, count), count as u64);
            take -= count;
        }
        slots
    }

    fn apply<H: Hasher>(
        &mut self,
        scheme: &Scheme<H>,
        level: u16,
        changes: &mut [Change<K>],
    ) -> isize {
        let slot = |change: &Change<K>| nibble(&change.key_hash, level);
        let groups = changes.chunk_by_mut(|a, b| slot(a) == slot(b));
        groups.map(|group| self.apply_to(slot(&group[0]), scheme, level + SPAN, group)).sum()
    }

    /// Applies changes to the block of one slot, which is at `level`.
    fn apply_to<H: Hasher>(
        &mut self,
        nibble: u8,
        scheme: &Scheme<H>,
        level: u16,
        changes: &mut [Change<K>],
    ) -> isize {
        let Some(slot) = self.get_mut(nibble) else {
            self.insert(nibble, Block::from_changes(scheme, level, changes), changes.len() as u64);
            return changes.len() as isize;
        };
        let grown = Arc::make_mut(&mut slot.block).apply(scheme, level, changes);
        slot.count = slot.count.wrapping_add_signed(grown as i64);
        if slot.count == 0 {
            self.remove(nibble);
        }
        grown
    }

    fn insert(&mut self, nibble: u8, block: Block<K>, count: u64) {
        let rank = self.rank(nibble);
        self.list.reserve_exact(1);
        self.list.insert(rank, Slot { block: Arc::new(block), count });
        self.occupied |= 1 << nibble;
    }

    fn remove(&mut self, nibble: u8) {
        self.list.remove(self.rank(nibble));
        self.list.shrink_to_fit();
        self.occupied &= !(1 << nibble);
    }

    fn fit_a_bucket(&self) -> bool {
        self.list.iter().all(|slot| slot.count <= LEAF_CAPACITY as u64)
    }

    fn into_entries(self) -> Vec<Entry<K>> {
        let count: u64 = self.list.iter().map(|slot| slot.count).sum();
        let mut entries = Vec::with_capacity(count as usize);
        for slot in self.list {
            entries.extend(match Arc::unwrap_or_clone(slot.block).body {
                Body::Bucket(bucket) => bucket.into_entries(),
                Body::Branch(slots) => slots.into_entries(),
            });
        }
        entries
    }
}
