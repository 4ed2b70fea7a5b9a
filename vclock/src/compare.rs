use core::cmp::Ordering;

use crate::{Causality, Dot, VectorClock};

impl<A: Ord> VectorClock<A> {
    /// How this clock relates to `other`. O(n + m), and ends at the first sign of concurrency.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Causality {
        // Replicas mostly agree, and equality is quicker to see than order.
        if self.entries() == other.entries() {
            return Causality::Equal;
        }
        let mut lacks = Lacks::default();
        let mut aligned = 0;
        for (mine, theirs) in self.entries().iter().zip(other.entries()) {
            if mine.actor != theirs.actor {
                break;
            }
            lacks.note(mine.counter, theirs.counter);
            if lacks.both() {
                return Causality::Concurrent;
            }
            aligned += 1;
        }
        compare_rest(&self.entries()[aligned..], &other.entries()[aligned..], lacks)
    }
}

/// Which side of a comparison lacks something, as far as it has come.
#[derive(Clone, Copy, Default)]
struct Lacks {
    left: bool,
    right: bool,
}

impl Lacks {
    /// Looks at one actor's counters; 0 stands for an actor that a side has not heard of.
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

/// Compares the ends of two clocks, where each may name actors that the other lacks.
fn compare_rest<A: Ord>(mut left: &[Dot<A>], mut right: &[Dot<A>], mut lacks: Lacks) -> Causality {
    while let ([mine, mine_rest @ ..], [theirs, theirs_rest @ ..]) = (left, right) {
        match mine.actor.cmp(&theirs.actor) {
            Ordering::Equal => {
                lacks.note(mine.counter, theirs.counter);
                (left, right) = (mine_rest, theirs_rest);
            }
            Ordering::Less => {
                lacks.note(mine.counter, 0);
                left = mine_rest;
            }
            Ordering::Greater => {
                lacks.note(0, theirs.counter);
                right = theirs_rest;
            }
        }
        if lacks.both() {
            return Causality::Concurrent;
        }
    }
    Causality::from_news(lacks.left || !right.is_empty(), lacks.right || !left.is_empty())
}
