//! Explanations of resolutions of patterns, with their citations.

use alloc::vec::Vec;
use core::fmt;

use crate::pattern::PatternValue;
use crate::pattern::citation::{added, union};
use crate::version::short;
use crate::{Reason, Resolution, Strategy, StrategyId, Versions};

/// A resolution in terms that an operator can check: the rule that decided, with its margin if it has one, and the
/// contribution of each version with its citations. `Display` writes a line for the rule and one for each version.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The strategy that decided.
    pub strategy: StrategyId,
    /// The rule that decided, with its margin if it has one.
    pub reason: Reason,
    /// The contribution of each version, in the order of [`Versions::as_slice`].
    pub contributions: Vec<Contribution>,
    /// The visible confidence.
    pub confidence: f32,
    /// The number of visible citations, including repetitions.
    pub citations: usize,
    /// The number of citations that a version has and the visible pattern lacks, including repetitions: 0 if the
    /// strategy keeps all citations.
    pub citations_lost: usize,
}

/// The contribution of one version to the visible pattern.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Contribution {
    /// The digest of the version.
    pub digest: [u8; 32],
    /// The share of the version in the visible embedding: 1 for the whole, 0 for nothing.
    pub share: f64,
    /// The confidence of the version.
    pub confidence: f32,
    /// The time of the version, in nanoseconds since 1970-01-01 UTC.
    pub consolidated_at: i64,
    /// The number of independent writes that hold the version.
    pub confirmations: u32,
    /// The number of citations of the version, including repetitions.
    pub citations: usize,
    /// The number of citations that no other version has.
    pub citations_of_its_own: usize,
    /// Whether the version itself is visible: it was chosen or kept.
    pub kept: bool,
}

/// Resolves `versions` and explains the resolution.
pub fn explain<T: PatternValue>(
    strategy: &(impl Strategy<T> + ?Sized),
    versions: &Versions<T>,
) -> Explanation {
    Explanation::new(strategy.id(), versions, &strategy.resolve(versions))
}

impl Explanation {
    /// Explains `resolution`, the answer of `strategy` for `versions`.
    ///
    /// # Panics
    /// If `resolution` keeps no version, or has an index that is out of range for `versions` because it belongs to
    /// another set.
    #[must_use]
    pub fn new<T: PatternValue>(
        strategy: StrategyId,
        versions: &Versions<T>,
        resolution: &Resolution<T>,
    ) -> Self {
        let crate::Explanation { strategy, reason, contributions } =
            crate::Explanation::new(strategy, versions, resolution);
        let visible = resolution.all_visible(versions);
        let shown = union(visible.iter().map(|value| value.citations()));
        let parts = contributions.iter().enumerate();
        Self {
            strategy,
            reason,
            contributions: parts.map(|(i, part)| contribution(versions, i, part)).collect(),
            confidence: visible[0].confidence(),
            citations: shown.len(),
            citations_lost: added(&union(versions.values().map(T::citations)), &shown),
        }
    }
}

fn contribution<T: PatternValue>(
    versions: &Versions<T>,
    index: usize,
    part: &crate::Contribution,
) -> Contribution {
    let value = &versions[index].value;
    let others = versions.values().enumerate().filter(|(i, _)| *i != index);
    let others = union(others.map(|(_, value)| value.citations()));
    Contribution {
        digest: part.digest,
        share: part.share,
        confidence: value.confidence(),
        consolidated_at: value.consolidated_at(),
        confirmations: part.confirmations,
        citations: value.citations().len(),
        citations_of_its_own: added(value.citations(), &others),
        kept: part.kept,
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { strategy, reason, confidence, citations, citations_lost, .. } = self;
        write!(f, "{strategy}: {reason}; confidence {confidence}, {}", Citations(*citations))?;
        if self.contributions.iter().filter(|part| part.kept).count() > 1 {
            f.write_str(" in all")?;
        }
        if *citations_lost > 0 {
            write!(f, ", {citations_lost} not shown")?;
        }
        self.contributions.iter().try_for_each(|part| write!(f, "\n  {part}"))
    }
}

impl fmt::Display for Contribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digest, percent) = (short(&self.digest), self.share * 100.0);
        let Self { confidence, confirmations, citations, citations_of_its_own: own, .. } = self;
        write!(f, "{digest}: {percent:.1} % of the embedding, confidence {confidence}, ")?;
        write!(f, "{confirmations} x confirmed, {} ({own} of its own)", Citations(*citations))?;
        f.write_str(if self.kept { ", stays visible" } else { "" })
    }
}

/// A number of citations, followed by the noun in the singular or plural.
struct Citations(usize);

impl fmt::Display for Citations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, if self.0 == 1 { "citation" } else { "citations" })
    }
}
