//! The pattern values that strategies read and compose.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use crate::pattern::citation;
use crate::{Reason, Resolution, Value, Versions};

/// A pattern that the strategies of this module can read and compose.
///
/// Implement [`Value::validate`] with [`validate`]. `Hash` must cover every field, floats by their bits.
pub trait PatternValue: Value<Invalid = InvalidPattern> + Sized {
    /// The embedding. All versions of a set have the same dimension, which may be 0.
    fn embedding(&self) -> &[f32];

    /// The ids of the cited episodes, a multiset: ids may repeat, and their order does not matter.
    fn citations(&self) -> &[String];

    /// The coherence of the pattern. It is finite and not negative, and may exceed 1.
    fn strength(&self) -> f32;

    /// The confidence, in `0..=1`.
    fn confidence(&self) -> f32;

    /// The time of consolidation, in nanoseconds since 1970-01-01 UTC.
    fn consolidated_at(&self) -> i64;

    /// Returns this pattern with the parts of `merged`, and with its own embedding if `merged` has none.
    #[must_use]
    fn merged(&self, merged: Merged) -> Self;
}

/// The parts of a pattern that a strategy composes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Merged {
    /// A new embedding; `None` to keep the embedding of the base pattern.
    pub embedding: Option<Vec<f32>>,
    /// The citations, sorted.
    pub citations: Vec<String>,
    /// The strength: finite and not negative.
    pub strength: f32,
    /// The confidence: at most the greatest confidence of the versions.
    pub confidence: f32,
    /// The time of consolidation, in nanoseconds since 1970-01-01 UTC.
    pub consolidated_at: i64,
}

impl Merged {
    /// Returns parts with the scalars of the version at `base` and the citations of all versions, as a starting point
    /// for a rule.
    #[must_use]
    pub fn of<T: PatternValue>(base: usize, versions: &Versions<T>) -> Self {
        let value = &versions[base].value;
        Self {
            embedding: None,
            citations: citation::union(versions.values().map(PatternValue::citations)),
            strength: value.strength(),
            confidence: value.confidence(),
            consolidated_at: value.consolidated_at(),
        }
    }

    /// Returns a resolution that shows the version at `base` with these parts. The outcome is a composition if they
    /// differ from the parts of that version, otherwise a choice of that version. The order of citations does not
    /// matter. The version at `base` gets a share of 1.
    #[must_use]
    pub fn over<T: PatternValue>(
        self,
        base: usize,
        versions: &Versions<T>,
        reason: Reason,
    ) -> Resolution<T> {
        let value = &versions[base].value;
        match self.changes(value) {
            false => Resolution::chosen(base, reason),
            true => Resolution::composed(value.merged(self), base, versions, reason),
        }
    }

    fn changes(&self, value: &impl PatternValue) -> bool {
        self.embedding.is_some()
            || self.strength.to_bits() != value.strength().to_bits()
            || self.confidence.to_bits() != value.confidence().to_bits()
            || self.consolidated_at != value.consolidated_at()
            || !citation::same(&self.citations, value.citations())
    }
}

/// A pattern that owns its parts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OwnedPattern {
    /// The embedding.
    pub embedding: Vec<f32>,
    /// The cited episodes, a multiset.
    pub citations: Vec<String>,
    /// The strength.
    pub strength: f32,
    /// The confidence, in `0..=1`.
    pub confidence: f32,
    /// The time of consolidation, in nanoseconds since 1970-01-01 UTC.
    pub consolidated_at: i64,
}

impl OwnedPattern {
    /// Creates a pattern of strength 1, confidence 1 and time 0; set the fields that differ.
    #[must_use]
    pub const fn new(embedding: Vec<f32>, citations: Vec<String>) -> Self {
        Self { embedding, citations, strength: 1.0, confidence: 1.0, consolidated_at: 0 }
    }
}

impl Hash for OwnedPattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let numbers = [self.strength, self.confidence];
        numbers.iter().chain(&self.embedding).for_each(|number| number.to_bits().hash(state));
        (self.embedding.len(), self.consolidated_at, &self.citations).hash(state);
    }
}

impl Value for OwnedPattern {
    type Invalid = InvalidPattern;

    fn validate(&self, first: &Self) -> Result<(), InvalidPattern> {
        validate(self, first)
    }
}

impl PatternValue for OwnedPattern {
    fn embedding(&self) -> &[f32] {
        &self.embedding
    }

    fn citations(&self) -> &[String] {
        &self.citations
    }

    fn strength(&self) -> f32 {
        self.strength
    }

    fn confidence(&self) -> f32 {
        self.confidence
    }

    fn consolidated_at(&self) -> i64 {
        self.consolidated_at
    }

    fn merged(&self, merged: Merged) -> Self {
        let Merged { embedding, citations, strength, confidence, consolidated_at } = merged;
        let embedding = embedding.unwrap_or_else(|| self.embedding.clone());
        Self { embedding, citations, strength, confidence, consolidated_at }
    }
}

impl<P: PatternValue> PatternValue for Arc<P> {
    fn embedding(&self) -> &[f32] {
        (**self).embedding()
    }

    fn citations(&self) -> &[String] {
        (**self).citations()
    }

    fn strength(&self) -> f32 {
        (**self).strength()
    }

    fn confidence(&self) -> f32 {
        (**self).confidence()
    }

    fn consolidated_at(&self) -> i64 {
        (**self).consolidated_at()
    }

    fn merged(&self, merged: Merged) -> Self {
        Self::new((**self).merged(merged))
    }
}

/// The error for an invalid pattern.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPattern {
    /// The dimension of an embedding differs from that of the other embeddings.
    #[error("the embedding has {found} dimensions, but the other versions have {expected}")]
    Dimension {
        /// The dimension of the other embeddings; in a set, that of the version with the smallest
        /// digest.
        expected: usize,
        /// The dimension of this embedding.
        found: usize,
    },
    /// A component of an embedding is NaN or infinite.
    #[error("component {component} of the embedding is {value}, not a finite number")]
    Component {
        /// The index of the first such component.
        component: usize,
        /// The value of the component.
        value: f32,
    },
    /// A confidence is NaN or outside `0..=1`.
    #[error("confidence {value} is not in 0..=1")]
    Confidence {
        /// The confidence.
        value: f32,
    },
    /// A strength is NaN, infinite or negative.
    #[error("strength {value} is not a finite number of at least 0")]
    Strength {
        /// The strength.
        value: f32,
    },
}

/// Checks that the numbers of a pattern are finite and in range, and that it has the dimension of `first`. Use it to
/// implement [`Value::validate`].
///
/// Signed zeros, subnormal numbers and a strength above 1 are valid.
///
/// # Errors
/// [`InvalidPattern`] names the first invalid part.
pub fn validate<P: PatternValue>(pattern: &P, first: &P) -> Result<(), InvalidPattern> {
    check_embedding(pattern.embedding(), first.embedding().len())?;
    check_confidence(pattern.confidence())?;
    let value = pattern.strength();
    match value.is_finite() && value >= 0.0 {
        true => Ok(()),
        false => Err(InvalidPattern::Strength { value }),
    }
}

pub(super) fn check_embedding(embedding: &[f32], expected: usize) -> Result<(), InvalidPattern> {
    if embedding.len() != expected {
        return Err(InvalidPattern::Dimension { expected, found: embedding.len() });
    }
    match embedding.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(component) => {
            Err(InvalidPattern::Component { component, value: embedding[component] })
        }
    }
}

pub(super) fn check_confidence(value: f32) -> Result<(), InvalidPattern> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(()),
        false => Err(InvalidPattern::Confidence { value }),
    }
}
