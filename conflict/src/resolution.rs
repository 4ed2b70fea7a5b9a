//! The answer of a strategy: an outcome, and the reason for it.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::hash::Hash;

use crate::Versions;
use crate::value::same;

/// The answer of a strategy for one set of versions.
///
/// Indices are those of [`Versions::as_slice`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Resolution<T> {
    /// The visible value, or values.
    pub outcome: Outcome<T>,
    /// The rule that decided.
    pub reason: Reason,
}

/// What is visible of a set of versions.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<T> {
    /// The version at this index, bit for bit.
    Chosen(usize),
    /// A value that no version holds.
    Composed(Composed<T>),
    /// All these versions stay visible side by side, the one to show first in front.
    Kept(Vec<usize>),
}

/// A value composed of several versions.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Composed<T> {
    /// The value.
    pub value: T,
    /// The share of each version in the value, in the order of [`Versions::as_slice`]; they add up to 1.
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
    /// The latest time.
    Time {
        /// How many nanoseconds it is after the next.
        lead: u64,
    },
    /// The greatest digest, among versions that were equal by the rule before.
    Digest {
        /// How many versions were equal; at least 2.
        tied: usize,
    },
    /// The mean of all versions, weighted as [`Composed::shares`] say.
    Mean,
    /// The plain mean of all versions, because every weight was zero.
    PlainMean,
    /// No version was left out.
    All,
    /// The rule of a strategy that this crate does not know.
    Other(Cow<'static, str>),
}

impl<T> Resolution<T> {
    /// The version at `index`, for `reason`.
    #[must_use]
    pub const fn chosen(index: usize, reason: Reason) -> Self {
        Self { outcome: Outcome::Chosen(index), reason }
    }

    /// The versions at `indices`, side by side, the one to show first in front.
    #[must_use]
    pub const fn kept(indices: Vec<usize>, reason: Reason) -> Self {
        Self { outcome: Outcome::Kept(indices), reason }
    }

    /// A new value of which each version has a share. The shares add up to 1.
    #[must_use]
    pub const fn blended(value: T, shares: Vec<f64>, reason: Reason) -> Self {
        Self { outcome: Outcome::Composed(Composed { value, shares }), reason }
    }

    /// The version at `base` with changes: a composition if `value` differs from that version, otherwise the choice of
    /// it. The whole share is that version's.
    ///
    /// # Panics
    /// If `base` is not an index of `versions`.
    #[must_use]
    pub fn composed(value: T, base: usize, versions: &Versions<T>, reason: Reason) -> Self
    where
        T: Hash,
    {
        if same(&value, &versions[base].value) {
            return Self::chosen(base, reason);
        }
        let shares = (0..versions.len()).map(|index| f64::from(u8::from(index == base)));
        Self::blended(value, shares.collect(), reason)
    }

    /// The value to show: of several kept versions the first.
    ///
    /// # Panics
    /// If an index is not one of `versions`, or nothing was kept: the resolution is then not one of these versions, or
    /// the strategy breaks law [`Valid`](crate::Law::Valid).
    pub fn visible<'a>(&'a self, versions: &'a Versions<T>) -> &'a T {
        match &self.outcome {
            Outcome::Chosen(index) => &versions[*index].value,
            Outcome::Kept(indices) => &versions[indices[0]].value,
            Outcome::Composed(composed) => &composed.value,
        }
    }

    /// All visible values: one, or those kept side by side.
    ///
    /// # Panics
    /// As [`visible`](Self::visible).
    pub fn all_visible<'a>(&'a self, versions: &'a Versions<T>) -> Vec<&'a T> {
        match &self.outcome {
            Outcome::Kept(indices) => indices.iter().map(|&i| &versions[i].value).collect(),
            _ => alloc::vec![self.visible(versions)],
        }
    }
}
