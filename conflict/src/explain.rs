//! Explanations of resolutions, version by version.

use alloc::vec::Vec;
use core::fmt;

use crate::version::short;
use crate::{Outcome, Reason, Resolution, StrategyId, Versions};

/// A resolution in terms that an operator can check: the rule that decided, with its margin if it has one, and the
/// contribution of each version. `Display` writes a line for the rule and one for each version.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The strategy that decided.
    pub strategy: StrategyId,
    /// The rule that decided, with its margin if it has one.
    pub reason: Reason,
    /// The contribution of each version, in the order of [`Versions::as_slice`].
    pub contributions: Vec<Contribution>,
}

/// The contribution of one version to the visible value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Contribution {
    /// The digest of the version.
    pub digest: [u8; 32],
    /// The share of the version in the visible value: 1 for the whole, 0 for nothing.
    pub share: f64,
    /// The number of independent writes that hold the version.
    pub confirmations: u32,
    /// Whether the version itself is visible: it was chosen or kept.
    pub kept: bool,
}

impl Explanation {
    /// Explains `resolution`, the answer of `strategy` for `versions`.
    ///
    /// # Panics
    /// If the outcome of `resolution` is an empty [`Outcome::Kept`], which breaks the law
    /// [`Valid`](crate::Law::Valid).
    #[must_use]
    pub fn new<T>(
        strategy: StrategyId,
        versions: &Versions<T>,
        resolution: &Resolution<T>,
    ) -> Self {
        let contributions = versions.iter().enumerate().map(|(index, version)| Contribution {
            digest: version.digest,
            share: share(&resolution.outcome, index),
            confirmations: version.confirmations,
            kept: kept(&resolution.outcome, index),
        });
        let (reason, contributions) = (resolution.reason.clone(), contributions.collect());
        Self { strategy, reason, contributions }
    }
}

fn share<T>(outcome: &Outcome<T>, index: usize) -> f64 {
    let whole = |chosen: usize| if chosen == index { 1.0 } else { 0.0 };
    match outcome {
        Outcome::Chosen(chosen) => whole(*chosen),
        Outcome::Kept(indices) => whole(indices[0]),
        Outcome::Composed(composed) => composed.shares.get(index).copied().unwrap_or(0.0),
    }
}

fn kept<T>(outcome: &Outcome<T>, index: usize) -> bool {
    match outcome {
        Outcome::Chosen(chosen) => *chosen == index,
        Outcome::Kept(indices) => indices.contains(&index),
        Outcome::Composed(_) => false,
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
        write!(f, "{}: {}", self.strategy, self.reason)?;
        self.contributions.iter().try_for_each(|part| write!(f, "\n  {part}"))
    }
}

impl fmt::Display for Contribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digest, percent) = (short(&self.digest), self.share * 100.0);
        write!(f, "{digest}: {percent:.1} % of the value, {} x confirmed", self.confirmations)?;
        f.write_str(if self.kept { ", stays visible" } else { "" })
    }
}
