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
        *self.holders.entry(space.clone()).or_default().entry(root).or_default() += 1;
    }

    pub(super) fn remove(&mut self, space: &SpaceId, root: [u8; 32]) {
        let roots = self.holders.entry(space.clone()).or_default();
        let holders = roots.remove(&root).expect("a removed root was added before");
        if holders > 1 {
            roots.insert(root, holders - 1);
        }
    }

    /// Whether all running nodes agree.
    pub(super) fn is_complete(&self) -> bool {
        self.holders.values().all(|roots| roots.len() <= 1)
    }

    /// Number of nodes with the most common root, in the space where this number is lowest.
    pub(super) fn largest(&self) -> usize {
        let largest = self.holders.values().map(|roots| roots.values().max().copied());
        largest.flatten().min().unwrap_or_default()
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
