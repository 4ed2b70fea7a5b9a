//! The canonical form of a pattern, and its digest.

use std::collections::HashMap;
use std::sync::Arc;

use engram_merkle::{AnyHasher, Digest};

use crate::encoding::{Cursor, hash, put_bytes, put_count};
use crate::{Confidence, SemanticPattern, Timestamp};

/// The longest pattern id, in bytes.
pub const MAX_ID_BYTES: usize = 128;
/// The longest episode id, in bytes.
pub const MAX_EPISODE_ID_BYTES: usize = 256;
/// The most episodes that one pattern cites.
pub const MAX_EPISODES: usize = 4_096;

const TAG: &[u8; 8] = b"ecb1cont";

/// Why a pattern cannot be shared with other nodes. Nothing of it was stored; every other pattern
/// that came with it was looked at by itself.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// No id, or a very long one.
    #[error("its id has {bytes} bytes; give it 1 to {MAX_ID_BYTES}")]
    IdLength {
        /// How long it is.
        bytes: usize,
    },
    /// Not the cluster's embedding model.
    #[error(
        "its embedding has {found} dimensions, this cluster's have {expected}; embed it with the cluster's model"
    )]
    Dimension {
        /// What the cluster agreed on.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// NaN or infinity in the embedding.
    #[error("number {index} of its embedding is {value}; consolidate its episodes again")]
    Embedding {
        /// Which one, from 0.
        index: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// NaN, infinite or negative. Slightly above 1 is fine: the engine emits that.
    #[error("its strength is {value}; it must be a finite number of at least 0")]
    Strength {
        /// What came.
        value: f32,
    },
    /// NaN or outside 0..=1.
    #[error("its confidence is {value}; it must lie in 0..=1")]
    Confidence {
        /// What came.
        value: f32,
    },
    /// It cites too much.
    #[error("it cites {found} episodes; at most {MAX_EPISODES} are taken, split it")]
    EpisodeCount {
        /// How many.
        found: usize,
    },
    /// A very long episode id.
    #[error(
        "the id of episode {index} has {bytes} bytes; at most {MAX_EPISODE_ID_BYTES} are taken"
    )]
    EpisodeIdLength {
        /// Which one, from 0.
        index: usize,
        /// How long it is.
        bytes: usize,
    },
    /// The same id twice in one snapshot.
    #[error(
        "its id occurs twice in this snapshot; the first copy was kept, give this one its own id"
    )]
    Duplicate,
    /// Too many nodes disagree about it.
    #[error(
        "{versions} different versions of it live already; no further one is written, look at them with explain and resolve it"
    )]
    Crowded {
        /// How many there are without this node's own.
        versions: usize,
    },
}

/// A valid pattern in its one canonical form: equal contents have equal digests.
///
/// Canonical means: every float finite, no negative zero, episodes in ascending order with their
/// repeats. The digest covers every byte, embedding included: hashing less would let two versions
/// look alike for ever.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    held: Held,
    digest: Digest,
}

/// A content in the store.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) pattern: Arc<SemanticPattern>,
    /// Whether a peer sent it, or else the own engine submitted it first.
    pub(crate) received: bool,
}

/// The contents of a space by their digests.
pub(crate) type Contents = HashMap<Digest, Held>;

impl Content {
    /// Validates `pattern` and brings it into canonical form; shares it if it is canonical already.
    pub(crate) fn new(
        pattern: &Arc<SemanticPattern>,
        dimension: usize,
        hasher: &AnyHasher,
    ) -> Result<Self, PatternError> {
        validate(pattern, dimension)?;
        let pattern = canonical(pattern);
        let digest = digest(&pattern, hasher);
        Ok(Self { held: Held { pattern, received: false }, digest })
    }

    /// Takes a content as it came from a peer: valid, and canonical already.
    pub(crate) fn from_wire(
        content: engram_gossip_proto::Content,
        dimension: usize,
        hasher: &AnyHasher,
    ) -> Result<Self, PatternError> {
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
        let mut content = Self::new(&pattern, dimension, hasher)?;
        content.held.received = true;
        Ok(content)
    }

    /// Takes a content as it was stored, if it is what its digest says.
    pub(crate) fn from_stored(
        bytes: &[u8],
        received: bool,
        claimed: Digest,
        hasher: &AnyHasher,
    ) -> Option<Self> {
        let digest = hash(hasher, TAG, bytes);
        let pattern = Arc::new(decode(bytes).filter(|_| digest == claimed)?);
        Some(Self { held: Held { pattern, received }, digest })
    }

    /// A content that the store holds under `digest`.
    pub(crate) fn of_held(digest: Digest, held: &Held) -> Self {
        Self { held: held.clone(), digest }
    }

    pub(crate) fn pattern(&self) -> &Arc<SemanticPattern> {
        &self.held.pattern
    }

    /// Whether a peer sent it.
    pub(crate) fn is_received(&self) -> bool {
        self.held.received
    }

    pub(crate) fn into_held(self) -> Held {
        self.held
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }
}

/// A pattern as it travels.
pub(crate) fn to_wire(pattern: &SemanticPattern) -> engram_gossip_proto::Content {
    engram_gossip_proto::Content {
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

fn validate(pattern: &SemanticPattern, expected: usize) -> Result<(), PatternError> {
    validate_id(&pattern.id)?;
    let found = pattern.embedding.len();
    if found != expected {
        return Err(PatternError::Dimension { expected, found });
    }
    let numbers = pattern.embedding.iter().enumerate();
    if let Some((index, &value)) = numbers.into_iter().find(|(_, value)| !value.is_finite()) {
        return Err(PatternError::Embedding { index, value });
    }
    let value = pattern.strength;
    if !(value.is_finite() && value >= 0.0) {
        return Err(PatternError::Strength { value });
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

fn canonical(pattern: &Arc<SemanticPattern>) -> Arc<SemanticPattern> {
    let negative_zero = |value: &f32| value.to_bits() == (-0.0_f32).to_bits();
    if pattern.source_episodes.is_sorted()
        && !negative_zero(&pattern.strength)
        && !pattern.embedding.iter().any(negative_zero)
    {
        return Arc::clone(pattern);
    }
    let mut canonical = SemanticPattern::clone(pattern);
    canonical.source_episodes.sort();
    // Adding zero turns -0 into 0 and leaves every other number as it is, bit for bit.
    canonical.strength += 0.0;
    if canonical.embedding.iter().any(negative_zero) {
        canonical.embedding = canonical.embedding.iter().map(|value| value + 0.0).collect();
    }
    Arc::new(canonical)
}

/// The digest of a canonical pattern.
fn digest(pattern: &SemanticPattern, hasher: &AnyHasher) -> Digest {
    hash(hasher, TAG, &encode(pattern))
}

/// The bytes of a canonical pattern: what is hashed, and what is stored. Every variable part is
/// preceded by its length.
pub(crate) fn encode(pattern: &SemanticPattern) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoded_len(pattern));
    put_bytes(&mut bytes, pattern.id.as_bytes());
    bytes.extend(pattern.last_consolidated.as_nanoseconds().to_le_bytes());
    bytes.extend(pattern.strength.to_le_bytes());
    bytes.extend(pattern.schema_confidence.raw().to_le_bytes());
    put_count(&mut bytes, pattern.embedding.len());
    bytes.extend(pattern.embedding.iter().flat_map(|value| value.to_le_bytes()));
    put_count(&mut bytes, pattern.source_episodes.len());
    for episode in &pattern.source_episodes {
        put_bytes(&mut bytes, episode.as_bytes());
    }
    debug_assert_eq!(bytes.len(), encoded_len(pattern), "the buffer is sized exactly");
    bytes
}

fn decode(bytes: &[u8]) -> Option<SemanticPattern> {
    let mut bytes = Cursor::new(bytes);
    let id = bytes.text()?.to_owned();
    let last_consolidated = Timestamp::from_nanoseconds(i64::from_le_bytes(bytes.array()?));
    let strength = f32::from_le_bytes(bytes.array()?);
    let schema_confidence = Confidence::new(f32::from_le_bytes(bytes.array()?)).ok()?;
    let numbers = bytes.count(4)?;
    let (numbers, _) = bytes.take(4 * numbers)?.as_chunks();
    let embedding = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
    let episodes = bytes.count(4)?;
    let mut source_episodes = Vec::with_capacity(episodes);
    for _ in 0..episodes {
        source_episodes.push(bytes.text()?.to_owned());
    }
    bytes.end(SemanticPattern {
        id,
        embedding,
        source_episodes,
        strength,
        schema_confidence,
        last_consolidated,
    })
}

fn encoded_len(pattern: &SemanticPattern) -> usize {
    let episodes: usize = pattern.source_episodes.iter().map(|episode| 4 + episode.len()).sum();
    4 + pattern.id.len() + 8 + 4 + 4 + 4 + 4 * pattern.embedding.len() + 4 + episodes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern() -> SemanticPattern {
        SemanticPattern {
            id: "pattern_7".to_owned(),
            embedding: Arc::from([0.5, -0.25, 0.0]),
            source_episodes: vec!["a".to_owned(), "a".to_owned(), "b".to_owned()],
            strength: 1.000_000_1,
            schema_confidence: Confidence::CERTAIN,
            last_consolidated: Timestamp::from_nanoseconds(1_740_839_569_746_000_001),
        }
    }

    fn content(pattern: SemanticPattern) -> Result<Content, PatternError> {
        Content::new(&Arc::new(pattern), 3, &AnyHasher::Sha256)
    }

    fn changed(change: impl FnOnce(&mut SemanticPattern)) -> Result<Content, PatternError> {
        let mut pattern = pattern();
        change(&mut pattern);
        content(pattern)
    }

    /// Changing one of these means that old and new nodes can never agree: it needs a new tag.
    #[test]
    fn golden_digests() {
        let digest =
            |hasher| Content::new(&Arc::new(pattern()), 3, &hasher).unwrap().digest().to_string();
        assert_eq!(
            digest(AnyHasher::Sha256),
            "380d54bf328d2359c81386b52bc6f0c29ac61879b6d4bf43fdcc67ef17064631"
        );
        assert_eq!(
            digest(AnyHasher::Blake3),
            "7042b65e0bf5ebcf765be74f5eab0e3550bed6f58f13d2b6213266ef6bff4ea6"
        );
    }

    #[test]
    fn every_field_counts_to_the_last_bit() {
        let whole = content(pattern()).unwrap().digest();
        let next = |x: f32| f32::from_bits(x.to_bits() + 1);
        let others = [
            changed(|p| p.id.push('0')),
            changed(|p| p.embedding = Arc::from([next(0.5), -0.25, 0.0])),
            changed(|p| p.source_episodes = vec!["a".to_owned(), "b".to_owned()]),
            changed(|p| p.source_episodes = vec!["a".to_owned(), "ab".to_owned()]),
            changed(|p| p.strength = next(p.strength)),
            changed(|p| p.schema_confidence = Confidence::HIGH),
            changed(|p| {
                p.last_consolidated = Timestamp::from_nanoseconds(1_740_839_569_746_000_002)
            }),
        ];
        for other in others {
            assert_ne!(other.unwrap().digest(), whole);
        }
    }

    #[test]
    fn equal_contents_have_one_form() {
        let whole = content(pattern()).unwrap();
        let same = changed(|p| {
            p.source_episodes.reverse();
            p.embedding = Arc::from([0.5, -0.25, -0.0]);
        });
        let same = same.unwrap();
        assert_eq!(same.digest(), whole.digest());
        assert_eq!(same.pattern(), whole.pattern());
        assert_eq!(same.pattern().embedding[2].to_bits(), 0);
    }

    #[test]
    fn a_canonical_pattern_is_shared_and_not_copied() {
        let pattern = Arc::new(pattern());
        let content = Content::new(&pattern, 3, &AnyHasher::Sha256).unwrap();
        assert!(Arc::ptr_eq(content.pattern(), &pattern));
    }

    #[test]
    fn what_the_engine_emits_is_taken() {
        assert!(changed(|p| p.strength = 1.000_000_1).is_ok());
        assert!(changed(|p| p.strength = 0.0).is_ok());
        assert!(changed(|p| p.source_episodes.clear()).is_ok());
        assert!(changed(|p| p.embedding = Arc::from([f32::MIN_POSITIVE / 2.0, 0.0, 1.0])).is_ok());
        assert!(changed(|p| p.id = "x".repeat(MAX_ID_BYTES)).is_ok());
        assert!(changed(|p| p.source_episodes = vec!["e".to_owned(); MAX_EPISODES]).is_ok());
        assert!(changed(|p| p.source_episodes = vec!["e".repeat(MAX_EPISODE_ID_BYTES)]).is_ok());
    }

    #[test]
    fn what_cannot_be_shared_is_named() {
        let refused = |change: fn(&mut SemanticPattern)| changed(change).unwrap_err();
        assert_eq!(refused(|p| p.id.clear()), PatternError::IdLength { bytes: 0 });
        assert_eq!(
            refused(|p| p.id = "x".repeat(MAX_ID_BYTES + 1)),
            PatternError::IdLength { bytes: MAX_ID_BYTES + 1 }
        );
        assert_eq!(
            refused(|p| p.embedding = Arc::from([1.0, 2.0])),
            PatternError::Dimension { expected: 3, found: 2 }
        );
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = changed(|p| p.embedding = Arc::from([0.0, value, 0.0])).unwrap_err();
            assert!(matches!(error, PatternError::Embedding { index: 1, .. }), "{error}");
            let error = changed(|p| p.strength = value).unwrap_err();
            assert!(matches!(error, PatternError::Strength { .. }), "{error}");
        }
        assert_eq!(refused(|p| p.strength = -0.5), PatternError::Strength { value: -0.5 });
        assert_eq!(
            refused(|p| p.source_episodes = vec![String::new(); MAX_EPISODES + 1]),
            PatternError::EpisodeCount { found: MAX_EPISODES + 1 }
        );
        assert_eq!(
            refused(|p| p.source_episodes.push("e".repeat(MAX_EPISODE_ID_BYTES + 1))),
            PatternError::EpisodeIdLength { index: 3, bytes: MAX_EPISODE_ID_BYTES + 1 }
        );
    }

    #[test]
    fn the_wire_form_round_trips() {
        let whole = content(pattern()).unwrap();
        let again = Content::from_wire(to_wire(whole.pattern()), 3, &AnyHasher::Sha256).unwrap();
        assert_eq!(again.digest(), whole.digest());
        let mut wire = to_wire(whole.pattern());
        wire.schema_confidence = f32::NAN;
        let refused = Content::from_wire(wire, 3, &AnyHasher::Sha256);
        assert!(matches!(refused, Err(PatternError::Confidence { .. })));
    }
}
