use alloc::vec::Vec;
use core::iter::FusedIterator;
use core::{mem, slice};

use crate::Entry;
use crate::block::Node;
use crate::slots::Slot;

/// The entries below a node, in the order of their key hashes.
///
/// Created by [`Tree::iter`](crate::Tree::iter) and [`Tree::entries`](crate::Tree::entries).
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Entries<'a, K> {
    leaf_block: slice::Iter<'a, Entry<K>>,
    /// The slots that follow the current leaf block in its branch.
    slots: slice::Iter<'a, Slot<K>>,
    /// The remaining slots of the branches above, the deepest last.
    above: Vec<slice::Iter<'a, Slot<K>>>,
    remaining: usize,
}

impl<'a, K> Entries<'a, K> {
    pub(crate) fn empty() -> Self {
        Self::in_leaf_block(&[])
    }

    pub(crate) fn in_leaf_block(entries: &'a [Entry<K>]) -> Self {
        let remaining = entries.len();
        Self { leaf_block: entries.iter(), slots: [].iter(), above: Vec::new(), remaining }
    }

    /// Iterates over the entries in `slots`; `count` is their total number.
    pub(crate) fn in_slots(slots: &'a [Slot<K>], count: usize) -> Self {
        Self { leaf_block: [].iter(), slots: slots.iter(), above: Vec::new(), remaining: count }
    }
}

impl<'a, K> Iterator for Entries<'a, K> {
    type Item = &'a Entry<K>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.leaf_block.next() {
                self.remaining -= 1;
                return Some(entry);
            }
            let Some(slot) = self.slots.next() else {
                self.slots = self.above.pop()?;
                continue;
            };
            match &slot.node {
                None => {}
                Some(Node::LeafBlock(block)) => self.leaf_block = block.body.entries().iter(),
                Some(Node::Branch(block)) => {
                    self.above.push(mem::replace(&mut self.slots, block.body.slots().iter()));
                }
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
            leaf_block: self.leaf_block.clone(),
            slots: self.slots.clone(),
            above: self.above.clone(),
            remaining: self.remaining,
        }
    }
}

impl<K: core::fmt::Debug> core::fmt::Debug for Entries<'_, K> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
