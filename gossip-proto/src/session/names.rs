//! The digests and the node ids that tags name.

use alloc::collections::BTreeMap;

use crate::tag::{SessionKey, Tag};

/// Digests, or ids of nodes, by their tags; `None` for a tag that two of them share.
#[derive(Default)]
pub(super) struct Names(BTreeMap<Tag, Option<[u8; 32]>>);

impl Names {
    pub(super) fn of<'a>(
        named: impl Iterator<Item = &'a [u8; 32]>,
        session_key: SessionKey,
    ) -> Self {
        let mut names = BTreeMap::new();
        for one in named {
            let known = names.entry(session_key.tag(one)).or_insert(Some(*one));
            *known = known.filter(|known| known == one);
        }
        Self(names)
    }

    /// The only digest or id with this tag in both sets together.
    pub(super) fn find(&self, other: &Self, tag: &Tag) -> Option<[u8; 32]> {
        match (self.0.get(tag), other.0.get(tag)) {
            (Some(one), None) | (None, Some(one)) => *one,
            (Some(one), Some(other)) if one == other => *one,
            _ => None,
        }
    }
}

/// The nodes that the peer may name by their tags in one message.
pub(super) struct NodeNames<'a> {
    /// The nodes of the summary that this side sent.
    pub(super) told: &'a Names,
    /// The nodes that the message introduces.
    pub(super) introduced: Names,
}

impl NodeNames<'_> {
    pub(super) fn find(&self, tag: &Tag) -> Option<[u8; 32]> {
        self.told.find(&self.introduced, tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_of_two_digests_names_neither() {
        let names = |entries: &[(u8, Option<u8>)]| {
            let entry = |(tag, n): &(u8, Option<u8>)| ([*tag; 5], n.map(|n| [n; 32]));
            Names(entries.iter().map(entry).collect())
        };
        let along = names(&[(1, Some(1)), (2, None), (3, Some(3)), (4, Some(4))]);
        let held = names(&[(2, Some(2)), (3, Some(3)), (4, Some(5)), (6, Some(6))]);
        let found = |tag: u8| held.find(&along, &[tag; 5]).map(|digest| digest[0]);
        let expected = [None, Some(1), None, Some(3), None, None, Some(6)];
        assert_eq!([0, 1, 2, 3, 4, 5, 6].map(found), expected);
    }
}
