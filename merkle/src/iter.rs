use alloc::vec::Vec;
use core::iter::FusedIterator;
use core::slice;

use crate::Entry;
use crate::block::{Body, Slot};

/// The entries below a node, in the order of their key hashes.
///
/// Made by [`Tree::iter`](crate::Tree::iter) and [`Tree::entries`](crate::Tree::entries).
pub struct Entries<'a, K> {
    current: slice::Iter<'a, Entry<K>>,
    /// What is left of each level on the way down, the deepest last.
    pending: Vec<slice::Iter<'a, Slot<K>>>,
    remaining: usize,
}

impl<'a, K> Entries<'a, K> {
    pub(crate) fn empty() -> Self {
        Self { current: [].iter(), pending: Vec::new(), remaining: 0 }
    }

    pub(crate) fn in_bucket(entries: &'a [Entry<K>]) -> Self {
        Self { current: entries.iter(), pending: Vec::new(), remaining: entries.len() }
    }

    pub(crate) fn in_slots(slots: &'a [Slot<K>]) -> Self {
        let remaining = slots.iter().map(|slot| slot.count).sum::<u64>() as usize;
        Self { current: [].iter(), pending: Vec::from([slots.iter()]), remaining }
    }
}

impl<'a, K> Iterator for Entries<'a, K> {
    type Item = &'a Entry<K>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.current.next() {
                self.remaining -= 1;
                return Some(entry);
            }
            match self.pending.last_mut()?.next() {
                None => drop(self.pending.pop()),
                Some(slot) => match &slot.block.body {
                    Body::Bucket(bucket) => self.current = bucket.entries().iter(),
                    Body::Branch(slots) => self.pending.push(slots.list.iter()),
                },
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl<K> ExactSizeIterator for Entries<'_, K> {}
impl<K> FusedIterator for Entries<'_, K> {}

impl<K> Clone for Entries<'_, K> {
    fn clone(&self) -> Self {
        Self {
            current: self.current.clone(),
            pending: self.pending.clone(),
            remaining: self.remaining,
        }
    }
}

impl<K: core::fmt::Debug> core::fmt::Debug for Entries<'_, K> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
