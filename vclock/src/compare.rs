use core::cmp::Ordering;

use crate::{Causality, Dot, VectorClock};

impl<N: Ord> VectorClock<N> {
    /// Returns how this clock relates to `other`. Takes O(n + m) steps for n and m nodes, and stops as soon as the
    /// clocks are known to be concurrent.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Causality {
        // Replicas usually agree, and equality is cheaper to check than order.
        if self.entries() == other.entries() {
            return Causality::Equal;
        }
        let mut lacks = Lacks::default();
        let mut aligned = 0;
        for (mine, theirs) in self.entries().iter().zip(other.entries()) {
            if mine.node != theirs.node {
                break;
            }
            lacks.note(mine.version, theirs.version);
            if lacks.both() {
                return Causality::Concurrent;
            }
            aligned += 1;
        }
        compare_rest(&self.entries()[aligned..], &other.entries()[aligned..], lacks)
    }
}

/// Which side lacks a version, among the entries compared so far.
#[derive(Clone, Copy, Default)]
struct Lacks {
    left: bool,
    right: bool,
}

impl Lacks {
    /// Compares the versions of one node; 0 denotes a missing entry.
    #[inline]
    const fn note(&mut self, left: u64, right: u64) {
        self.left |= left < right;
        self.right |= left > right;
    }

    #[inline]
    const fn both(self) -> bool {
        self.left && self.right
    }
}

/// Compares the remaining entries of two clocks; each side may lack nodes that the other has.
fn compare_rest<N: Ord>(mut left: &[Dot<N>], mut right: &[Dot<N>], mut lacks: Lacks) -> Causality {
    while let ([mine, mine_rest @ ..], [theirs, theirs_rest @ ..]) = (left, right) {
        match mine.node.cmp(&theirs.node) {
            Ordering::Equal => {
                lacks.note(mine.version, theirs.version);
                (left, right) = (mine_rest, theirs_rest);
            }
            Ordering::Less => {
                lacks.note(mine.version, 0);
                left = mine_rest;
            }
            Ordering::Greater => {
                lacks.note(0, theirs.version);
                right = theirs_rest;
            }
        }
        if lacks.both() {
            return Causality::Concurrent;
        }
    }
    Causality::from_lacks(lacks.left || !right.is_empty(), lacks.right || !left.is_empty())
}
