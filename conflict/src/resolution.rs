//! What a strategy answers: an outcome, and the reason for it.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::{Version, Versions};

/// The answer of a strategy for one set of versions.
///
/// Indices are those of [`Versions::as_slice`].
#[derive(Clone, Debug, PartialEq)]
pub struct Resolution {
    /// What is visible.
    pub outcome: Outcome,
    /// By which rule.
    pub reason: Reason,
}

/// What is visible of a set of versions.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The version at this index, bit for bit.
    Chosen(usize),
    /// A value that none of the versions holds.
    Composed(Merged),
    /// All these versions stay visible side by side, the one to show first in front.
    Kept(Vec<usize>),
}

/// A value composed of several versions.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The embedding.
    pub embedding: Embedding,
    /// The citations, sorted.
    pub citations: Vec<String>,
    /// The strength: finite, not negative.
    pub strength: f32,
    /// The confidence: never above that of every version.
    pub confidence: f32,
    /// Nanoseconds since 1970-01-01 UTC.
    pub consolidated_at: i64,
}

/// Where the embedding of a [`Merged`] value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Embedding {
    /// It is that of the version at this index, bit for bit: share it, do not copy it.
    Of(usize),
    /// It is a new one.
    Blended(Blend),
}

/// An embedding that is a weighted mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Blend {
    /// The components, each rounded once.
    pub components: Vec<f32>,
    /// The share of each version, in the order of [`Versions::as_slice`]; they add up to 1.
    pub shares: Vec<f64>,
}

/// The rule that decided, and by how much.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// There was only one version.
    Only,
    /// The greatest confidence.
    Confidence {
        /// How far it is above the next.
        lead: f32,
    },
    /// The latest consolidation.
    Time {
        /// How many nanoseconds it is after the next.
        lead: u64,
    },
    /// The greatest digest, among versions that were equal by the rule before.
    Digest {
        /// How many versions were equal.
        tied: usize,
    },
    /// The mean of all versions, weighted as [`Blend::shares`] say.
    Mean,
    /// The plain mean of all versions, because every weight was zero.
    PlainMean,
    /// No version was left out.
    All,
    /// The rule of a strategy that this crate does not know.
    Other(Cow<'static, str>),
}

/// A resolved value with everything borrowed: from a version, or from the [`Resolution`].
#[derive(Clone, Copy, Debug)]
pub struct Visible<'a> {
    /// The embedding.
    pub embedding: &'a [f32],
    /// The citations: a multiset.
    pub citations: &'a [String],
    /// The strength.
    pub strength: f32,
    /// The confidence.
    pub confidence: f32,
    /// Nanoseconds since 1970-01-01 UTC.
    pub consolidated_at: i64,
}

impl Resolution {
    /// The version at `index`, for `reason`.
    pub fn chosen(index: usize, reason: Reason) -> Self {
        Self { outcome: Outcome::Chosen(index), reason }
    }

    /// The version at `index` with changes: `merged` if it differs from that version, otherwise
    /// the choice of it. So a composition that changes nothing is a choice, bit for bit.
    pub fn composed(merged: Merged, versions: &Versions<'_>, reason: Reason) -> Self {
        let outcome = match merged.embedding {
            Embedding::Of(index) if merged.equals(&versions[index]) => Outcome::Chosen(index),
            _ => Outcome::Composed(merged),
        };
        Self { outcome, reason }
    }

    /// The value to show: of several kept versions the first.
    ///
    /// # Panics
    /// If an index is not one of `versions`, or nothing was kept: the resolution is then not one
    /// of these versions, or the strategy broke law S3.
    pub fn visible<'a>(&'a self, versions: &Versions<'a>) -> Visible<'a> {
        match &self.outcome {
            Outcome::Chosen(index) => versions[*index].into(),
            Outcome::Kept(indices) => versions[indices[0]].into(),
            Outcome::Composed(merged) => Visible {
                embedding: match &merged.embedding {
                    Embedding::Of(index) => versions[*index].embedding,
                    Embedding::Blended(blend) => &blend.components,
                },
                citations: &merged.citations,
                strength: merged.strength,
                confidence: merged.confidence,
                consolidated_at: merged.consolidated_at,
            },
        }
    }
}

impl Merged {
    fn equals(&self, version: &Version<'_>) -> bool {
        self.strength.to_bits() == version.strength.to_bits()
            && self.confidence.to_bits() == version.confidence.to_bits()
            && self.consolidated_at == version.consolidated_at
            && crate::citation::same(&self.citations, version.citations)
    }
}

impl<'a> From<Version<'a>> for Visible<'a> {
    fn from(version: Version<'a>) -> Self {
        let Version { embedding, citations, strength, confidence, consolidated_at, .. } = version;
        Self { embedding, citations, strength, confidence, consolidated_at }
    }
}
