//! The entries of a block that are not in blocks of their own.

use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

use crate::change::Change;
use crate::path::nibble;
use crate::scheme::LEAF_CAPACITY;
use crate::{Digest, Entry, Path};

/// Entries in the order of their key hashes, at most sixteen in each slot of their block.
///
/// Entries are sought from where they would be if the key hashes were spread evenly. They are, so
/// a search touches the neighbours of the entry and little else, which matters more than anything
/// when the tree is larger than the caches. A bucket has at most 256 entries, so crafted keys gain
/// nothing.
#[derive(Clone)]
pub(crate) struct Bucket<K>(Vec<Entry<K>>);

impl<K> Bucket<K> {
    /// Whether some slot of the block at `level` has too many of these sorted entries for a bucket.
    pub(crate) fn overflows(entries: &[Entry<K>], level: u16) -> bool {
        let slot = |entry: &Entry<K>| nibble(&entry.key_hash, level);
        entries.windows(LEAF_CAPACITY + 1).any(|run| slot(&run[0]) == slot(&run[LEAF_CAPACITY]))
    }

    pub(crate) const EMPTY: Self = Self(Vec::new());

    /// Takes sorted entries that do not overflow, and no more room than they need.
    pub(crate) fn new(entries: impl ExactSizeIterator<Item = Entry<K>>) -> Self {
        let mut bucket = Vec::with_capacity(entries.len());
        bucket.extend(entries);
        Self(bucket)
    }

    pub(crate) fn entries(&self) -> &[Entry<K>] {
        &self.0
    }

    pub(crate) fn into_entries(self) -> Vec<Entry<K>> {
        self.0
    }

    /// The bytes held on the heap.
    pub(crate) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Entry<K>>()
    }

    /// Where the entry of `key_hash` is, or would have to be, in the bucket of the block at `level`.
    pub(crate) fn position(&self, level: u16, key_hash: &Digest) -> Result<usize, usize> {
        let at = self.settle(leading(key_hash, level), |entry| entry.key_hash < *key_hash);
        match self.0.get(at) {
            Some(entry) if entry.key_hash == *key_hash => Ok(at),
            _ => Err(at),
        }
    }

    /// The index of the first entry in `slot` or a later one; 16 is the end.
    pub(crate) fn boundary(&self, level: u16, slot: u8) -> usize {
        let leading = usize::from(slot) << 12;
        self.settle(leading, |entry| nibble(&entry.key_hash, level) < slot)
    }

    /// The entries below `path`.
    pub(crate) fn below(&self, level: u16, path: &Path) -> Range<usize> {
        let start = match self.position(level, path.bits()) {
            Ok(at) | Err(at) => at,
        };
        let below = |entry: &Entry<K>| path.contains(&entry.key_hash);
        start..start + self.0[start..].partition_point(below)
    }

    /// How many entries `before` accepts, which must accept those of a beginning. `leading` is
    /// where to look first, in parts of 65,536.
    fn settle(&self, leading: usize, before: impl Fn(&Entry<K>) -> bool) -> usize {
        let mut at = (self.0.len() * leading) >> 16;
        while at > 0 && !before(&self.0[at - 1]) {
            at -= 1;
        }
        while self.0.get(at).is_some_and(&before) {
            at += 1;
        }
        at
    }

    /// Applies changes, sorted by key hash, and returns by how much the entries became more. There
    /// may be too many for a bucket afterwards.
    pub(crate) fn apply(&mut self, level: u16, changes: &mut [Change<K>]) -> isize {
        let before = self.0.len();
        match changes {
            [change] => self.apply_one(level, change),
            _ => self.0 = merge(mem::take(&mut self.0), changes),
        }
        self.0.len() as isize - before as isize
    }

    fn apply_one(&mut self, level: u16, change: &mut Change<K>) {
        match (self.position(level, &change.key_hash), change.take_entry()) {
            (Ok(at), Some(entry)) => self.0[at].value = entry.value,
            (Ok(at), None) => {
                self.0.remove(at);
                self.0.shrink_to_fit();
            }
            (Err(at), Some(entry)) => {
                self.0.reserve_exact(1);
                self.0.insert(at, entry);
            }
            (Err(_), None) => {}
        }
    }
}

/// The sixteen bits of `key_hash` that follow `level`, as far as it has them.
fn leading(key_hash: &Digest, level: u16) -> usize {
    let bytes = &key_hash.as_bytes()[usize::from(level / 8)..];
    let next = bytes.get(1).copied().unwrap_or(0);
    usize::from(u16::from_be_bytes([bytes[0], next]) << (level % 8))
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
