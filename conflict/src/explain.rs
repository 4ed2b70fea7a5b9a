//! Why a pattern looks as it does: the resolution, told per version.

use alloc::vec::Vec;
use core::fmt;

use crate::citation::{added, union};
use crate::version::short;
use crate::{Embedding, Outcome, Reason, Resolution, StrategyId, Versions};

/// A resolution in terms that an operator can check: which rule decided, by how much, and what
/// each version contributed. `Display` tells it in a few lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Which strategy decided.
    pub strategy: StrategyId,
    /// By which rule, and by how much.
    pub reason: Reason,
    /// What each version contributed, in the order of [`Versions::as_slice`].
    pub contributions: Vec<Contribution>,
    /// The visible confidence.
    pub confidence: f32,
    /// How many citations are visible, repetitions included.
    pub citations: usize,
    /// How many citations of the versions are not visible: 0 if the strategy keeps them all.
    pub citations_lost: usize,
}

/// What one version has to do with the visible value.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// Names the version.
    pub digest: [u8; 32],
    /// Its share of the visible embedding: 1 for the whole, 0 for nothing.
    pub share: f64,
    /// Its confidence.
    pub confidence: f32,
    /// Its time, in nanoseconds since 1970-01-01 UTC.
    pub consolidated_at: i64,
    /// How many independent writes hold it.
    pub confirmations: u32,
    /// How many citations it has, repetitions included.
    pub citations: usize,
    /// How many of those no other version has.
    pub citations_of_its_own: usize,
    /// Whether it stays visible as a version of its own.
    pub kept: bool,
}

impl Explanation {
    /// Tells `resolution`, which `strategy` gave for `versions`.
    ///
    /// It is derived from the resolution, so it cannot tell another story than the result.
    ///
    /// # Panics
    /// If `resolution` has an index that `versions` has not: it is then not theirs.
    pub fn new(strategy: StrategyId, versions: &Versions<'_>, resolution: &Resolution) -> Self {
        let visible = resolution.visible(versions);
        let shown = match &resolution.outcome {
            Outcome::Kept(indices) => union(indices.iter().map(|&i| versions[i].citations)),
            _ => visible.citations.to_vec(),
        };
        let contributions = (0..versions.len()).map(|i| contribution(versions, resolution, i));
        Self {
            strategy,
            reason: resolution.reason.clone(),
            contributions: contributions.collect(),
            confidence: visible.confidence,
            citations: shown.len(),
            citations_lost: added(&union(versions.iter().map(|v| v.citations)), &shown),
        }
    }
}

fn contribution(versions: &Versions<'_>, resolution: &Resolution, index: usize) -> Contribution {
    let version = &versions[index];
    let others = versions.iter().enumerate().filter(|(i, _)| *i != index);
    let whole = |chosen: usize| if chosen == index { 1.0 } else { 0.0 };
    let (share, kept) = match &resolution.outcome {
        Outcome::Chosen(chosen) => (whole(*chosen), *chosen == index),
        Outcome::Kept(indices) => (whole(indices[0]), indices.contains(&index)),
        Outcome::Composed(merged) => match &merged.embedding {
            Embedding::Of(chosen) => (whole(*chosen), false),
            Embedding::Blended(blend) => (blend.shares.get(index).copied().unwrap_or(0.0), false),
        },
    };
    Contribution {
        digest: version.digest,
        share,
        confidence: version.confidence,
        consolidated_at: version.consolidated_at,
        confirmations: version.confirmations,
        citations: version.citations.len(),
        citations_of_its_own: added(version.citations, &union(others.map(|(_, v)| v.citations))),
        kept,
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => f.write_str("the only version"),
            Self::Confidence { lead } => write!(f, "the greatest confidence, by {lead}"),
            Self::Time { lead } => write!(f, "the latest, by {lead} ns"),
            Self::Digest { tied } => write!(f, "the greatest digest of {tied} equal versions"),
            Self::Mean => f.write_str("the mean of all versions, by weight"),
            Self::PlainMean => f.write_str("the plain mean of all versions, since none has weight"),
            Self::All => f.write_str("no version was left out"),
            Self::Other(rule) => f.write_str(rule),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { strategy, reason, confidence, citations, citations_lost, .. } = self;
        write!(f, "{strategy}: {reason}; confidence {confidence}, {citations} citations")?;
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
        write!(f, "{confirmations} x confirmed, {citations} citations ({own} of its own)")?;
        f.write_str(if self.kept { ", stays visible" } else { "" })
    }
}
