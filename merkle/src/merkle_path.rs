//! The path of one entry: the digests that prove it, and the nodes that a change to it affects.
//!
//! A change to a value first reads everything that it needs and then writes. `Arc::make_mut` is an
//! atomic operation that waits for all outstanding loads; on the way down, it would serialise the
//! cache misses of a large tree.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::block::{Node, SPAN};
use crate::digests::SLOTS;
use crate::path::nibble;
use crate::{Digest, Entries};

/// The path from the root to the leaf that would hold a key.
pub(crate) struct MerklePath<'a, K> {
    /// The digest of the sibling at each level of the path, from level 1 down to the leaf.
    pub(crate) siblings: Vec<Digest>,
    /// The entries of the leaf, if it has any.
    pub(crate) leaf: Entries<'a, K>,
}

/// The initial capacity for the digests of siblings. It suffices for a tree of ten million entries.
const USUAL_LEVELS: usize = 24;

impl<K> Node<K> {
    /// Follows `key_hash` down from this block, which is at level 0.
    pub(crate) fn merkle_path(&self, key_hash: &Digest) -> MerklePath<'_, K> {
        let mut siblings = Vec::with_capacity(USUAL_LEVELS);
        let (mut node, mut level) = (self, 0);
        loop {
            let nibble = nibble(key_hash, level);
            let end = node.digests().append_beside(nibble, &mut siblings);
            let next = match node {
                Self::Branch(block) if end >= SLOTS => block.body.get(nibble),
                _ => None,
            };
            match next.filter(|next| !next.digests().is_empty()) {
                Some(next) => node = next,
                None => return MerklePath { siblings, leaf: node.below(end) },
            }
            level += SPAN;
        }
    }
}

impl<K: Clone> Node<K> {
    /// Replaces the value of `key_hash`, which the tree holds. `digests` are the new digests of the
    /// nodes on the path, from level 1 down to the leaf.
    pub(crate) fn replace(&mut self, key_hash: &Digest, value: Digest, digests: &[Digest]) {
        let mut digests = digests.iter();
        let (mut node, mut level) = (self, 0);
        loop {
            let nibble = nibble(key_hash, level);
            match node {
                Self::LeafBlock(shared) => {
                    let block = Arc::make_mut(shared);
                    block.digests.replace_way(nibble, &mut digests);
                    return block.body.replace(level, key_hash, value);
                }
                Self::Branch(shared) => {
                    let block = Arc::make_mut(shared);
                    block.digests.replace_way(nibble, &mut digests);
                    node = block.body.get_mut(nibble).expect("the entry is below this slot");
                }
            }
            level += SPAN;
        }
    }
}
