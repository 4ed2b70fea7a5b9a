use alloc::vec::Vec;
use core::{fmt, iter, slice};

use crate::SuppressionError;

/// The bound on the number of digests in a [`Suppression`]: 1,024. [`Suppression::bound`] enforces
/// it and keeps the smallest digests.
pub const MAX_SUPPRESSED: usize = 1024;

/// The maximum causal length of a digest: 2^31. An operation that would exceed it changes nothing.
pub const MAX_LENGTH: u32 = 1 << 31;

/// The digests of values that no replica may show: a causal-length set (Yu and Rostad, 2020).
///
/// Each digest has a length, which grows whenever the digest is suppressed or released; an odd
/// length means suppressed. A join keeps the greater length. Suppressing a suppressed digest again
/// advances its length by two, so the new suppression wins over a concurrent release of the old
/// one.
///
/// ```
/// use engram_vclock::{Changed, Suppression};
///
/// let (mut here, mut there) = (Suppression::new(), Suppression::new());
/// assert_eq!(here.suppress("spam"), Changed::Done);
/// there.join(&here);
/// assert!(there.is_suppressed(&"spam"));
///
/// assert_eq!(there.release(&"spam"), Changed::Done);
/// here.join(&there);
/// assert!(!here.is_suppressed(&"spam"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Suppression<D = [u8; 32]> {
    /// Strictly ascending by digest; lengths are within 1..=MAX_LENGTH.
    lengths: Vec<(D, u32)>,
}

/// The outcome of an operation on one digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Changed {
    /// The length of the digest grew.
    Done,
    /// The digest was not suppressed. There was nothing to release.
    Already,
    /// The length of the digest would exceed [`MAX_LENGTH`]. Nothing changed.
    AtBound,
}

impl<D> Suppression<D> {
    /// Returns the empty set, in which nothing was ever suppressed. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { lengths: Vec::new() }
    }

    /// Returns the number of digests that have a length, suppressed or released.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Returns whether nothing was ever suppressed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Iterates over the digests in ascending order, each with its length.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&D, u32)> + DoubleEndedIterator + Clone {
        self.lengths.iter().map(|(digest, length)| (digest, *length))
    }
}

impl<D: Ord + Clone> Suppression<D> {
    /// Returns whether the digest is suppressed. Takes O(log n) steps for n digests.
    #[must_use]
    pub fn is_suppressed(&self, digest: &D) -> bool {
        self.position(digest).is_ok_and(|at| self.lengths[at].1 % 2 == 1)
    }

    /// Suppresses the digest. If it is already suppressed, the new suppression still protects it
    /// from a concurrent release of the earlier one. Takes O(log n) steps, or O(n) if the digest is
    /// new.
    ///
    /// The set may grow beyond its bound; call [`bound`](Self::bound) after the last suppression.
    pub fn suppress(&mut self, digest: D) -> Changed {
        match self.position(&digest) {
            Ok(at) => self.advance(at, 1 + self.lengths[at].1 % 2),
            Err(at) => {
                self.lengths.insert(at, (digest, 1));
                Changed::Done
            }
        }
    }

    /// Releases the digest. Takes O(log n) steps.
    pub fn release(&mut self, digest: &D) -> Changed {
        let suppressed = self.position(digest).ok().filter(|at| self.lengths[*at].1 % 2 == 1);
        suppressed.map_or(Changed::Already, |at| self.advance(at, 1))
    }

    /// Joins `other` into this set, which keeps the greater length of each digest. Returns whether the set changed.
    /// Takes O(n + m) steps for n and m digests, and allocates only if `other` has a digest that this set lacks.
    ///
    /// The set may grow beyond its bound; call [`bound`](Self::bound) afterwards. A change is reported even if
    /// `bound` then drops the new digests.
    pub fn join(&mut self, other: &Self) -> bool {
        let (mut at, known, mut changed) = (0, self.lengths.len(), false);
        for (digest, length) in &other.lengths {
            while at < known && self.lengths[at].0 < *digest {
                at += 1;
            }
            match self.lengths[..known].get_mut(at) {
                Some((mine, held)) if mine == digest => {
                    changed |= *held < *length;
                    *held = (*held).max(*length);
                }
                _ => self.lengths.push((digest.clone(), *length)),
            }
        }
        let grown = self.lengths.len() > known;
        if grown {
            // A stable sort merges two sorted runs in linear time.
            self.lengths.sort();
        }
        changed || grown
    }

    /// Keeps the [`MAX_SUPPRESSED`] smallest digests and returns the others, in ascending order.
    ///
    /// The result depends only on the set, so replicas that call this method at different times
    /// agree after they join and call it again.
    pub fn bound(&mut self) -> Vec<D> {
        let kept = self.lengths.len().min(MAX_SUPPRESSED);
        self.lengths.drain(kept..).map(|(digest, _)| digest).collect()
    }

    /// Builds a set from entries that are already canonical. Takes O(n) steps.
    ///
    /// # Errors
    ///
    /// [`SuppressionError::TooMany`] for more than [`MAX_SUPPRESSED`] digests,
    /// [`SuppressionError::ZeroLength`] and [`SuppressionError::TooLong`] if a length is not within
    /// 1..=[`MAX_LENGTH`], [`SuppressionError::OutOfOrder`] if the digests do not strictly ascend.
    pub fn from_sorted(
        lengths: impl IntoIterator<Item = (D, u32)>,
    ) -> Result<Self, SuppressionError> {
        let lengths: Vec<_> = lengths.into_iter().take(MAX_SUPPRESSED + 1).collect();
        if lengths.len() > MAX_SUPPRESSED {
            return Err(SuppressionError::TooMany);
        }
        for (index, (digest, length)) in lengths.iter().enumerate() {
            if *length == 0 {
                return Err(SuppressionError::ZeroLength { index });
            }
            if *length > MAX_LENGTH {
                return Err(SuppressionError::TooLong { index });
            }
            if index > 0 && lengths[index - 1].0 >= *digest {
                return Err(SuppressionError::OutOfOrder { index });
            }
        }
        Ok(Self { lengths })
    }

    fn position(&self, digest: &D) -> Result<usize, usize> {
        self.lengths.binary_search_by(|(held, _)| held.cmp(digest))
    }

    /// Adds `by` to the length at `at`, unless the sum would exceed [`MAX_LENGTH`].
    fn advance(&mut self, at: usize, by: u32) -> Changed {
        let length = &mut self.lengths[at].1;
        if *length > MAX_LENGTH - by {
            return Changed::AtBound;
        }
        *length += by;
        Changed::Done
    }
}

impl<'a, D> IntoIterator for &'a Suppression<D> {
    type Item = (&'a D, u32);
    type IntoIter = iter::Map<slice::Iter<'a, (D, u32)>, fn(&'a (D, u32)) -> Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.lengths.iter().map(|(digest, length)| (digest, *length))
    }
}

impl<D> Default for Suppression<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D: fmt::Debug> fmt::Debug for Suppression<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
