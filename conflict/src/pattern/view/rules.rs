use super::Node;
use crate::pattern::{Conflict, ConflictKind, Overlap, Thresholds};

/// The rules by which the view groups patterns, and by which conflicts lower a confidence.
///
/// Nodes with different rules can show different views of the same state; nothing else depends on the rules.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rules {
    /// The thresholds that decide whether two patterns are in conflict.
    pub thresholds: Thresholds,
    /// Concurrently created patterns describe one concept if their cosine is at least this value. Default 0.95, the
    /// cosine at which Engram's own store merges two episodes. On 10,433 real patterns, the default gives 1,817 groups;
    /// the largest has 167 patterns. A value of 0.85, above which a conflict is reported, would give 735 groups; the
    /// largest would have 576 patterns.
    pub concept_cosine: f32,
    /// A member keeps `1 - ambiguity * (1 - cosine to its representative)` of its confidence. Default 0.3. A member
    /// that shares an episode with the representative keeps its whole confidence if the episodes of one contain those
    /// of the other: the two do not disagree, as one may be an earlier state of the other.
    pub ambiguity: f32,
    /// Two patterns that dispute an episode each keep `1 - rivalry * Jaccard index` of their confidence;
    /// if there are several rivals, only the one with the greatest index counts. Default 0.5.
    pub rivalry: f32,
    /// No confidence is lowered below this value. Default 0.1.
    pub floor: f32,
}

/// The error for rules with a field that is out of range.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{field} is {value}, but must be {range}; if in doubt, use its default")]
#[non_exhaustive]
pub struct InvalidRules {
    /// The name of the field.
    pub field: &'static str,
    /// The value of the field.
    pub value: f32,
    /// The allowed range.
    pub range: &'static str,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            thresholds: Thresholds::default(),
            concept_cosine: 0.95,
            ambiguity: 0.3,
            rivalry: 0.5,
            floor: 0.1,
        }
    }
}

impl Rules {
    /// Sets [`thresholds`](Self#structfield.thresholds).
    #[must_use]
    pub const fn thresholds(mut self, thresholds: Thresholds) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// Sets [`concept_cosine`](Self#structfield.concept_cosine).
    #[must_use]
    pub const fn concept_cosine(mut self, concept_cosine: f32) -> Self {
        self.concept_cosine = concept_cosine;
        self
    }

    /// Sets [`ambiguity`](Self#structfield.ambiguity).
    #[must_use]
    pub const fn ambiguity(mut self, ambiguity: f32) -> Self {
        self.ambiguity = ambiguity;
        self
    }

    /// Sets [`rivalry`](Self#structfield.rivalry).
    #[must_use]
    pub const fn rivalry(mut self, rivalry: f32) -> Self {
        self.rivalry = rivalry;
        self
    }

    /// Sets [`floor`](Self#structfield.floor).
    #[must_use]
    pub const fn floor(mut self, floor: f32) -> Self {
        self.floor = floor;
        self
    }

    pub(super) fn validate(&self) -> Result<(), InvalidRules> {
        let Thresholds { divergent_cosine, divergent_jaccard, creation_cosine, ownership_cosine } =
            self.thresholds;
        let check = |field, value: f32, allowed: bool, range| match allowed {
            true => Ok(()),
            false => Err(InvalidRules { field, value, range }),
        };
        for (field, value) in [
            ("divergent_cosine", divergent_cosine),
            ("creation_cosine", creation_cosine),
            ("ownership_cosine", ownership_cosine),
            ("concept_cosine", self.concept_cosine),
        ] {
            check(field, value, (-1.0..=1.0).contains(&value), "in -1..=1")?;
        }
        for (field, value) in
            [("ambiguity", self.ambiguity), ("rivalry", self.rivalry), ("floor", self.floor)]
        {
            check(field, value, (0.0..=1.0).contains(&value), "in 0..=1")?;
        }
        // At a threshold above 0, patterns without a common episode are never divergent: `edges_of` relies on this.
        let above_zero = divergent_jaccard > 0.0 && divergent_jaccard <= 1.0;
        check("divergent_jaccard", divergent_jaccard, above_zero, "above 0 and at most 1")
    }

    /// The conflict between two nodes, seen from the left one.
    pub(super) fn between<K, P>(
        &self,
        left: &Node<K, P>,
        right: &Node<K, P>,
        shared: u32,
        cosine: Option<f32>,
    ) -> Option<Conflict> {
        let [shared, left, right] = [shared, left.episodes, right.episodes].map(|n| n as usize);
        let overlap = Overlap::from_counts(shared, left, right);
        let kind = self.thresholds.between_ids(cosine, &overlap)?;
        Some(Conflict { kind, cosine, overlap })
    }

    /// Whether a conflict means that two patterns describe one memory. The relation is symmetric.
    pub(super) fn groups(&self, conflict: &Conflict) -> bool {
        match conflict.kind {
            ConflictKind::DivergentConsolidation => true,
            ConflictKind::ConcurrentCreation => {
                conflict.cosine.is_some_and(|cosine| cosine >= self.concept_cosine)
            }
            _ => false,
        }
    }

    /// The factor that lowers the confidence of a member.
    pub(super) fn ambiguity_factor(&self, conflict: &Conflict) -> f64 {
        if conflict.overlap.containment().is_nested() {
            return 1.0;
        }
        let cosine = conflict.cosine.map_or(0.0, f64::from);
        1.0 - f64::from(self.ambiguity) * (1.0 - cosine)
    }

    /// The factor that lowers the confidence of a disputed pattern.
    pub(super) fn rivalry_factor(&self, conflict: &Conflict) -> f64 {
        1.0 - f64::from(self.rivalry) * f64::from(conflict.overlap.jaccard())
    }

    /// The confidence times `factors`, rounded once; a confidence is not lowered below the floor.
    pub(super) fn lowered(&self, confidence: f32, factors: f64) -> f32 {
        let lowered = (f64::from(confidence) * factors) as f32;
        if lowered >= self.floor {
            lowered
        } else if confidence < self.floor {
            confidence
        } else {
            self.floor
        }
    }
}
