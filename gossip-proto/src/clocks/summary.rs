//! Version summaries: the versions of each node that have been handled.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use super::{BaseId, ShortNode};
use crate::short;

/// Domain separator of [`VersionSummary::base_id`].
const BASE_TAG: &[u8] = b"engram-gossip/base/1";

/// A map from nodes to versions, strictly ascending by node; a node without an entry has version 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionSummary(Vec<(ShortNode, u64)>);

impl VersionSummary {
    /// The version of `node`; 0 if it has no entry.
    pub fn get(&self, node: &ShortNode) -> u64 {
        match self.find(node) {
            Ok(at) => self.0[at].1,
            Err(_) => 0,
        }
    }

    /// The entries, ascending by node.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ShortNode, u64)> {
        self.0.iter().copied()
    }

    /// Number of nodes with an entry.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no node has an entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Raises the entry of `node` to `version`, if it is lower.
    pub fn raise(&mut self, node: ShortNode, version: u64) {
        match self.find(&node) {
            Ok(at) => self.0[at].1 = version.max(self.0[at].1),
            Err(at) if version > 0 => self.0.insert(at, (node, version)),
            Err(_) => {}
        }
    }

    /// The id of this summary as a base at `root`.
    pub fn base_id(&self, root: &[u8; 32]) -> BaseId {
        let mut hash = Sha256::new_with_prefix(BASE_TAG).chain_update(root);
        for (node, version) in &self.0 {
            hash.update(node);
            hash.update(version.to_le_bytes());
        }
        short(&hash.finalize().into())
    }

    fn find(&self, node: &ShortNode) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.cmp(node))
    }
}

impl FromIterator<(ShortNode, u64)> for VersionSummary {
    /// Accepts entries in any order; keeps the greatest version of each node and drops version 0.
    fn from_iter<I: IntoIterator<Item = (ShortNode, u64)>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().filter(|(_, version)| *version > 0).collect();
        entries.sort_unstable_by(|a, b| b.cmp(a));
        entries.dedup_by_key(|(node, _)| *node);
        entries.reverse();
        Self(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_version_of_a_node_counts() {
        let [a, b] = [[1; 8], [2; 8]];
        let mut summary: VersionSummary = [(b, 4), (a, 3), (b, 7), (a, 0)].into_iter().collect();
        assert!(summary.iter().eq([(a, 3), (b, 7)]));
        summary.raise(a, 2);
        summary.raise([0; 8], 0);
        summary.raise([3; 8], 1);
        assert!(summary.iter().eq([(a, 3), (b, 7), ([3; 8], 1)]));
        assert_eq!([summary.get(&b), summary.get(&[9; 8])], [7, 0]);
    }

    #[test]
    fn a_base_is_named_by_root_and_summary() {
        let of = |version| [([1; 8], version)].into_iter().collect::<VersionSummary>();
        let id = of(1).base_id(&[1; 32]);
        assert_eq!(id, of(1).base_id(&[1; 32]));
        assert!(id != of(2).base_id(&[1; 32]) && id != of(1).base_id(&[2; 32]));
    }
}
