//! Versions, and the validated sets that strategies resolve.

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::value::{FINGERPRINT, fingerprint, same};
use crate::{Outcome, Reason, Resolution, Value};

/// One live version (sibling) of a value.
///
/// Two versions with the same digest and value are one version: [`Versions::new`] keeps a single copy and adds up the
/// confirmations.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Version<T> {
    /// The digest of the value: equal values have equal digests, on every node.
    pub digest: [u8; 32],
    /// The value. Use an `Arc` as `T` to share values instead of copying them.
    pub value: T,
    /// The number of independent writes that hold this value, at least 1.
    pub confirmations: u32,
}

impl<T> Version<T> {
    /// Creates a version with one confirmation.
    #[must_use]
    pub const fn new(digest: [u8; 32], value: T) -> Self {
        Self { digest, value, confirmations: 1 }
    }

    /// Sets the number of writes that hold the version.
    #[must_use]
    pub fn confirmed(mut self, confirmations: u32) -> Self {
        self.confirmations = confirmations;
        self
    }
}

impl<T: Value> Version<T> {
    /// Creates a version with a digest of its value, for tests, generators and examples.
    ///
    /// The digest is good enough to tell test values apart, but it is not cryptographic.
    #[must_use]
    pub fn named(value: T) -> Self {
        let mut digest = [0; 32];
        let mut state = fingerprint(FINGERPRINT, &value);
        for (i, eight) in digest.chunks_mut(8).enumerate() {
            state = fingerprint(state, &(i as u8));
            eight.copy_from_slice(&state.to_be_bytes());
        }
        Self::new(digest, value)
    }
}

/// A non-empty set of valid versions in canonical order: by digest, each digest once.
///
/// A strategy receives only this set. The set does not depend on the order in which versions arrived, so a
/// strategy cannot depend on that order.
#[derive(Clone, Debug)]
pub struct Versions<T> {
    sorted: Vec<Version<T>>,
}

/// The error for versions that do not form a set that a strategy can resolve.
///
/// If the error names a version, leave the version out, or correct it where it entered the system: a
/// stored version should have passed the same checks.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidVersions<E> {
    /// The set is empty.
    #[error("no versions: a set to resolve has at least one")]
    Empty,
    /// A value is invalid.
    #[error(transparent)]
    Value(InvalidValue<E>),
    /// A version has no confirmations.
    #[error("version {}: 0 confirmations, but a live version has at least 1", short(.digest))]
    Unconfirmed {
        /// The digest of the version.
        digest: [u8; 32],
    },
    /// Two different values have the same digest, so two nodes could keep different ones.
    #[error("two different values have the digest {}", short(.digest))]
    Contradiction {
        /// The digest.
        digest: [u8; 32],
    },
}

/// The error for an invalid value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("version {}: {cause}", short(.digest))]
#[non_exhaustive]
pub struct InvalidValue<E> {
    /// The digest of the value.
    pub digest: [u8; 32],
    /// The cause.
    pub cause: E,
}

/// The first eight hexadecimal digits of a digest: enough to find a version in a log.
pub(crate) fn short(digest: &[u8; 32]) -> String {
    digest[..4].iter().fold(String::with_capacity(8), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(nibble.into(), 16).expect("a nibble is below 16"));
        }
        text
    })
}

impl<T: Value> Versions<T> {
    /// Validates the versions, sorts them by digest and merges equal ones.
    ///
    /// Confirmations of equal versions add up (saturating at `u32::MAX`), so pass each write once: a version per write,
    /// or a version per value with the number of its writes. Takes `O(n log n)` steps and one validation of each value.
    ///
    /// # Errors
    /// [`InvalidVersions`] if there are no versions; otherwise it names the first invalid version in order of digests,
    /// or, if all versions are valid, the first digest with two different values.
    pub fn new(
        versions: impl IntoIterator<Item = Version<T>>,
    ) -> Result<Self, InvalidVersions<T::Invalid>> {
        let mut sorted: Vec<Version<T>> = versions.into_iter().collect();
        sorted.sort_by_key(|version| version.digest);
        let first = sorted.first().ok_or(InvalidVersions::Empty)?;
        for Version { digest, value, confirmations } in &sorted {
            value
                .validate(&first.value)
                .map_err(|cause| InvalidVersions::Value(InvalidValue { digest: *digest, cause }))?;
            if *confirmations == 0 {
                return Err(InvalidVersions::Unconfirmed { digest: *digest });
            }
        }
        for pair in sorted.windows(2) {
            if pair[0].digest == pair[1].digest && !same(&pair[0].value, &pair[1].value) {
                return Err(InvalidVersions::Contradiction { digest: pair[0].digest });
            }
        }
        sorted.dedup_by(|next, kept| {
            let same = next.digest == kept.digest;
            if same {
                kept.confirmations = kept.confirmations.saturating_add(next.confirmations);
            }
            same
        });
        Ok(Self { sorted })
    }
}

impl<T> Versions<T> {
    /// The versions in order of their digests; never empty.
    pub fn as_slice(&self) -> &[Version<T>] {
        &self.sorted
    }

    /// The versions in order of their digests.
    pub fn iter(&self) -> core::slice::Iter<'_, Version<T>> {
        self.sorted.iter()
    }

    /// The values in order of their digests.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &T> + Clone {
        self.sorted.iter().map(|version| &version.value)
    }

    /// The number of versions, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a set of versions is never empty")]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// The index of the greatest version by `order`; among equals, the one with the greatest digest.
    ///
    /// Use this function to choose a winner: `order` and the digest together form a total order.
    pub fn best_by(&self, order: impl Fn(&Version<T>, &Version<T>) -> Ordering) -> usize {
        // The versions ascend by digest, and `max_by` returns the last of several equal elements.
        let best = (0..self.len()).max_by(|&i, &j| order(&self.sorted[i], &self.sorted[j]));
        best.expect("a set of versions is never empty")
    }

    /// Chooses the version that [`best_by`](Self::best_by) finds. The reason is [`Reason::Only`] for a single
    /// version, [`Reason::Digest`] if `order` finds other versions equal to the chosen one, and otherwise
    /// [`Reason::Other`] with the text `rule`.
    pub fn choose_by(
        &self,
        rule: &'static str,
        order: impl Fn(&Version<T>, &Version<T>) -> Ordering,
    ) -> Resolution<T> {
        let index = self.best_by(&order);
        let tied = self.iter().filter(|version| order(version, &self[index]).is_eq()).count();
        let reason = match tied {
            _ if self.len() == 1 => Reason::Only,
            1 => Reason::Other(rule.into()),
            _ => Reason::Digest { tied },
        };
        Resolution { outcome: Outcome::Chosen(index), reason }
    }
}

impl<T> core::ops::Index<usize> for Versions<T> {
    type Output = Version<T>;

    /// The version at `index` of [`Versions::as_slice`].
    ///
    /// # Panics
    /// If `index` is not below [`Versions::len`].
    fn index(&self, index: usize) -> &Version<T> {
        &self.sorted[index]
    }
}

impl<'s, T> IntoIterator for &'s Versions<T> {
    type Item = &'s Version<T>;
    type IntoIter = core::slice::Iter<'s, Version<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
