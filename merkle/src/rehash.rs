//! Updates the digests of a block after its entries or slots have changed.

use crate::Digest;
use crate::block::{Block, Body};
use crate::digests::{self, Digests, Heap, Mask, SLOTS};
use crate::hasher::Hasher;
use crate::scheme::Scheme;

impl<B: Body> Block<B> {
    /// Creates the block at `level` from a body and computes all its digests.
    pub(crate) fn new<H: Hasher>(scheme: &Scheme<H>, level: u16, body: B) -> Self {
        let mut block = Self { digests: Digests::default(), body };
        if !scheme.is_leaf(level, block.body.count(1)) {
            block.digests.reserve(digests::ALL);
            block.rehash(scheme, level, digests::ALL);
            block.digests.shrink();
        }
        block
    }

    /// Hashes each node that needs a digest and is in `dirty` or has no stored digest, exactly
    /// once. The other nodes that need a digest keep theirs. The blocks in the slots must be up to
    /// date.
    pub(crate) fn rehash<H: Hasher>(&mut self, scheme: &Scheme<H>, level: u16, dirty: Mask) {
        if scheme.is_leaf(level, self.body.count(1)) {
            self.digests.forget_below(1);
            return;
        }
        let mut pass = Pass { block: self, scheme, level, dirty };
        pass.refresh(2);
        pass.refresh(3);
    }
}

/// The number of levels from the block down to `node`.
fn depth(node: Heap) -> u16 {
    node.ilog2() as u16
}

struct Pass<'a, B, H> {
    block: &'a mut Block<B>,
    scheme: &'a Scheme<H>,
    level: u16,
    dirty: Mask,
}

impl<B: Body, H: Hasher> Pass<'_, B, H> {
    /// Returns the digest of `node`, and stores it unless the node is empty.
    fn refresh(&mut self, node: Heap) -> Digest {
        if self.dirty >> node & 1 == 0
            && let Some(digest) = self.block.digests.get(node)
        {
            return digest;
        }
        let count = self.block.body.count(node);
        if count == 0 {
            self.block.digests.forget(node);
            return Digest::EMPTY;
        }
        let level = self.level + depth(node);
        let digest = if node >= SLOTS || self.scheme.is_leaf(level, count) {
            self.block.digests.forget_below(node);
            self.block.body.tip(self.scheme, level, node)
        } else {
            let halves = [2 * node, 2 * node + 1].map(|half| self.refresh(half));
            self.scheme.node(level, halves)
        };
        self.block.digests.set(node, digest);
        digest
    }
}
