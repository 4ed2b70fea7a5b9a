//! A pattern as a value that strategies read and compose.

use std::hash::{Hash, Hasher};

use engram_conflict::Value;
use engram_conflict::pattern::{InvalidPattern, Merged, PatternValue, validate};

use crate::engram::pattern::{Confidence, SemanticPattern};
use crate::engram::timestamp::Timestamp;

/// Hashes every field, floats by their bits.
impl Hash for SemanticPattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { id, embedding, source_episodes, strength, schema_confidence, last_consolidated } =
            self;
        (id, source_episodes, embedding.len()).hash(state);
        embedding.iter().for_each(|number| number.to_bits().hash(state));
        (strength.to_bits(), schema_confidence.raw().to_bits()).hash(state);
        last_consolidated.as_nanoseconds().hash(state);
    }
}

impl Value for SemanticPattern {
    type Invalid = InvalidPattern;

    fn validate(&self, first: &Self) -> Result<(), InvalidPattern> {
        validate(self, first)
    }
}

impl PatternValue for SemanticPattern {
    fn embedding(&self) -> &[f32] {
        &self.embedding
    }

    fn citations(&self) -> &[String] {
        &self.source_episodes
    }

    fn strength(&self) -> f32 {
        self.strength
    }

    fn confidence(&self) -> f32 {
        self.schema_confidence.raw()
    }

    fn consolidated_at(&self) -> i64 {
        self.last_consolidated.as_nanoseconds()
    }

    /// Builds a pattern from `merged`. Keeps the id, and shares this pattern's embedding if
    /// `merged` has none.
    fn merged(&self, merged: Merged) -> Self {
        Self {
            id: self.id.clone(),
            embedding: merged.embedding.map_or_else(|| self.embedding.clone(), Into::into),
            source_episodes: merged.citations,
            strength: merged.strength,
            schema_confidence: Confidence::new(merged.confidence)
                .expect("a strategy composes a confidence in 0..=1"),
            last_consolidated: Timestamp::from_nanoseconds(merged.consolidated_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use engram_conflict::pattern::{ConfidenceVoting, ConfidenceWeighted, OwnedPattern, laws_of};

    use super::*;

    /// Converts `of` to this crate's pattern, whose confidence is never negative zero.
    fn pattern(of: OwnedPattern) -> SemanticPattern {
        SemanticPattern {
            id: String::from("p"),
            embedding: of.embedding.as_slice().into(),
            source_episodes: of.citations,
            strength: of.strength,
            schema_confidence: Confidence::new(of.confidence).unwrap(),
            last_consolidated: Timestamp::from_nanoseconds(of.consolidated_at),
        }
    }

    #[test]
    fn shipped_strategies_keep_the_pattern_laws() {
        let laws = laws_of(pattern).cases(200);
        laws.assert(&ConfidenceVoting);
        laws.assert(&ConfidenceWeighted::new());
    }
}
