//! A bounded set of record keys.

use alloc::collections::BTreeSet;

use super::descent::NodeRef;
use crate::limits::MAX_PENDING;
use crate::tag::{self, KEY_LEN};

/// A set of at most [`MAX_PENDING`] record keys; further keys are dropped.
#[derive(Default)]
pub(super) struct KeySet(BTreeSet<(u32, [u8; KEY_LEN])>);

impl KeySet {
    pub(super) fn insert(&mut self, space_index: u32, key: &[u8; 32]) {
        if self.0.len() < MAX_PENDING {
            self.0.insert((space_index, tag::key(key)));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn contains(&self, space_index: u32, key: [u8; KEY_LEN]) -> bool {
        self.0.contains(&(space_index, key))
    }

    /// Whether the set contains a key below this node.
    pub(super) fn any_below(&self, (space_index, prefix): NodeRef) -> bool {
        let first = (space_index, tag::key(prefix.bits()));
        let next = self.0.range(first..).next();
        next.is_some_and(|(space, key)| *space == space_index && prefix.contains_key(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Prefix;

    fn key(n: usize) -> [u8; 32] {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&(n as u32).to_be_bytes());
        key
    }

    #[test]
    fn a_key_set_is_bounded() {
        let mut keys = KeySet::default();
        (0..=MAX_PENDING).for_each(|n| keys.insert(0, &key(n)));
        assert_eq!(keys.len(), MAX_PENDING);
        assert!(keys.contains(0, tag::key(&key(MAX_PENDING - 1))));
        assert!(!keys.contains(0, tag::key(&key(MAX_PENDING))));
    }

    #[test]
    fn keys_below_a_node_are_of_its_space() {
        let mut keys = KeySet::default();
        keys.insert(1, &[0x50; 32]);
        let below = |nibble| Prefix::ROOT.child(nibble).unwrap();
        assert!(keys.any_below((1, Prefix::ROOT)) && keys.any_below((1, below(5))));
        assert!(!keys.any_below((1, below(4))) && !keys.any_below((1, below(6))));
        assert!(!keys.any_below((0, below(5))) && !keys.any_below((2, Prefix::ROOT)));
    }
}
