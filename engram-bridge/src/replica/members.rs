//! The nodes that count as members in the replicated state.

use std::collections::BTreeSet;

/// The nodes that the roster lists, and this node under its present and its previous keys.
#[derive(Debug, Default)]
pub(crate) struct Members {
    listed: BTreeSet<[u8; 32]>,
    lists_others: bool,
}

impl Members {
    /// Creates the members from the nodes of the roster and this node's own ids.
    pub(crate) fn new(
        roster: impl IntoIterator<Item = [u8; 32]>,
        own: impl IntoIterator<Item = [u8; 32]>,
    ) -> Self {
        let (mut listed, own): (BTreeSet<_>, BTreeSet<_>) =
            (roster.into_iter().collect(), own.into_iter().collect());
        let lists_others = listed.difference(&own).next().is_some();
        listed.extend(own);
        Self { listed, lists_others }
    }

    /// Whether the roster lists `node`, or `node` is this node under its present or a previous key.
    pub(crate) fn contains(&self, node: &[u8; 32]) -> bool {
        self.listed.contains(node)
    }

    /// Whether the roster lists a node other than this one.
    pub(crate) const fn lists_others(&self) -> bool {
        self.lists_others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn previous_keys_are_no_other_nodes() {
        let own = [[1; 32], [2; 32]];
        for roster in [vec![], vec![[1; 32]], vec![[1; 32], [2; 32]]] {
            let members = Members::new(roster, own);
            assert!(!members.lists_others() && members.contains(&[2; 32]));
        }
        let members = Members::new([[1; 32], [3; 32]], own);
        assert!(members.lists_others() && members.contains(&[3; 32]));
        assert!(!members.contains(&[4; 32]));
    }
}
