//! The consolidated pattern and its confidence.

use std::fmt;
use std::sync::Arc;

use crate::engram::timestamp::Timestamp;

/// The dimension of Engram's embeddings.
pub const ENGRAM_DIMENSION: usize = 768;

/// A node's confidence in a pattern: a number in 0..=1. Only [`from_engine`](Self::from_engine)
/// accepts other numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Confidence(f32);

impl Confidence {
    /// No confidence at all.
    pub const NONE: Self = Self(0.0);
    /// Engram's low confidence, 0.1.
    pub const LOW: Self = Self(0.1);
    /// Engram's medium confidence, 0.5.
    pub const MEDIUM: Self = Self(0.5);
    /// Engram's high confidence, 0.9.
    pub const HIGH: Self = Self(0.9);
    /// Certainty.
    pub const CERTAIN: Self = Self(1.0);

    /// Creates a confidence from `raw`, which must lie in 0..=1. Negative zero becomes zero.
    ///
    /// # Errors
    /// [`ConfidenceError`] for any other number and for NaN. Nothing is clamped: a confidence out
    /// of range is a bug in the code that computed it and should be visible.
    ///
    /// ```
    /// # use engram_bridge::Confidence;
    /// assert_eq!(Confidence::new(0.25)?.raw(), 0.25);
    /// assert!(Confidence::new(f32::NAN).is_err());
    /// # Ok::<(), engram_bridge::ConfidenceError>(())
    /// ```
    pub fn new(raw: f32) -> Result<Self, ConfidenceError> {
        if (0.0..=1.0).contains(&raw) { Ok(Self(raw + 0.0)) } else { Err(ConfidenceError(raw)) }
    }

    /// Creates a confidence from an engine's number without validation; NaN and numbers outside
    /// 0..=1 are accepted. A submission refuses a pattern with an invalid confidence and reports
    /// it; the pattern stays in the local view.
    pub const fn from_engine(raw: f32) -> Self {
        Self(raw + 0.0)
    }

    /// Returns the number. It lies in 0..=1 unless [`from_engine`](Self::from_engine) created it.
    pub const fn raw(self) -> f32 {
        self.0
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The error for a number that is not a confidence. Nothing was changed; correct the number at its
/// source.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("a confidence must lie in 0..=1, but this one is {0}")]
pub struct ConfidenceError(pub f32);

/// A consolidated semantic pattern, field for field as in Engram.
///
/// The id is unique only within its memory space. This crate copies it and never recomputes it:
/// Engram computes it with a hash that may differ between compiler releases.
#[derive(Clone, PartialEq)]
pub struct SemanticPattern {
    /// Pattern id, 1 to 128 bytes.
    pub id: String,
    /// The semantic embedding: [`ENGRAM_DIMENSION`] numbers for Engram. Clones share it.
    pub embedding: Arc<[f32]>,
    /// The cited episodes. Engram may list an episode several times, so this is a multiset.
    pub source_episodes: Vec<String>,
    /// Coherence, at least 0. Engram emits values slightly above 1.
    pub strength: f32,
    /// The confidence of the node that consolidated the pattern.
    pub schema_confidence: Confidence,
    /// Time of the newest cited episode, not of the consolidation run.
    pub last_consolidated: Timestamp,
}

/// Prints the dimension of the embedding in place of its numbers.
impl fmt::Debug for SemanticPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemanticPattern")
            .field("id", &self.id)
            .field("embedding", &format_args!("[f32; {}]", self.embedding.len()))
            .field("source_episodes", &self.source_episodes)
            .field("strength", &self.strength)
            .field("schema_confidence", &self.schema_confidence)
            .field("last_consolidated", &self.last_consolidated)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_no_number_of_an_embedding() {
        let pattern = SemanticPattern {
            id: "p".to_owned(),
            embedding: Arc::from([0.125; ENGRAM_DIMENSION]),
            source_episodes: vec![],
            strength: 1.0,
            schema_confidence: Confidence::CERTAIN,
            last_consolidated: Timestamp::EPOCH,
        };
        let printed = format!("{pattern:?}");
        assert!(printed.contains("embedding: [f32; 768]"), "{printed}");
        assert!(!printed.contains("0.125"), "{printed}");
    }

    #[test]
    fn confidence_takes_exactly_zero_to_one() {
        for raw in [0.0, f32::MIN_POSITIVE, 0.5, 1.0] {
            assert_eq!(Confidence::new(raw).unwrap().raw().to_bits(), raw.to_bits());
        }
        assert_eq!(Confidence::new(-0.0).unwrap().raw().to_bits(), 0);
        for raw in [1.000_000_1, -f32::MIN_POSITIVE, f32::INFINITY, f32::NAN] {
            assert!(Confidence::new(raw).is_err(), "{raw} was accepted");
        }
    }
}
