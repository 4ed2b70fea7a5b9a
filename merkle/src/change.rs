//! Applying changes to the storage.

use alloc::sync::Arc;
use alloc::vec::{self, Vec};
use core::mem;

use crate::block::{Block, Body, Node};
use crate::bucket::Bucket;
use crate::digests::{self, Mask, Way};
use crate::hasher::Hasher;
use crate::path::nibble;
use crate::scheme::Scheme;
use crate::slots::Slots;
use crate::{Digest, Entry};

/// An edit on its way down: where to, and what is to be there afterwards.
pub(crate) struct Change<K> {
    pub(crate) key_hash: Digest,
    /// Taken when the change is applied; `None` removes.
    pub(crate) outcome: Option<(K, Digest)>,
}

impl<K> Change<K> {
    /// The value that the key is to have.
    pub(crate) fn value(&self) -> Option<Digest> {
        self.outcome.as_ref().map(|(_, value)| *value)
    }

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

/// By how much the entries become more if a key has one value after another.
pub(crate) fn grown(before: Option<Digest>, after: Option<Digest>) -> isize {
    isize::from(after.is_some()) - isize::from(before.is_some())
}

impl<K: Clone> Node<K> {
    /// Builds the block at `level` from the next `take` entries, which are sorted.
    pub(crate) fn build<H: Hasher>(
        scheme: &Scheme<H>,
        level: u16,
        entries: &mut vec::IntoIter<Entry<K>>,
        take: usize,
    ) -> Self {
        let next = &entries.as_slice()[..take];
        let starts = scheme.may_be_bucket(level).then(|| Bucket::starts(level, next)).flatten();
        match starts {
            Some(starts) => {
                let mut own = Vec::with_capacity(take);
                own.extend(entries.take(take));
                let body = Bucket::new(starts, own);
                Self::Bucket(Arc::new(Block::new(scheme, level, body)))
            }
            None => {
                let body = Slots::build(scheme, level, entries, take);
                Self::Branch(Arc::new(Block::new(scheme, level, body)))
            }
        }
    }

    /// Builds the block at `level` from sorted changes of different keys, all of which insert.
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

    /// All entries, copied if a clone of the tree shares them.
    pub(crate) fn into_entries(self) -> Vec<Entry<K>> {
        match self {
            Self::Bucket(block) => Arc::unwrap_or_clone(block).body.into_entries(),
            Self::Branch(block) => Arc::unwrap_or_clone(block).body.into_entries(),
        }
    }

    /// Applies one change, brings every digest of the block up to date, and returns the value that
    /// the key had. If it has the wanted value already, nothing is hashed and nothing is copied.
    pub(crate) fn apply_one<H: Hasher>(
        &mut self,
        scheme: &Scheme<H>,
        level: u16,
        change: &mut Change<K>,
    ) -> Option<Digest> {
        let wanted = change.value();
        if self.is_shared() {
            let previous = self.find(level, &change.key_hash).map(|entry| entry.value);
            if previous == wanted {
                return previous;
            }
        }
        let nibble = nibble(&change.key_hash, level);
        // Read on the way down, so that the memory arrives while the blocks below are at work.
        let way = self.digests().way(nibble);
        match self {
            Self::Bucket(shared) => {
                let block = Arc::make_mut(shared);
                let previous = block.body.apply_one(level, nibble, change);
                if block.body.overflows(nibble) {
                    let entries = block.body.take_entries();
                    let branch = block.split(scheme, level, entries, digests::way_to(nibble));
                    *self = Self::Branch(Arc::new(branch));
                } else if previous != wanted {
                    block.update(scheme, level, nibble, &way, grown(previous, wanted));
                }
                previous
            }
            Self::Branch(shared) => {
                let block = Arc::make_mut(shared);
                let previous = block.body.apply_one(scheme, level, nibble, change);
                if wanted.is_none() && block.belongs_into_a_bucket(scheme, level) {
                    let bucket = block.join(scheme, level, digests::way_to(nibble));
                    *self = Self::Bucket(Arc::new(bucket));
                } else if previous != wanted {
                    block.update(scheme, level, nibble, &way, grown(previous, wanted));
                }
                previous
            }
        }
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
            let wanted = change.value();
            return grown(self.apply_one(scheme, level, change), wanted);
        }
        let nibbles = changes.iter().map(|change| nibble(&change.key_hash, level));
        let dirty = nibbles.fold(0, |dirty, nibble| dirty | digests::way_to(nibble));
        match self {
            Self::Bucket(shared) => {
                let block = Arc::make_mut(shared);
                let before = block.body.entries().len();
                let entries = merge(block.body.take_entries(), changes);
                let grown = entries.len() as isize - before as isize;
                if let Some(starts) = Bucket::starts(level, &entries) {
                    block.body = Bucket::new(starts, entries);
                    block.rehash(scheme, level, dirty);
                } else {
                    let branch = block.split(scheme, level, entries, dirty);
                    *self = Self::Branch(Arc::new(branch));
                }
                grown
            }
            Self::Branch(shared) => {
                let block = Arc::make_mut(shared);
                let grown = block.body.apply(scheme, level, changes);
                if block.belongs_into_a_bucket(scheme, level) {
                    let bucket = block.join(scheme, level, dirty);
                    *self = Self::Bucket(Arc::new(bucket));
                } else {
                    block.rehash(scheme, level, dirty);
                }
                grown
            }
        }
    }
}

impl<K: Clone> Block<Bucket<K>> {
    /// The branch that takes the place of this bucket, of which some slot splits.
    fn split<H: Hasher>(
        &mut self,
        scheme: &Scheme<H>,
        level: u16,
        entries: Vec<Entry<K>>,
        dirty: Mask,
    ) -> Block<Slots<K>> {
        let take = entries.len();
        let body = Slots::build(scheme, level, &mut entries.into_iter(), take);
        let mut branch = Block { digests: mem::take(&mut self.digests), body };
        branch.rehash(scheme, level, dirty);
        branch
    }
}

impl<K: Clone> Block<Slots<K>> {
    fn belongs_into_a_bucket<H: Hasher>(&self, scheme: &Scheme<H>, level: u16) -> bool {
        scheme.may_be_bucket(level) && self.body.fit_a_bucket()
    }

    /// The bucket that takes the place of this branch, none of whose slots splits any more.
    fn join<H: Hasher>(&mut self, scheme: &Scheme<H>, level: u16, dirty: Mask) -> Block<Bucket<K>> {
        let entries = mem::replace(&mut self.body, Slots::EMPTY).into_entries();
        let starts = Bucket::starts(level, &entries).expect("no slot has more than a leaf holds");
        let body = Bucket::new(starts, entries);
        let mut bucket = Block { digests: mem::take(&mut self.digests), body };
        bucket.rehash(scheme, level, dirty);
        bucket
    }
}

impl<B: Body> Block<B> {
    /// Brings the digests up to date after one change in the slot `nibble`. `way` is from before.
    fn update<H: Hasher>(
        &mut self,
        scheme: &Scheme<H>,
        level: u16,
        nibble: u8,
        way: &Way,
        grown: isize,
    ) {
        if grown == 0 || grown > 0 && self.keeps_leaf(scheme, level, way) {
            self.refold(scheme, level, way);
        } else {
            self.rehash(scheme, level, digests::way_to(nibble));
        }
    }
}

/// Applies sorted changes to sorted entries.
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
    merged
}
