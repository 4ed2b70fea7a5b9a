//! Bringing the digests of a block up to date after its entries or slots have changed.

use core::ops::Range;

use crate::block::{Block, Body};
use crate::digests::{Heap, Mask, SLOTS, Way};
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
        let middle = self.body.middle(level, 1);
        let mut pass = Pass { block: self, scheme, level, dirty };
        pass.refresh(2, all.start..middle);
        pass.refresh(3, middle..all.end);
    }

    /// Does what [`rehash`](Self::rehash) does if only one way is dirty and its leaf is still that
    /// leaf, but faster: no other node can have changed.
    pub(crate) fn refold<H: Hasher>(&mut self, scheme: &Scheme<H>, level: u16, way: &Way) {
        let mut node = way.leaf;
        if node == 0 {
            return;
        }
        let range = self.body.range(level, node);
        let mut digest = self.body.tip(scheme, level + depth(node), node, range);
        self.digests.replace(way, depth(node), digest);
        while node > 3 {
            let beside = way.beside(depth(node));
            let halves = if node.is_multiple_of(2) { [digest, beside] } else { [beside, digest] };
            node /= 2;
            digest = scheme.node(level + depth(node), halves);
            self.digests.replace(way, depth(node), digest);
        }
    }

    /// Whether the leaf of `way` is still one, after an entry was added to it.
    pub(crate) fn keeps_leaf<H: Hasher>(&self, scheme: &Scheme<H>, level: u16, way: &Way) -> bool {
        let count = || self.body.count(self.body.range(level, way.leaf));
        way.leaf >= SLOTS || way.leaf > 0 && scheme.is_leaf(level + depth(way.leaf), count())
    }
}

impl<K> Body<K> {
    /// The digest of a leaf or of a slot, which is not empty.
    fn tip<H: Hasher>(
        &self,
        scheme: &Scheme<H>,
        level: u16,
        node: Heap,
        range: Range<usize>,
    ) -> Digest {
        match self {
            Self::Branch(slots)
                if node >= SLOTS && !scheme.is_leaf(level, self.count(range.clone())) =>
            {
                scheme.node(level, slots.list[range.start].block.halves())
            }
            _ => scheme.leaf(level, self.entries(range).map(Entry::line)),
        }
    }
}

/// How many levels `node` lies below its block.
fn depth(node: Heap) -> u16 {
    node.ilog2() as u16
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
        let level = self.level + depth(node);
        let digest = if node >= SLOTS || self.scheme.is_leaf(level, count) {
            self.block.digests.forget_below(node);
            self.block.body.tip(self.scheme, level, node, range)
        } else {
            let middle = self.block.body.middle(self.level, node);
            let left = self.refresh(2 * node, range.start..middle);
            let right = self.refresh(2 * node + 1, middle..range.end);
            self.scheme.node(level, [left, right])
        };
        self.block.digests.set(node, digest);
        digest
    }
}
