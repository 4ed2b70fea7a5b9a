//! Checks `[conflict]`: the strategy, and the comparison across ids.

use std::ops::RangeInclusive;

use engram_conflict::pattern::Rules;

use super::{Check, MAX_COMPARED};
use crate::node::config::file::Conflict;
use crate::node::config::{ConflictConfig, StrategyChoice};
use crate::replica::across_ids::{AcrossIds, DEFAULT_MAX_COMPARED};

/// The range of a cosine similarity.
pub(in crate::node::config) const COSINE: RangeInclusive<f64> = -1.0..=1.0;
/// The range of a fraction.
pub(in crate::node::config) const PART: RangeInclusive<f64> = 0.0..=1.0;
/// The range of a threshold for Jaccard indices. It excludes 0, the index of patterns without a common episode.
pub(in crate::node::config) const JACCARD: RangeInclusive<f64> = 0.01..=1.0;

impl Check<'_> {
    pub(super) fn conflict(&mut self, conflict: &Conflict) -> Option<ConflictConfig> {
        let strategy = self.strategy(conflict.strategy.as_deref());
        let compared = self.compared(conflict);
        let across_ids = conflict.across_ids.unwrap_or(true).then_some(compared?);
        Some(ConflictConfig { strategy: strategy?, across_ids })
    }

    fn strategy(&mut self, written: Option<&str>) -> Option<StrategyChoice> {
        let Some(written) = written else { return Some(StrategyChoice::default()) };
        let known = StrategyChoice::ALL.into_iter().find(|choice| choice.name() == written);
        known.or_else(|| {
            let names = StrategyChoice::ALL.map(|choice| format!("{:?}", choice.name()));
            let message = format!("{written:?} is not known; write one of {}", names.join(", "));
            self.refuse("conflict.strategy", message)
        })
    }

    /// Checks the values even if the comparison is off.
    fn compared(&mut self, written: &Conflict) -> Option<AcrossIds> {
        let default = Rules::default();
        let of = default.thresholds;
        let divergent_cosine =
            self.decimal("divergent_cosine", written.divergent_cosine, of.divergent_cosine, COSINE);
        let divergent_jaccard = self.decimal(
            "divergent_jaccard",
            written.divergent_jaccard,
            of.divergent_jaccard,
            JACCARD,
        );
        let creation_cosine =
            self.decimal("creation_cosine", written.creation_cosine, of.creation_cosine, COSINE);
        let ownership_cosine =
            self.decimal("ownership_cosine", written.ownership_cosine, of.ownership_cosine, COSINE);
        let concept_cosine =
            self.decimal("concept_cosine", written.concept_cosine, default.concept_cosine, COSINE);
        let ambiguity = self.decimal("ambiguity", written.ambiguity, default.ambiguity, PART);
        let rivalry = self.decimal("rivalry", written.rivalry, default.rivalry, PART);
        let floor = self.decimal("floor", written.floor, default.floor, PART);
        let (key, written) = ("conflict.across_ids_max_patterns", written.across_ids_max_patterns);
        let most = self.integer(key, written, DEFAULT_MAX_COMPARED as i64, MAX_COMPARED)?;
        let mut rules = default;
        rules.thresholds.divergent_cosine = divergent_cosine?;
        rules.thresholds.divergent_jaccard = divergent_jaccard?;
        rules.thresholds.creation_cosine = creation_cosine?;
        rules.thresholds.ownership_cosine = ownership_cosine?;
        (rules.concept_cosine, rules.ambiguity) = (concept_cosine?, ambiguity?);
        (rules.rivalry, rules.floor) = (rivalry?, floor?);
        match AcrossIds::new(rules, usize::try_from(most).ok()?) {
            Ok(across_ids) => Some(across_ids),
            Err(error) => self.refuse(format!("conflict.{}", error.field), error.to_string()),
        }
    }

    fn decimal(
        &mut self,
        name: &str,
        written: Option<f64>,
        default: f32,
        range: RangeInclusive<f64>,
    ) -> Option<f32> {
        let Some(value) = written else { return Some(default) };
        if range.contains(&value) {
            return Some(value as f32);
        }
        let (least, most) = (range.start(), range.end());
        let message = format!("{value} is not in {least}..={most}; the default is {default}");
        self.refuse(format!("conflict.{name}"), message)
    }
}
