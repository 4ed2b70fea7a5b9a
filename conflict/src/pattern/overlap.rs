//! The overlap of the episodes of two patterns.

use alloc::string::String;
use core::cmp::Ordering;

use crate::pattern::citation::distinct;

/// How many distinct episodes each of two patterns cites, and how many both cite.
///
/// Repeated citations count once, because the engine repeats them for technical reasons.
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
    /// No episode in common; also if one pattern cites none.
    Disjoint,
    /// Some episodes in common, and each pattern has others.
    Partial,
    /// All episodes of the left pattern are in the right one, and the right one has more.
    Subset,
    /// All episodes of the right pattern are in the left one, and the left one has more.
    Superset,
    /// The same episodes.
    Equal,
}

impl Overlap {
    /// Compares two lists of citations, in any order. `O(n log n)`.
    pub fn of(left: &[String], right: &[String]) -> Self {
        let (left, right) = (distinct(left), distinct(right));
        let shared = left.iter().filter(|id| right.binary_search(id).is_ok()).count();
        Self { shared, left: left.len(), right: right.len() }
    }

    /// Creates an overlap from counts of distinct episodes; `shared` must be at most the smaller of `left` and `right`.
    pub(crate) fn from_counts(shared: usize, left: usize, right: usize) -> Self {
        debug_assert!(shared <= left.min(right), "both sets hold what they share");
        Self { shared, left, right }
    }

    /// The number of distinct episodes that both cite.
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

    /// Whether one set of episodes contains the other.
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

/// The order of sets: `Less` is a strict subset; `None` if neither contains the other.
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
