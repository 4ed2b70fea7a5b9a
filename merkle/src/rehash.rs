//! Bringing the digests of a block up to date after its entries or slots have changed.

use core::ops::Range;

use crate::block::{Block, Body};
use crate::digests::{Heap, Mask, SLOTS};
use crate::hasher::Hasher;
use crate::scheme::Scheme;
use crate::{Digest, Entry};

impl<K> Block<K> {
    /// Hashes each node in `dirty` once, and those that were not stored but must be; the others
    /// keep their digest. The blocks in the slots must be up to date.
    pub(crate) fn rehash<H: Hasher>(&mut self, scheme: &Scheme<H>, level: u16, dirty: Mask) {
        let all = 0..self.body.len();
        if scheme.is_leaf(level, self.body.count(all.clone())) {
            self.digests.forget_below(1);
            return;
        }
        let mut pass = Pass { block: self, scheme, level, dirty };
        let middle = pass.block.body.middle(level, 1, all.clone());
        pass.refresh(2, all.start..middle);
        pass.refresh(3, middle..all.end);
    }
}

struct Pass<'a, K, H> {
    block: &'a mut Block<K>,
    scheme: &'a Scheme<H>,
    level: u16,
    dirty: Mask,
}

impl<K, H: Hasher> Pass<'_, K, H> {
    /// The digest of `node`, below which lies `range`. Stores it, unless nothing lies there.
    fn refresh(&mut self, node: Heap, range: Range<usize>) -> Digest {
        if self.dirty >> node & 1 == 0
            && let Some(digest) = self.block.digests.get(node)
        {
            return digest;
        }
        let count = self.block.body.count(range.clone());
        if count == 0 {
            self.block.digests.forget(node);
            return Digest::EMPTY;
        }
        let level = self.level + node.ilog2() as u16;
        let digest = if self.scheme.is_leaf(level, count) {
            self.block.digests.forget_below(node);
            self.scheme.leaf(level, self.block.body.entries(range).map(Entry::line))
        } else {
            let halves = self.halves(node, range);
            self.scheme.node(level, halves)
        };
        self.block.digests.set(node, digest);
        digest
    }

    fn halves(&mut self, node: Heap, range: Range<usize>) -> [Digest; 2] {
        match &self.block.body {
            // Only a slot of a branch can be an inner node: a bucket has none that splits.
            Body::Branch(slots) if node >= SLOTS => slots.list[range.start].block.halves(),
            body => {
                let middle = body.middle(self.level, node, range.clone());
                let left = self.refresh(2 * node, range.start..middle);
                [left, self.refresh(2 * node + 1, middle..range.end)]
            }
        }
    }
}
