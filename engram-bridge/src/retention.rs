//! Which patterns a node shows, of all that it holds.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use crate::SemanticPattern;

/// Hides old or unsure patterns from the view of one node. Nothing is removed and nothing is told to
/// anybody: what is hidden is still stored, synced and explained, and shows again when the rule
/// changes. Belief updates tell of it, too.
///
/// What is shown is a function of the patterns alone: nodes with equal state and equal rules show
/// the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// How much older a pattern may be than the newest one of its space. No clock is asked, so a
    /// space in which nothing happens loses nothing.
    pub max_age: Option<Duration>,
    /// How many patterns a space shows: the surest, of equally sure ones the newest.
    pub max_patterns: Option<usize>,
}

impl Retention {
    /// Those of `patterns` that are shown, in the same order.
    pub(crate) fn shown(
        &self,
        mut patterns: Vec<Arc<SemanticPattern>>,
    ) -> Vec<Arc<SemanticPattern>> {
        let time = |pattern: &SemanticPattern| pattern.last_consolidated.as_nanoseconds();
        if let Some(max_age) = self.max_age {
            let max_age = i64::try_from(max_age.as_nanos()).unwrap_or(i64::MAX);
            let newest = patterns.iter().map(|pattern| time(pattern)).max().unwrap_or_default();
            patterns.retain(|pattern| time(pattern) >= newest.saturating_sub(max_age));
        }
        if let Some(most) = self.max_patterns.filter(|most| *most < patterns.len()) {
            // A confidence is not negative, so its bits are in the order of its value.
            let sureness = |pattern: &SemanticPattern| pattern.schema_confidence.raw().to_bits();
            patterns.sort_by_cached_key(|pattern| {
                (Reverse(sureness(pattern)), Reverse(time(pattern)), pattern.id.clone())
            });
            patterns.truncate(most);
            patterns.sort_by(|one, other| one.id.cmp(&other.id));
        }
        patterns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Confidence, Timestamp};

    fn pattern(id: &str, seconds: i64, confidence: f32) -> Arc<SemanticPattern> {
        Arc::new(SemanticPattern {
            id: id.to_owned(),
            embedding: Arc::from([1.0]),
            source_episodes: Vec::new(),
            strength: 1.0,
            schema_confidence: Confidence::new(confidence).unwrap(),
            last_consolidated: Timestamp::from_nanoseconds(seconds * 1_000_000_000),
        })
    }

    fn shown(retention: Retention) -> Vec<String> {
        let patterns = vec![
            pattern("a", 100, 0.5),
            pattern("b", 40, 0.9),
            pattern("c", 90, 0.5),
            pattern("d", 39, 1.0),
        ];
        retention.shown(patterns).iter().map(|pattern| pattern.id.clone()).collect()
    }

    #[test]
    fn all_is_shown_unless_a_rule_says_otherwise() {
        assert_eq!(shown(Retention::default()), ["a", "b", "c", "d"]);
    }

    #[test]
    fn age_is_counted_from_the_newest_pattern() {
        let max_age = Some(Duration::from_secs(60));
        assert_eq!(shown(Retention { max_age, ..Retention::default() }), ["a", "b", "c"]);
        let max_age = Some(Duration::MAX);
        assert_eq!(shown(Retention { max_age, ..Retention::default() }).len(), 4);
    }

    #[test]
    fn the_surest_stay_and_of_equally_sure_ones_the_newest() {
        let most = |most| Retention { max_patterns: Some(most), ..Retention::default() };
        assert_eq!(shown(most(3)), ["a", "b", "d"]);
        assert_eq!(shown(most(1)), ["d"]);
        assert_eq!(shown(most(0)), [""; 0]);
        assert_eq!(shown(most(9)).len(), 4);
    }
}
