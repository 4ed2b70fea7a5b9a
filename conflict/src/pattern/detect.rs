//! The four conflicts of consolidation, and the thresholds that distinguish them.

use alloc::string::String;
use core::cmp::Ordering;
use core::fmt;

use crate::pattern::{Containment, Overlap, cosine};

/// One of two patterns that may be in conflict.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Observed<'a> {
    /// The id of the pattern.
    pub id: &'a str,
    /// The digest of the content.
    pub digest: [u8; 32],
    /// The embedding.
    pub embedding: &'a [f32],
    /// The cited episodes; repetitions count once.
    pub citations: &'a [String],
}

impl<'a> Observed<'a> {
    /// Creates a pattern with this id, content digest, embedding and citations.
    #[must_use]
    pub const fn new(
        id: &'a str,
        digest: [u8; 32],
        embedding: &'a [f32],
        citations: &'a [String],
    ) -> Self {
        Self { id, digest, embedding, citations }
    }
}

/// A conflict between two patterns, with its measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Conflict {
    /// The kind of conflict.
    pub kind: ConflictKind,
    /// The cosine similarity; `None` if [`cosine`] is undefined, which counts as not similar.
    pub cosine: Option<f32>,
    /// The overlap of the episodes, seen from the left pattern.
    pub overlap: Overlap,
}

/// The four kinds of conflict that independent consolidation causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConflictKind {
    /// Two ids for one memory: many episodes are the same, but the nodes consolidated them
    /// differently.
    DivergentConsolidation,
    /// Similar patterns with few or no episodes in common: two nodes formed the same concept
    /// independently.
    ConcurrentCreation,
    /// Two contents under one id, written concurrently.
    ConcurrentUpdate,
    /// Dissimilar patterns that claim the same episode.
    EpisodeOwnership,
}

/// The thresholds that decide whether two patterns are in conflict.
///
/// The defaults are the values published in Engram's plan for divergent consolidation. They were
/// chosen for unit vectors of unrelated memories. On 10,433 real patterns (768 dimensions, verses
/// and dictionary glosses) the median pair that shares an episode has a cosine of 0.88, so the
/// cosine alone says little there. The fields state how many pairs of these patterns are in each
/// kind of conflict with the default thresholds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Thresholds {
    /// Divergent consolidation: the cosine is above this value, and the Jaccard index is high
    /// enough. Default 0.8.
    pub divergent_cosine: f32,
    /// Divergent consolidation: the Jaccard index is at least this value. Default 0.5: the plan's
    /// own example, `{1, 2, 3}` and `{1, 2, 4}`, has exactly 0.5. Real data: 70,868 pairs.
    pub divergent_jaccard: f32,
    /// Concurrent creation: the cosine is above this value. Default 0.85. Real data: 959,108 pairs
    /// with common episodes, but with too few of them for divergent consolidation, and 759,850 pairs
    /// without common episodes.
    pub creation_cosine: f32,
    /// Episode ownership: the cosine is below this value or undefined, and an episode is shared.
    /// Default 0.6. Real data: 668 pairs.
    pub ownership_cosine: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            divergent_cosine: 0.8,
            divergent_jaccard: 0.5,
            creation_cosine: 0.85,
            ownership_cosine: 0.6,
        }
    }
}

impl Thresholds {
    /// Sets [`divergent_cosine`](Self#structfield.divergent_cosine).
    #[must_use]
    pub const fn divergent_cosine(mut self, divergent_cosine: f32) -> Self {
        self.divergent_cosine = divergent_cosine;
        self
    }

    /// Sets [`divergent_jaccard`](Self#structfield.divergent_jaccard).
    #[must_use]
    pub const fn divergent_jaccard(mut self, divergent_jaccard: f32) -> Self {
        self.divergent_jaccard = divergent_jaccard;
        self
    }

    /// Sets [`creation_cosine`](Self#structfield.creation_cosine).
    #[must_use]
    pub const fn creation_cosine(mut self, creation_cosine: f32) -> Self {
        self.creation_cosine = creation_cosine;
        self
    }

    /// Sets [`ownership_cosine`](Self#structfield.ownership_cosine).
    #[must_use]
    pub const fn ownership_cosine(mut self, ownership_cosine: f32) -> Self {
        self.ownership_cosine = ownership_cosine;
        self
    }

    /// Returns the conflict between two patterns, or `None` if there is none.
    ///
    /// `causality` is the order of the write of `left` relative to that of `right`, or `None` if the writes are
    /// concurrent. Ordered writes never conflict, because the later writer had seen the earlier write. By default,
    /// patterns that share an episode and have a cosine from 0.6 to 0.8 neither describe one memory nor dispute the
    /// episode. The result is defined for all inputs, including NaN and infinite values: an undefined cosine counts as
    /// not similar.
    ///
    /// ```
    /// use engram_conflict::pattern::{ConflictKind, Observed, Thresholds};
    ///
    /// let (walks, runs) = (["mon", "tue", "wed"], ["mon", "tue", "sat"]);
    /// let (walks, runs) = (walks.map(String::from), runs.map(String::from));
    /// let a = Observed::new("a", [1; 32], &[0.2, 0.8], &walks);
    /// let b = Observed::new("b", [2; 32], &[0.25, 0.75], &runs);
    ///
    /// let conflict = Thresholds::default().detect(None, &a, &b).unwrap();
    /// assert_eq!(conflict.kind, ConflictKind::DivergentConsolidation);
    /// assert_eq!(conflict.overlap.jaccard(), 0.5);
    /// ```
    pub fn detect(
        &self,
        causality: Option<Ordering>,
        left: &Observed<'_>,
        right: &Observed<'_>,
    ) -> Option<Conflict> {
        let same_id = left.id == right.id;
        if causality.is_some() || (same_id && left.digest == right.digest) {
            return None;
        }
        let cosine = cosine(left.embedding, right.embedding);
        let overlap = Overlap::of(left.citations, right.citations);
        let kind = match same_id {
            true => ConflictKind::ConcurrentUpdate,
            false => self.between_ids(cosine, &overlap)?,
        };
        Some(Conflict { kind, cosine, overlap })
    }

    /// Returns the kind of conflict between concurrent patterns with different ids.
    pub(crate) fn between_ids(
        &self,
        cosine: Option<f32>,
        overlap: &Overlap,
    ) -> Option<ConflictKind> {
        let above = |threshold: f32| cosine.is_some_and(|cosine| cosine > threshold);
        let below = |threshold: f32| cosine.is_none_or(|cosine| cosine < threshold);
        if overlap.jaccard() >= self.divergent_jaccard && above(self.divergent_cosine) {
            Some(ConflictKind::DivergentConsolidation)
        } else if above(self.creation_cosine) {
            Some(ConflictKind::ConcurrentCreation)
        } else if overlap.shared() > 0 && below(self.ownership_cosine) {
            Some(ConflictKind::EpisodeOwnership)
        } else {
            None
        }
    }
}

impl fmt::Display for ConflictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DivergentConsolidation => "divergent consolidation",
            Self::ConcurrentCreation => "concurrent creation",
            Self::ConcurrentUpdate => "concurrent update",
            Self::EpisodeOwnership => "episode ownership",
        })
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind)?;
        match self.cosine {
            Some(cosine) => write!(f, "cosine {cosine:.4}, ")?,
            None => f.write_str("no cosine, ")?,
        }
        let relation = match self.overlap.containment() {
            Containment::Disjoint => return f.write_str("no episode in common"),
            Containment::Partial => "",
            Containment::Subset => ", a strict subset",
            Containment::Superset => ", a strict superset",
            Containment::Equal => ", the same episodes",
        };
        let (shared, jaccard) = (self.overlap.shared(), self.overlap.jaccard());
        let episodes = if shared == 1 { "episode" } else { "episodes" };
        write!(f, "{shared} {episodes} in common (Jaccard {jaccard:.3}{relation})")
    }
}
