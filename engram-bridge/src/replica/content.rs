//! The canonical form of a pattern, and its digest.

use std::collections::HashMap;
use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_gossip_proto::limits::MAX_CONTENT_LEN;
use engram_gossip_proto::{PatternContent, TooLarge, check_content};
use engram_merkle::{AnyHasher, Digest};

use crate::engram::pattern::{Confidence, SemanticPattern};
use crate::engram::precision::Precision;
use crate::engram::timestamp::Timestamp;
use crate::replica::canonical::{TAG, decode, encode, encode_wire, max_encoded_len};
use crate::replica::encoding::hash;
use crate::replica::half_precision::{half, halved, rounds_to};

/// The longest pattern id, in bytes.
pub const MAX_ID_BYTES: usize = 128;
/// The longest episode id, in bytes.
pub const MAX_EPISODE_ID_BYTES: usize = PatternContent::MAX_EPISODE_ID;
/// The maximum number of episodes that one pattern may cite.
pub const MAX_EPISODES: usize = PatternContent::MAX_EPISODES;

/// Why a pattern cannot be shared with other nodes. The pattern was not stored; the other patterns
/// of the same call are not affected.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The id is empty or too long.
    #[error("its id has {bytes} bytes; an id must have 1 to {MAX_ID_BYTES} bytes")]
    IdLength {
        /// Its length.
        bytes: usize,
    },
    /// The embedding does not have the cluster's dimension.
    #[error(
        "its embedding has {found} dimensions, but this cluster uses {expected}; embed it with the cluster's model"
    )]
    Dimension {
        /// The cluster's dimension.
        expected: usize,
        /// The pattern's dimension.
        found: usize,
    },
    /// The embedding contains NaN or an infinity.
    #[error("number {index} of its embedding is {value}; consolidate its episodes again")]
    Embedding {
        /// The index of the number, from 0.
        index: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// A number of the embedding is too large for half precision.
    #[error(
        "number {index} of its embedding is {value}, which is too large for the cluster's \
         half precision; embed it with a model that has smaller numbers, or migrate the cluster to f32"
    )]
    BeyondHalf {
        /// The index of the number, from 0.
        index: usize,
        /// The value.
        value: f32,
    },
    /// A peer sent a number that half precision does not represent exactly.
    #[error(
        "number {index} of its embedding is {value}, but this cluster requires half-precision numbers"
    )]
    NotHalf {
        /// The index of the number, from 0.
        index: usize,
        /// The value.
        value: f32,
    },
    /// A peer sent a pattern that is not in canonical form.
    #[error("its episodes are not in ascending order, or it contains a negative zero")]
    NotCanonical,
    /// The strength is NaN, infinite or negative. Values slightly above 1 are valid: the engine
    /// emits them.
    #[error("its strength is {value}; it must be a finite number of at least 0")]
    Strength {
        /// The value.
        value: f32,
    },
    /// The confidence is NaN or outside 0..=1.
    #[error("its confidence is {value}; it must lie in 0..=1")]
    Confidence {
        /// The value.
        value: f32,
    },
    /// The pattern cites too many episodes.
    #[error("it cites {found} episodes; at most {MAX_EPISODES} are allowed; split the pattern")]
    EpisodeCount {
        /// The number of citations.
        found: usize,
    },
    /// An episode id is too long.
    #[error(
        "the id of episode {index} has {bytes} bytes; at most {MAX_EPISODE_ID_BYTES} are allowed"
    )]
    EpisodeIdLength {
        /// The index of the episode, from 0.
        index: usize,
        /// The length of the episode id.
        bytes: usize,
    },
    /// The id occurs several times in one snapshot, and an earlier copy was kept.
    #[error(
        "its id occurs several times in this snapshot; an earlier copy was kept; give this one its own id"
    )]
    Duplicate,
    /// The pattern does not fit into a message.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The record of the pattern's id already has the greatest possible version, so there is no later one to write.
    #[error(
        "its record already has the greatest possible version, written under a wrong clock; \
         correct the clock, then drop the implausible versions of this id"
    )]
    VersionsExhausted,
}

/// The dimension and the precision of embeddings, equal on all nodes of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) dimension: usize,
    pub(crate) precision: Precision,
}

/// A valid pattern in its one canonical form: equal contents have equal digests.
///
/// In canonical form, every float is finite, the embedding is rounded to the cluster's precision, no number is negative
/// zero, and the episodes are in ascending order, repeats included. The digest covers every byte, embedding included:
/// hashing less would make two different versions look equal permanently.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    held: Held,
    digest: Digest,
}

/// A content as the store holds it: without its digest, which is the key.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) pattern: Arc<SemanticPattern>,
    pub(crate) introducer: Introducer,
}

/// The source from which a content first arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Introducer {
    /// The node's own engine.
    Engine,
    /// A peer; `None` if the session did not know the peer's id.
    Peer(Option<Arc<NodeId>>),
}

/// The contents of a space by digest.
pub(crate) type Contents = HashMap<Digest, Held>;

impl Content {
    /// Validates `pattern` and converts it to canonical form; shares it if it is already canonical.
    pub(crate) fn new(
        pattern: &Arc<SemanticPattern>,
        shape: Shape,
        hasher: &AnyHasher,
    ) -> Result<Self, PatternError> {
        let pattern = validated(pattern, shape)?;
        let digest = hash(hasher, TAG, &encode(&pattern));
        Ok(Self { held: Held { pattern, introducer: Introducer::Engine }, digest })
    }

    /// Validates a content from a peer. `digest` is its [`wire_digest`]. A content that is not canonical
    /// is refused: its canonical form would have a different digest.
    pub(crate) fn from_wire(
        mut content: PatternContent,
        digest: Digest,
        shape: Shape,
        introducer: Introducer,
    ) -> Result<Self, PatternError> {
        content.source_episodes.shrink_to_fit();
        let value = content.schema_confidence;
        let pattern = Arc::new(SemanticPattern {
            id: content.id,
            embedding: content.embedding,
            source_episodes: content.source_episodes,
            strength: content.strength,
            schema_confidence: Confidence::new(value)
                .map_err(|_| PatternError::Confidence { value })?,
            last_consolidated: Timestamp::from_nanoseconds(content.last_consolidated),
        });
        if shape.precision == Precision::F16 {
            let inexact = |value: &f32| half(*value).to_bits() != value.to_bits();
            if let Some(index) = pattern.embedding.iter().position(inexact) {
                return Err(PatternError::NotHalf { index, value: pattern.embedding[index] });
            }
        }
        let canonical = validated(&pattern, shape)?;
        if !Arc::ptr_eq(&canonical, &pattern) {
            return Err(PatternError::NotCanonical);
        }
        Ok(Self { held: Held { pattern, introducer }, digest })
    }

    /// Decodes a stored content; `None` if it does not match the digest `claimed`, or cannot be decoded.
    pub(crate) fn from_stored(
        bytes: &[u8],
        introducer: Introducer,
        claimed: Digest,
        hasher: &AnyHasher,
    ) -> Option<Self> {
        let digest = hash(hasher, TAG, bytes);
        let pattern = Arc::new(decode(bytes).filter(|_| digest == claimed)?);
        Some(Self { held: Held { pattern, introducer }, digest })
    }

    /// The same content in canonical form for `shape`.
    pub(crate) fn reshaped(&self, shape: Shape, hasher: &AnyHasher) -> Result<Self, PatternError> {
        let mut content = Self::new(&self.held.pattern, shape, hasher)?;
        content.held.introducer = self.held.introducer.clone();
        Ok(content)
    }

    /// A content that the store holds under `digest`.
    pub(crate) fn of_held(digest: Digest, held: &Held) -> Self {
        Self { held: held.clone(), digest }
    }

    /// Whether `pattern`, once its embedding is rounded to `precision`, equals this content bit for
    /// bit. `false` if another field of `pattern` is not canonical.
    pub(crate) fn is_of(&self, pattern: &Arc<SemanticPattern>, precision: Precision) -> bool {
        let ours = &self.held.pattern;
        match precision {
            Precision::F32 => is_same(ours, pattern),
            Precision::F16 => {
                Arc::ptr_eq(ours, pattern)
                    || (is_same_apart(ours, pattern)
                        && rounds_to(&pattern.embedding, &ours.embedding))
            }
        }
    }

    pub(crate) fn pattern(&self) -> &Arc<SemanticPattern> {
        &self.held.pattern
    }

    pub(crate) fn introducer(&self) -> &Introducer {
        &self.held.introducer
    }

    pub(crate) fn into_held(self) -> Held {
        self.held
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }
}

/// Whether two patterns are equal bit for bit.
pub(crate) fn is_same(one: &Arc<SemanticPattern>, other: &Arc<SemanticPattern>) -> bool {
    Arc::ptr_eq(one, other)
        || (is_same_apart(one, other) && equal_bits(&one.embedding, &other.embedding))
}

/// Whether all fields of two patterns except their embeddings are equal bit for bit.
fn is_same_apart(one: &SemanticPattern, other: &SemanticPattern) -> bool {
    one.last_consolidated == other.last_consolidated
        && one.strength.to_bits() == other.strength.to_bits()
        && one.schema_confidence.raw().to_bits() == other.schema_confidence.raw().to_bits()
        && one.source_episodes == other.source_episodes
        && one.id == other.id
}

/// The wire form of a pattern.
pub(crate) fn to_wire(pattern: &SemanticPattern) -> PatternContent {
    PatternContent {
        id: pattern.id.clone(),
        embedding: Arc::clone(&pattern.embedding),
        source_episodes: pattern.source_episodes.clone(),
        strength: pattern.strength,
        schema_confidence: pattern.schema_confidence.raw(),
        last_consolidated: pattern.last_consolidated.as_nanoseconds(),
    }
}

pub(crate) fn validate_id(id: &str) -> Result<(), PatternError> {
    match id.len() {
        1..=MAX_ID_BYTES => Ok(()),
        bytes => Err(PatternError::IdLength { bytes }),
    }
}

/// Validates `pattern` and brings it into canonical form; returns the same `Arc` if it is canonical
/// already.
fn validated(
    pattern: &Arc<SemanticPattern>,
    shape: Shape,
) -> Result<Arc<SemanticPattern>, PatternError> {
    validate(pattern, shape)?;
    check_size(pattern)?;
    Ok(canonical(pattern, shape.precision))
}

fn validate(pattern: &SemanticPattern, shape: Shape) -> Result<(), PatternError> {
    validate_id(&pattern.id)?;
    let expected = shape.dimension;
    let found = pattern.embedding.len();
    if found != expected {
        return Err(PatternError::Dimension { expected, found });
    }
    let not_finite = |value: f32| !value.is_finite();
    // Search for the index only if some number is not finite.
    if any(&pattern.embedding, not_finite)
        && let Some(index) = pattern.embedding.iter().position(|value| not_finite(*value))
    {
        return Err(PatternError::Embedding { index, value: pattern.embedding[index] });
    }
    if shape.precision == Precision::F16
        && let Some(index) = pattern.embedding.iter().position(|value| not_finite(half(*value)))
    {
        return Err(PatternError::BeyondHalf { index, value: pattern.embedding[index] });
    }
    let value = pattern.strength;
    if !(value.is_finite() && value >= 0.0) {
        return Err(PatternError::Strength { value });
    }
    let value = pattern.schema_confidence.raw();
    if !(0.0..=1.0).contains(&value) {
        return Err(PatternError::Confidence { value });
    }
    let found = pattern.source_episodes.len();
    if found > MAX_EPISODES {
        return Err(PatternError::EpisodeCount { found });
    }
    let lengths = pattern.source_episodes.iter().map(String::len).enumerate();
    match lengths.into_iter().find(|&(_, bytes)| bytes > MAX_EPISODE_ID_BYTES) {
        Some((index, bytes)) => Err(PatternError::EpisodeIdLength { index, bytes }),
        None => Ok(()),
    }
}

/// Refuses a pattern that is too large for a message under the wire format's own rule.
fn check_size(pattern: &SemanticPattern) -> Result<(), TooLarge> {
    // The wire form is at most a few bytes longer than the longest canonical form. It is built only if it
    // could exceed the limit.
    let is_small = max_encoded_len(pattern) + WIRE_OVERHEAD <= MAX_CONTENT_LEN;
    if is_small && pattern.embedding.len() <= PatternContent::MAX_DIMENSION as usize {
        return Ok(());
    }
    check_content(&to_wire(pattern))
}

/// The maximum number of bytes by which the wire form of a content exceeds [`max_encoded_len`].
const WIRE_OVERHEAD: usize = 64;

fn canonical(pattern: &Arc<SemanticPattern>, precision: Precision) -> Arc<SemanticPattern> {
    let rounded = precision == Precision::F32 || rounds_to(&pattern.embedding, &pattern.embedding);
    if !rounded {
        let embedding = halved(&pattern.embedding);
        let pattern = SemanticPattern { embedding, ..(**pattern).clone() };
        return canonical(&Arc::new(pattern), Precision::F32);
    }
    let negative_zero = |value: f32| value.to_bits() == (-0.0_f32).to_bits();
    if pattern.source_episodes.is_sorted()
        && !negative_zero(pattern.strength)
        && !any(&pattern.embedding, negative_zero)
    {
        return Arc::clone(pattern);
    }
    let mut canonical = SemanticPattern::clone(pattern);
    canonical.source_episodes.sort();
    // Adding zero turns -0 into 0 and leaves every other number unchanged, bit for bit.
    canonical.strength += 0.0;
    if any(&canonical.embedding, negative_zero) {
        canonical.embedding = canonical.embedding.iter().map(|value| value + 0.0).collect();
    }
    Arc::new(canonical)
}

/// Whether `is` is true for any number. The loop has no branch per number, so that the compiler can vectorize it.
fn any(numbers: &[f32], is: impl Fn(f32) -> bool) -> bool {
    numbers.iter().fold(false, |any, &number| any | is(number))
}

/// Whether the two lists are equal bit for bit. Like that of [`any`], the loop has no branch per number.
fn equal_bits(ours: &[f32], theirs: &[f32]) -> bool {
    let differs = |(a, b): (&f32, &f32)| a.to_bits() ^ b.to_bits();
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).map(differs).fold(0, |all, one| all | one) == 0
}

/// The digest of a content from a peer, valid or not.
pub(crate) fn wire_digest(content: &PatternContent, hasher: &AnyHasher) -> Digest {
    hash(hasher, TAG, &encode_wire(content))
}

#[cfg(test)]
mod tests;
