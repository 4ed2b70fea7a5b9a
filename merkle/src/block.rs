//! The storage of the tree: blocks of four binary levels each.
//!
//! The block at level L keeps the digests of its binary nodes at the levels L + 1 to L + 4 and,
//! below them, either its entries (a leaf block) or sixteen slots, of which each that is not empty
//! has a block (a branch). It is a leaf block if and only if none of its slots has to split, so the
//! storage, like the digests, depends only on the set of entries.

use alloc::sync::Arc;

use crate::digests::{Digests, Heap, SLOTS};
use crate::hasher::Hasher;
use crate::leaf_block::LeafBlock;
use crate::path::nibble;
use crate::scheme::Scheme;
use crate::slots::Slots;
use crate::{Digest, Entries, Entry, Path};

/// The number of binary levels that a block spans.
pub(crate) const SPAN: u16 = 4;

/// A block, shared with the clones of the tree until one of them changes it.
#[derive(Clone)]
pub(crate) enum Node<K> {
    LeafBlock(Arc<Block<LeafBlock<K>>>),
    Branch(Arc<Block<Slots<K>>>),
}

#[derive(Clone)]
pub(crate) struct Block<B> {
    /// Empty if the whole block is one leaf, because no digests are stored below a leaf.
    pub(crate) digests: Digests,
    pub(crate) body: B,
}

/// The entries or child blocks below the digests of a block.
pub(crate) trait Body {
    /// The number of entries below a node of the block.
    fn count(&self, node: Heap) -> u64;

    /// Computes the digest of `node`, a leaf or a slot at `level` that is not empty.
    fn tip<H: Hasher>(&self, scheme: &Scheme<H>, level: u16, node: Heap) -> Digest;
}

impl<K> Node<K> {
    pub(crate) fn entries(&self) -> Entries<'_, K> {
        self.below(1)
    }

    /// The entries below a node of the block.
    pub(crate) fn below(&self, node: Heap) -> Entries<'_, K> {
        match self {
            Self::LeafBlock(block) => block.body.below(node),
            Self::Branch(block) => block.body.below(node),
        }
    }

    pub(crate) fn digests(&self) -> &Digests {
        match self {
            Self::LeafBlock(block) => &block.digests,
            Self::Branch(block) => &block.digests,
        }
    }

    /// The digests of the two halves.
    pub(crate) fn halves(&self) -> [Digest; 2] {
        [2, 3].map(|half| self.digests().get(half).unwrap_or(Digest::EMPTY))
    }

    /// Finds the entry with `key_hash` below this block, which is at `level`.
    pub(crate) fn find(&self, mut level: u16, key_hash: &Digest) -> Option<&Entry<K>> {
        let mut node = self;
        loop {
            match node {
                Self::LeafBlock(block) => {
                    let at = block.body.position(level, key_hash).ok()?;
                    return Some(&block.body.entries()[at]);
                }
                Self::Branch(block) => node = block.body.get(nibble(key_hash, level))?,
            }
            level += SPAN;
        }
    }

    /// Finds the place that `path` names, starting from this block, which is at level 0.
    pub(crate) fn locate(&self, path: &Path) -> Option<Place<'_, K>> {
        let (mut node, mut level) = (self, 0);
        while path.level() > level + SPAN {
            match node {
                Self::LeafBlock(block) => {
                    return Some(Place {
                        entries: block.body.below_path(level, path),
                        digest: None,
                    });
                }
                Self::Branch(block) => node = block.body.get(nibble(path.bits(), level))?,
            }
            level += SPAN;
        }
        let heap = heap(path, level);
        Some(Place { entries: node.below(heap), digest: node.digests().get(heap) })
    }
}

/// A place in the storage: everything below a path.
pub(crate) struct Place<'a, K> {
    pub(crate) entries: Entries<'a, K>,
    /// The stored digest, if the path names a leaf, or an inner node other than the root.
    pub(crate) digest: Option<Digest>,
}

/// Returns the node that `path` names in the block at `level`. The path ends at most four levels
/// below `level`.
fn heap(path: &Path, level: u16) -> Heap {
    match path.level() - level {
        0 => 1,
        depth => (SLOTS + Heap::from(nibble(path.bits(), level))) >> (SPAN - depth),
    }
}
