//! Tracks whether the nodes agree.

use std::collections::BTreeMap;

use crate::SpaceId;

/// Counts the running nodes that hold each root of each space.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    holders: BTreeMap<SpaceId, BTreeMap<[u8; 32], usize>>,
}

impl Agreement {
    pub(super) fn add(&mut self, space: &SpaceId, root: [u8; 32]) {
        if !self.holders.contains_key(space) {
            self.holders.insert(space.clone(), BTreeMap::new());
        }
        *self.roots(space).entry(root).or_default() += 1;
    }

    pub(super) fn remove(&mut self, space: &SpaceId, root: [u8; 32]) {
        let roots = self.roots(space);
        let holders = roots.get_mut(&root).expect("a removed root was added before");
        *holders -= 1;
        if *holders == 0 {
            roots.remove(&root);
        }
    }

    /// Whether all nodes agree.
    pub(super) fn is_complete(&self) -> bool {
        self.holders.values().all(|roots| roots.len() <= 1)
    }

    /// Number of nodes with the most common root, in the space where this number is lowest.
    pub(super) fn largest(&self) -> usize {
        let largest = self.holders.values().map(|roots| roots.values().max().copied());
        largest.flatten().min().unwrap_or_default()
    }

    fn roots(&mut self, space: &SpaceId) -> &mut BTreeMap<[u8; 32], usize> {
        self.holders.get_mut(space).expect("a space is added before anything else")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_agree_when_no_space_has_two_roots() {
        let (a, b) = (SpaceId::new("aaa").unwrap(), SpaceId::new("bbb").unwrap());
        let mut agreement = Agreement::default();
        agreement.add(&a, [1; 32]);
        agreement.add(&a, [1; 32]);
        agreement.add(&b, [2; 32]);
        assert!(agreement.is_complete());
        agreement.add(&b, [3; 32]);
        assert!(!agreement.is_complete());
        assert_eq!(agreement.largest(), 1);
        agreement.remove(&b, [2; 32]);
        assert!(agreement.is_complete());
    }
}
