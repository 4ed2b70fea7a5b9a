//! Applying changes to the storage.

use alloc::sync::Arc;
use alloc::vec::{self, Vec};
use core::mem;

use crate::block::{Block, Body, SPAN, Slot, Slots, may_be_bucket, splits};
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
    fn take_entry(&mut self) -> Option<Entry<K>> {
        let key_hash = self.key_hash;
        self.outcome.take().map(|(key, value)| Entry { key_hash, value, key })
    }
}

impl<K: Clone> Block<K> {
    /// Builds the block at `level` from changes as [`apply`](Self::apply) takes them.
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
        let body = if may_be_bucket(scheme, level) && !splits(next, level) {
            let mut bucket = Vec::with_capacity(take);
            bucket.extend(entries.take(take));
            Body::Bucket(bucket)
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

    /// Applies changes, which are sorted by key hash, each with another key and an effect, and
    /// brings every digest of the block up to date.
    pub(crate) fn apply<H: Hasher>(
        &mut self,
        scheme: &Scheme<H>,
        level: u16,
        changes: &mut [Change<K>],
    ) {
        let mut dirty = 0;
        for change in &*changes {
            dirty |= digests::way_to(nibble(&change.key_hash, level));
        }
        match &mut self.body {
            Body::Bucket(entries) => {
                edit(entries, changes);
                if splits(entries, level) {
                    let take = entries.len();
                    let mut entries = mem::take(entries).into_iter();
                    self.body = Body::Branch(Slots::build(scheme, level, &mut entries, take));
                }
            }
            Body::Branch(slots) => {
                slots.apply(scheme, level, changes);
                if may_be_bucket(scheme, level) && slots.fit_a_bucket() {
                    self.body = Body::Bucket(mem::replace(slots, Slots::NONE).into_bucket());
                }
            }
        }
        self.rehash(scheme, level, dirty);
    }
}

impl<K: Clone> Slots<K> {
    fn build<H: Hasher>(
        scheme: &Scheme<H>,
        level: u16,
        entries: &mut vec::IntoIter<Entry<K>>,
        mut take: usize,
    ) -> Self {
        let mut slots = Self::NONE;
        while take > 0 {
            let next = &entries.as_slice()[..take];
            let slot = nibble(&next[0].key_hash, level);
            let count = next.partition_point(|entry| nibble(&entry.key_hash, level) == slot);
            slots.insert(slot, Block::build(scheme, level + SPAN, entries, count), count as u64);
            take -= count;
        }
        slots
    }

    fn apply<H: Hasher>(&mut self, scheme: &Scheme<H>, level: u16, changes: &mut [Change<K>]) {
        let slot = |change: &Change<K>| nibble(&change.key_hash, level);
        for group in changes.chunk_by_mut(|a, b| slot(a) == slot(b)) {
            let nibble = slot(&group[0]);
            let Some(slot) = self.get_mut(nibble) else {
                let block = Block::from_changes(scheme, level + SPAN, group);
                let count = block.count();
                self.insert(nibble, block, count);
                continue;
            };
            let block = Arc::make_mut(&mut slot.block);
            block.apply(scheme, level + SPAN, group);
            slot.count = block.count();
            if slot.count == 0 {
                self.remove(nibble);
            }
        }
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

    fn into_bucket(self) -> Vec<Entry<K>> {
        let count: u64 = self.list.iter().map(|slot| slot.count).sum();
        let mut entries = Vec::with_capacity(count as usize);
        for slot in self.list {
            entries.extend(match Arc::unwrap_or_clone(slot.block).body {
                Body::Bucket(bucket) => bucket,
                Body::Branch(slots) => slots.into_bucket(),
            });
        }
        entries
    }
}

/// Applies changes to sorted entries. The vector is left without spare room.
fn edit<K>(entries: &mut Vec<Entry<K>>, changes: &mut [Change<K>]) {
    match changes {
        [change] => edit_one(entries, change),
        _ => *entries = merge(mem::take(entries), changes),
    }
}

fn edit_one<K>(entries: &mut Vec<Entry<K>>, change: &mut Change<K>) {
    let place = entries.binary_search_by_key(&change.key_hash, |entry| entry.key_hash);
    match (place, change.take_entry()) {
        (Ok(at), Some(entry)) => entries[at].value = entry.value,
        (Ok(at), None) => {
            entries.remove(at);
            entries.shrink_to_fit();
        }
        (Err(at), Some(entry)) => {
            entries.reserve_exact(1);
            entries.insert(at, entry);
        }
        (Err(_), None) => {}
    }
}

fn merge<K>(entries: Vec<Entry<K>>, changes: &mut [Change<K>]) -> Vec<Entry<K>> {
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
    merged.shrink_to_fit();
    merged
}
