//! The last common state of a peer and this node, and the changes since then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engram_gossip_proto::SpaceId;
use engram_merkle::{AnyHasher, Digest, Tree};

pub(crate) type SpaceTree = Tree<Arc<str>, AnyHasher>;

/// For each shared space, the latest known tree whose root was equal on both nodes. The trees share
/// nodes with the live trees, so only later changes need additional memory.
#[derive(Debug, Default)]
pub(crate) struct Agreed(BTreeMap<SpaceId, SpaceTree>);

impl Agreed {
    pub(crate) fn note(&mut self, trees: impl IntoIterator<Item = (SpaceId, SpaceTree)>) {
        self.0.extend(trees);
    }

    pub(crate) fn of(&self, space: &SpaceId) -> Option<&SpaceTree> {
        self.0.get(space)
    }
}

/// The changes to a space since a peer was last known to be equal to this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    known: bool,
    slots: BTreeSet<u32>,
    ids: Vec<Arc<str>>,
}

impl Divergence {
    /// Returns the differences between `tree` and `since`; all of `tree` if `since` is `None`.
    pub(crate) fn between(tree: &SpaceTree, since: Option<&SpaceTree>) -> Self {
        let known = since.is_some();
        let empty = SpaceTree::with_depth(*tree.hasher(), tree.depth());
        let differences = tree
            .diff(since.unwrap_or(&empty))
            .expect("both are trees of one space, which never changes its parameters");
        let mut divergence = Self { known, slots: BTreeSet::new(), ids: Vec::new() };
        for difference in differences {
            divergence.slots.insert(slot(&difference.key_hash, tree.depth().levels()));
            divergence.ids.push(Arc::clone(difference.key));
        }
        divergence
    }

    /// Whether the [`Telemetry`](super::Telemetry) has recorded a state of this space in which both
    /// nodes were equal. If not, everything may differ.
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// The slots of the tree that changed, ascending; the first slot of a tree is 0.
    pub fn slots(&self) -> &BTreeSet<u32> {
        &self.slots
    }

    /// The ids whose records changed, in the order of the tree.
    pub fn ids(&self) -> &[Arc<str>] {
        &self.ids
    }
}

/// The leading `levels` bits of the hash of a key.
pub(crate) fn slot(key_hash: &Digest, levels: u8) -> u32 {
    let [first, second, ..] = *key_hash.as_bytes();
    u32::from(u16::from_be_bytes([first, second])) >> (16 - u32::from(levels))
}

#[cfg(test)]
mod tests {
    use engram_merkle::BaseDepth;

    use super::*;

    fn tree(ids: &[&str]) -> SpaceTree {
        let mut tree = SpaceTree::with_depth(AnyHasher::Sha256, BaseDepth::default());
        for id in ids {
            tree.upsert(Arc::from(*id), Digest::from([7; 32]));
        }
        tree
    }

    #[test]
    fn added_changed_and_removed_ids_diverge() {
        let since = tree(&["stays", "changes", "goes"]);
        let mut now = tree(&["stays", "comes"]);
        now.upsert(Arc::from("changes"), Digest::from([8; 32]));
        let divergence = Divergence::between(&now, Some(&since));
        let mut ids: Vec<_> = divergence.ids().iter().map(|id| &**id).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["changes", "comes", "goes"]);
        assert_eq!(divergence.slots().len(), 3);
        assert!(divergence.is_known());
    }

    #[test]
    fn without_agreed_tree_all_ids_may_differ() {
        let divergence = Divergence::between(&tree(&["a", "b"]), None);
        assert_eq!((divergence.is_known(), divergence.ids().len()), (false, 2));
        let equal = Divergence::between(&tree(&["a"]), Some(&tree(&["a"])));
        assert!(equal.slots().is_empty() && equal.is_known());
    }

    #[test]
    fn a_slot_is_the_leading_bits() {
        let mut hash = [0; 32];
        hash[..3].copy_from_slice(&[0xab, 0xcd, 0xef]);
        let slots = [4, 8, 12, 16].map(|levels| slot(&hash.into(), levels));
        assert_eq!(slots, [0xa, 0xab, 0xabc, 0xabcd]);
    }
}
