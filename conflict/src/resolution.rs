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

/// The visible value or values of a set of versions.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<T> {
    /// The version at this index, bit for bit.
    Chosen(usize),
    /// A value composed of the versions; it need not equal any of them.
    Composed(Composed<T>),
    /// All these versions remain visible, in display order.
    Kept(Vec<usize>),
}

/// A value composed of several versions.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Composed<T> {
    /// The value.
    pub value: T,
    /// The share of each version in the value, in the order of [`Versions::as_slice`]. The shares add up to 1.
    pub shares: Vec<f64>,
}

/// The rule that decided, with its margin if it has one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// There was only one version.
    Only,
    /// The greatest confidence.
    Confidence {
        /// The distance to the second greatest confidence.
        lead: f32,
    },
    /// The latest time.
    Time {
        /// The distance to the second latest time, in nanoseconds.
        lead: u64,
    },
    /// The greatest digest among versions that the strategy's rule finds equal.
    Digest {
        /// The number of equal versions, at least 2.
        tied: usize,
    },
    /// The mean of all versions, weighted by [`Composed::shares`].
    Mean,
    /// The plain mean of all versions, because every weight was zero.
    PlainMean,
    /// All versions are kept.
    All,
    /// The rule of a custom strategy.
    Other(Cow<'static, str>),
}

impl<T> Resolution<T> {
    /// Chooses the version at `index`, for `reason`.
    #[must_use]
    pub const fn chosen(index: usize, reason: Reason) -> Self {
        Self { outcome: Outcome::Chosen(index), reason }
    }

    /// Keeps the versions at `indices`, which are in display order.
    #[must_use]
    pub const fn kept(indices: Vec<usize>, reason: Reason) -> Self {
        Self { outcome: Outcome::Kept(indices), reason }
    }

    /// Returns a resolution that shows `value`, which is composed of all versions in these shares. The shares must add
    /// up to 1.
    #[must_use]
    pub const fn blended(value: T, shares: Vec<f64>, reason: Reason) -> Self {
        Self { outcome: Outcome::Composed(Composed { value, shares }), reason }
    }

    /// Returns a resolution that shows `value`, a changed copy of the version at `base`. The outcome is a composition
    /// if the two differ, otherwise a choice of that version. The version at `base` gets a share of 1.
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

    /// Returns the value to show; if several versions are kept, the first of them.
    ///
    /// # Panics
    /// If the index of the value is out of range for `versions`, or nothing was kept: the resolution belongs to
    /// another set, or the strategy breaks the law [`Valid`](crate::Law::Valid).
    pub fn visible<'a>(&'a self, versions: &'a Versions<T>) -> &'a T {
        match &self.outcome {
            Outcome::Chosen(index) => &versions[*index].value,
            Outcome::Kept(indices) => &versions[indices[0]].value,
            Outcome::Composed(composed) => &composed.value,
        }
    }

    /// Returns all visible values: a single one, or all that were kept.
    ///
    /// # Panics
    /// If an index is out of range for `versions`.
    pub fn all_visible<'a>(&'a self, versions: &'a Versions<T>) -> Vec<&'a T> {
        match &self.outcome {
            Outcome::Kept(indices) => indices.iter().map(|&i| &versions[i].value).collect(),
            _ => alloc::vec![self.visible(versions)],
        }
    }
}
