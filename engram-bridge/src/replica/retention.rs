//! Retention: a limit on the patterns that one node shows.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use crate::engram::pattern::SemanticPattern;

/// Hides old or uncertain patterns from the view of one node. Nothing is removed, and peers are not affected: a hidden
/// pattern is still stored, synced and explained, and becomes visible again if the rule changes. Belief updates also
/// report changes to hidden patterns.
///
/// The shown patterns depend only on the replicated state, the strategy, the roster and the rule: nodes
/// that agree on all four show the same patterns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// The greatest age of a shown pattern, relative to the present of its space. Each roster member with a live
    /// pattern that is not suppressed contributes the time of its newest one, and the present is the lower median of
    /// these times. Among three or more members, no single clock moves the present beyond the times of the others. In
    /// an idle space, the present does not advance, so no pattern disappears.
    pub max_age: Option<Duration>,
    /// The maximum number of patterns that a space shows: those with the highest confidence; at equal
    /// confidence, the newest.
    pub max_patterns: Option<usize>,
}

impl Retention {
    /// Shows all patterns.
    pub const ALL: Self = Self { max_age: None, max_patterns: None };

    /// Hides patterns older than `max_age`.
    #[must_use]
    pub const fn with_max_age(self, max_age: Duration) -> Self {
        Self { max_age: Some(max_age), ..self }
    }

    /// Shows at most `max_patterns` patterns.
    #[must_use]
    pub const fn with_max_patterns(self, max_patterns: usize) -> Self {
        Self { max_patterns: Some(max_patterns), ..self }
    }

    /// Returns the earliest time that a shown pattern may have, in nanoseconds; `None` if there is no maximum age or no
    /// present. `present` computes the present of the space.
    pub(crate) fn earliest(&self, present: impl FnOnce() -> Option<i64>) -> Option<i64> {
        let max_age = i64::try_from(self.max_age?.as_nanos()).unwrap_or(i64::MAX);
        present().map(|present| present.saturating_sub(max_age))
    }

    /// Returns the patterns that are shown. `patterns` must be sorted by id in ascending order. The result has the same
    /// order, also among several patterns of one id.
    pub(crate) fn shown(
        &self,
        mut patterns: Vec<Arc<SemanticPattern>>,
        earliest: Option<i64>,
    ) -> Vec<Arc<SemanticPattern>> {
        let time = |pattern: &SemanticPattern| pattern.last_consolidated.as_nanoseconds();
        if let Some(earliest) = earliest {
            patterns.retain(|pattern| time(pattern) >= earliest);
        }
        if let Some(most) = self.max_patterns.filter(|most| *most < patterns.len()) {
            // Confidences are not negative, so their bits have the same order as their values.
            let confidence = |pattern: &SemanticPattern| pattern.schema_confidence.raw().to_bits();
            let mut ranked: Vec<usize> = (0..patterns.len()).collect();
            // The sort is stable: between equal patterns, the first id comes first.
            ranked.sort_by_key(|at| {
                let pattern = &patterns[*at];
                (Reverse(confidence(pattern)), Reverse(time(pattern)))
            });
            ranked.truncate(most);
            // Restore the given order.
            ranked.sort_unstable();
            return ranked.into_iter().map(|at| Arc::clone(&patterns[at])).collect();
        }
        patterns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engram::pattern::Confidence;
    use crate::engram::timestamp::Timestamp;

    fn pattern(id: &str, seconds: i64, confidence: f32) -> Arc<SemanticPattern> {
        Arc::new(SemanticPattern {
            id: id.to_owned(),
            embedding: Arc::from([1.0]),
            source_episodes: Vec::new(),
            strength: 1.0,
            schema_confidence: Confidence::new(confidence).unwrap(),
            last_consolidated: Timestamp::from_nanoseconds(seconds),
        })
    }

    fn shown(retention: Retention, earliest: Option<i64>) -> Vec<String> {
        let patterns = vec![
            pattern("a", 100, 0.5),
            pattern("b", 40, 0.9),
            pattern("c", 90, 0.5),
            pattern("d", 39, 1.0),
        ];
        let shown = retention.shown(patterns, earliest);
        shown.iter().map(|pattern| pattern.id.clone()).collect()
    }

    #[test]
    fn without_a_rule_all_patterns_are_shown() {
        assert_eq!(shown(Retention::ALL, None), ["a", "b", "c", "d"]);
    }

    #[test]
    fn patterns_before_the_earliest_are_hidden() {
        assert_eq!(shown(Retention::ALL, Some(40)), ["a", "b", "c"]);
        assert_eq!(shown(Retention::ALL, Some(i64::MIN)).len(), 4);
    }

    /// A strategy that shows several versions of an id has its own order of them.
    #[test]
    fn versions_of_one_id_keep_their_order() {
        let patterns = vec![
            pattern("a", 1, 0.5),
            pattern("a", 2, 0.9),
            pattern("a", 3, 0.7),
            pattern("b", 4, 0.1),
        ];
        let shown = Retention::ALL.with_max_patterns(3).shown(patterns.clone(), None);
        assert_eq!(shown, patterns[..3]);
        let shown = Retention::ALL.with_max_patterns(2).shown(patterns.clone(), None);
        assert_eq!(shown, patterns[1..3]);
    }

    #[test]
    fn confidence_decides_then_age() {
        let most = |most| Retention::ALL.with_max_patterns(most);
        assert_eq!(shown(most(3), None), ["a", "b", "d"]);
        assert_eq!(shown(most(1), None), ["d"]);
        assert_eq!(shown(most(0), None), [""; 0]);
        assert_eq!(shown(most(9), None).len(), 4);
    }
}
