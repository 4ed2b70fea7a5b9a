//! One version, and the validated set of versions that every strategy takes.

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// One live version (sibling) of a pattern, borrowed from its store.
///
/// Two versions with one digest are one version: [`Versions::new`] keeps a single copy and adds
/// the confirmations up.
#[derive(Clone, Copy, Debug)]
pub struct Version<'a> {
    /// Names the content: equal contents have equal digests, on every node.
    pub digest: [u8; 32],
    /// The embedding; all versions of a set have the same dimension. May be empty.
    pub embedding: &'a [f32],
    /// Ids of the episodes the version cites. A multiset: ids may repeat, in any order.
    pub citations: &'a [String],
    /// Coherence of the pattern: finite, not negative, may be a little above 1.
    pub strength: f32,
    /// Confidence, in `0..=1`.
    pub confidence: f32,
    /// When the version was consolidated, in nanoseconds since 1970-01-01 UTC.
    pub consolidated_at: i64,
    /// How many independent writes hold this content; at least 1.
    pub confirmations: u32,
}

/// A non-empty set of valid versions in canonical order: by digest, each digest once.
///
/// The only argument of a strategy. Whatever order the versions arrived in, and however often
/// each of them arrived, the set is the same, so a strategy cannot depend on either.
#[derive(Clone, Debug)]
pub struct Versions<'a> {
    sorted: Vec<Version<'a>>,
}

/// Why some versions are not a set that a strategy can resolve.
///
/// Nothing was changed. Leave out the version that is named (by its digest), or correct it where
/// it entered the system: a stored version should have passed the same checks.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidVersions {
    /// There is no version to choose from.
    #[error("no versions: a set to resolve has at least one")]
    Empty,
    /// One of the versions is not valid.
    #[error(transparent)]
    Version(#[from] InvalidVersion),
    /// One digest over two contents: whichever were kept, two nodes could keep different ones.
    #[error("two different contents have the digest {}", short(.digest))]
    Contradiction {
        /// The digest.
        digest: [u8; 32],
    },
}

/// Why one version is not valid, and which. Nothing was changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidVersion {
    /// An embedding of another dimension than the others.
    #[error("version {}: embedding of {found} dimensions among versions of {expected}", short(.digest))]
    Dimension {
        /// Names the version.
        digest: [u8; 32],
        /// The dimension of the others; in a set, of the version with the smallest digest.
        expected: usize,
        /// The dimension of this one.
        found: usize,
    },
    /// A component of an embedding that is NaN or infinite.
    #[error("version {}: component {component} of the embedding is {value}, not a finite number", short(.digest))]
    Component {
        /// Names the version.
        digest: [u8; 32],
        /// Index of the first such component.
        component: usize,
        /// Its value.
        value: f32,
    },
    /// A confidence that is NaN or outside `0..=1`.
    #[error("version {}: confidence {value} is not in 0..=1", short(.digest))]
    Confidence {
        /// Names the version.
        digest: [u8; 32],
        /// The confidence.
        value: f32,
    },
    /// A strength that is NaN, infinite or negative.
    #[error("version {}: strength {value} is not a finite number of at least 0", short(.digest))]
    Strength {
        /// Names the version.
        digest: [u8; 32],
        /// The strength.
        value: f32,
    },
    /// A version that nobody wrote.
    #[error("version {}: 0 confirmations, a live version has at least 1", short(.digest))]
    Unconfirmed {
        /// Names the version.
        digest: [u8; 32],
    },
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

pub(crate) fn check_embedding(
    digest: [u8; 32],
    embedding: &[f32],
    dimension: usize,
) -> Result<(), InvalidVersion> {
    if embedding.len() != dimension {
        let found = embedding.len();
        return Err(InvalidVersion::Dimension { digest, expected: dimension, found });
    }
    match embedding.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(component) => {
            Err(InvalidVersion::Component { digest, component, value: embedding[component] })
        }
    }
}

pub(crate) fn check_confidence(digest: [u8; 32], value: f32) -> Result<(), InvalidVersion> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(()),
        false => Err(InvalidVersion::Confidence { digest, value }),
    }
}

impl Version<'_> {
    fn validate(&self, dimension: usize) -> Result<(), InvalidVersion> {
        let digest = self.digest;
        check_embedding(digest, self.embedding, dimension)?;
        check_confidence(digest, self.confidence)?;
        if !(self.strength.is_finite() && self.strength >= 0.0) {
            return Err(InvalidVersion::Strength { digest, value: self.strength });
        }
        if self.confirmations == 0 {
            return Err(InvalidVersion::Unconfirmed { digest });
        }
        Ok(())
    }

    /// Whether two versions are the same bit for bit, confirmations aside.
    pub(crate) fn same_content(&self, other: &Version<'_>) -> bool {
        let bits = |v: &Version<'_>| {
            (v.digest, v.strength.to_bits(), v.confidence.to_bits(), v.consolidated_at)
        };
        bits(self) == bits(other)
            && self.citations == other.citations
            && self.embedding.len() == other.embedding.len()
            && self.embedding.iter().zip(other.embedding).all(|(a, b)| a.to_bits() == b.to_bits())
    }
}

impl<'a> Versions<'a> {
    /// Validates the versions, sorts them by digest and joins equal ones.
    ///
    /// Confirmations of equal versions add up (they stop at `u32::MAX`), so give each write once:
    /// a version per dot, or a version per content with the number of its dots. A zero with a sign, a
    /// subnormal number and a strength above 1 are valid and stay as they are.
    ///
    /// # Errors
    /// [`InvalidVersions`] names the first version, in order of digests, that is not valid, and
    /// why. Costs `O(n log n)` and one look at each component.
    pub fn new(versions: impl IntoIterator<Item = Version<'a>>) -> Result<Self, InvalidVersions> {
        let mut sorted: Vec<Version<'a>> = versions.into_iter().collect();
        sorted.sort_by_key(|version| version.digest);
        let dimension = sorted.first().ok_or(InvalidVersions::Empty)?.embedding.len();
        for version in &sorted {
            version.validate(dimension)?;
        }
        for pair in sorted.windows(2) {
            if pair[0].digest == pair[1].digest && !pair[0].same_content(&pair[1]) {
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

    /// The versions in order of their digests; never empty.
    pub fn as_slice(&self) -> &[Version<'a>] {
        &self.sorted
    }

    /// The versions in order of their digests.
    pub fn iter(&self) -> core::slice::Iter<'_, Version<'a>> {
        self.sorted.iter()
    }

    /// How many different versions there are; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a set of versions is never empty")]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// The dimension that all embeddings have.
    pub fn dimension(&self) -> usize {
        self.sorted[0].embedding.len()
    }

    /// The index of the greatest version by `order`; among equals, of the greatest digest.
    ///
    /// This is how a winner should be chosen: together the two are a total order.
    pub fn best_by(&self, order: impl Fn(&Version<'a>, &Version<'a>) -> Ordering) -> usize {
        // The versions ascend by digest, and `max_by` takes the last of equals.
        let best = (0..self.len()).max_by(|&i, &j| order(&self.sorted[i], &self.sorted[j]));
        best.expect("a set of versions is never empty")
    }
}

impl<'a> core::ops::Index<usize> for Versions<'a> {
    type Output = Version<'a>;

    /// The version at `index` of [`Versions::as_slice`].
    ///
    /// # Panics
    /// If `index` is not below [`Versions::len`].
    fn index(&self, index: usize) -> &Version<'a> {
        &self.sorted[index]
    }
}

impl<'s, 'a> IntoIterator for &'s Versions<'a> {
    type Item = &'s Version<'a>;
    type IntoIter = core::slice::Iter<'s, Version<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
