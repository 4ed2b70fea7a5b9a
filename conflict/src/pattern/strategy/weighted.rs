use alloc::vec::Vec;

use super::latest;
use crate::pattern::{Merged, PatternValue, blend};
use crate::{Reason, Resolution, Strategy, StrategyId, Version, Versions};

/// Computes the mean of all versions in one step, weighted by confidence or by confidence times confirmations, with the
/// citations of all versions.
///
/// The strength, the confidence and each component of the embedding are weighted means, summed in `f64` and rounded
/// once; each lies between the smallest and the greatest of its inputs. If every weight is zero, all versions weigh the
/// same. The citations are the [`union`](crate::pattern::union) of all versions, and the time is the latest. No
/// original embedding remains visible, so use this strategy only if a mean of embeddings is meaningful.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConfidenceWeighted {
    weight: Weight,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Weight {
    #[default]
    Confidence,
    Confirmations,
}

impl ConfidenceWeighted {
    /// Creates the strategy that weighs each version by its confidence, like `default()`.
    pub const fn new() -> Self {
        Self { weight: Weight::Confidence }
    }

    /// Creates the strategy that weighs each version by its confidence times its confirmations: a version with two
    /// confirmations counts twice.
    pub const fn by_confirmations() -> Self {
        Self { weight: Weight::Confirmations }
    }

    /// The identity, for example `confidence-weighted/1;weight=confidence`.
    #[must_use]
    pub fn id(&self) -> StrategyId {
        let weight = match self.weight {
            Weight::Confidence => "confidence",
            Weight::Confirmations => "confidence-confirmations",
        };
        let id = StrategyId::literal("confidence-weighted", 1);
        id.with("weight", weight).expect("valid literals")
    }

    fn weight<T: PatternValue>(&self, version: &Version<T>) -> f64 {
        let confidence = f64::from(version.value.confidence());
        match self.weight {
            Weight::Confidence => confidence,
            Weight::Confirmations => confidence * f64::from(version.confirmations),
        }
    }

    /// Returns the share of each version, the order in which shares are summed, and the reason.
    fn shares<T: PatternValue>(&self, versions: &Versions<T>) -> (Vec<f64>, Vec<usize>, Reason) {
        let mut weights: Vec<f64> = versions.iter().map(|v| self.weight(v)).collect();
        // Sums the heaviest part first; digests decide only the order of equal weights.
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
        let mut total = order.iter().fold(0.0, |sum, &i| sum + weights[i]);
        let mut reason = Reason::Mean;
        if total <= 0.0 {
            weights.fill(1.0);
            total = weights.len() as f64;
            reason = Reason::PlainMean;
        }
        (weights.iter().map(|weight| weight / total).collect(), order, reason)
    }
}

impl<T: PatternValue> Strategy<T> for ConfidenceWeighted {
    fn id(&self) -> StrategyId {
        self.id()
    }

    fn resolve(&self, versions: &Versions<T>) -> Resolution<T> {
        if versions.len() == 1 {
            return Resolution::chosen(0, Reason::Only);
        }
        let (shares, order, reason) = self.shares(versions);
        let mean = |measure: fn(&T) -> f32| {
            let part = |i: usize| shares[i] * f64::from(measure(&versions[i].value));
            let sum = order.iter().fold(0.0, |sum, &i| sum + part(i));
            within(sum as f32, versions.values().map(measure))
        };
        let embeddings = order.iter().map(|&i| (shares[i], versions[i].value.embedding()));
        let merged = Merged {
            embedding: blend(embeddings),
            strength: mean(T::strength),
            confidence: mean(T::confidence),
            consolidated_at: latest(versions),
            ..Merged::of(0, versions)
        };
        Resolution::blended(versions[0].value.merged(merged), shares, reason)
    }
}

/// Returns `mean`, or the nearest value if rounding has moved it out of the range of `values`.
fn within(mean: f32, values: impl Iterator<Item = f32> + Clone) -> f32 {
    let smallest = values.clone().min_by(f32::total_cmp).unwrap_or(mean);
    let greatest = values.max_by(f32::total_cmp).unwrap_or(mean);
    mean.clamp(smallest, greatest)
}
