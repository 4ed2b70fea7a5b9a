//! The overlap of the episodes of two patterns.

use alloc::string::String;
use core::cmp::Ordering;

use crate::pattern::citation::distinct;

/// The number of distinct episodes that each of two patterns cites, and the number that both cite.
///
/// Repeated citations count once: the engine lists an episode twice only because its store yields it twice.
///
/// ```
/// use engram_conflict::pattern::{Containment, Overlap};
///
/// let small = ["a", "b", "c"].map(String::from);
/// let large = ["a", "b", "c", "d"].map(String::from);
/// let overlap = Overlap::of(&small, &large);
/// assert_eq!(overlap.jaccard(), 0.75);
/// assert_eq!(overlap.containment(), Containment::Subset);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Overlap {
    shared: usize,
    left: usize,
    right: usize,
}

/// The relation of the episodes of the left pattern to those of the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Containment {
    /// The patterns have no episode in common, or one of them cites no episode.
    Disjoint,
    /// The patterns have some episodes in common, and each has others.
    Partial,
    /// The right pattern has all episodes of the left one, and more.
    Subset,
    /// The left pattern has all episodes of the right one, and more.
    Superset,
    /// The patterns have the same episodes.
    Equal,
}

impl Overlap {
    /// Compares two lists of citations, in any order. Takes `O(n log n)` steps.
    pub fn of(left: &[String], right: &[String]) -> Self {
        let (left, right) = (distinct(left), distinct(right));
        let shared = left.iter().filter(|id| right.binary_search(id).is_ok()).count();
        Self { shared, left: left.len(), right: right.len() }
    }

    /// Creates an overlap from counts of distinct episodes; `shared` must be at most the smaller of `left` and `right`.
    pub(crate) fn from_counts(shared: usize, left: usize, right: usize) -> Self {
        debug_assert!(shared <= left.min(right), "shared episodes are in both sets");
        Self { shared, left, right }
    }

    /// The number of distinct episodes that both patterns cite.
    pub fn shared(&self) -> usize {
        self.shared
    }

    /// The Jaccard index: shared episodes divided by all episodes, in `0..=1`; 0 if there are none.
    pub fn jaccard(&self) -> f32 {
        match self.left + self.right - self.shared {
            0 => 0.0,
            all => (self.shared as f64 / all as f64) as f32,
        }
    }

    /// Returns the relation of the left set of episodes to the right one.
    pub fn containment(&self) -> Containment {
        let covers = (self.shared == self.left, self.shared == self.right);
        match covers {
            _ if self.shared == 0 => Containment::Disjoint,
            (true, true) => Containment::Equal,
            (true, false) => Containment::Subset,
            (false, true) => Containment::Superset,
            (false, false) => Containment::Partial,
        }
    }
}

impl Containment {
    /// Whether the sets are comparable and not empty: equal, or one within the other.
    pub fn is_nested(self) -> bool {
        matches!(self, Self::Subset | Self::Superset | Self::Equal)
    }
}

/// The order of sets: `Less` is a strict subset; `None` if neither contains the other, or if one is empty.
impl From<Containment> for Option<Ordering> {
    fn from(containment: Containment) -> Self {
        match containment {
            Containment::Subset => Some(Ordering::Less),
            Containment::Superset => Some(Ordering::Greater),
            Containment::Equal => Some(Ordering::Equal),
            Containment::Disjoint | Containment::Partial => None,
        }
    }
}
