//! The canonical bytes of a content, as hashed and stored.

use std::sync::Arc;

use engram_gossip_proto::PatternContent;
use half::f16;

use crate::engram::pattern::{Confidence, SemanticPattern};
use crate::engram::timestamp::Timestamp;
use crate::replica::encoding::{Cursor, put_bytes, put_count};
use crate::replica::half_precision::is_half;

/// The tag under which the bytes are hashed.
pub(crate) const TAG: &[u8; 8] = b"ecb2cont";

/// The bit in the count of an embedding's numbers that marks two-byte numbers.
const HALVES: u32 = 1 << 31;

/// The bytes of a canonical pattern, as hashed and stored.
pub(crate) fn encode(pattern: &SemanticPattern) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoded_len(pattern));
    put(&mut bytes, pattern);
    bytes
}

/// Like [`encode`], for a content in its wire form, valid or not.
pub(crate) fn encode_wire(content: &PatternContent) -> Vec<u8> {
    let episodes: usize = content.source_episodes.iter().map(|episode| 4 + episode.len()).sum();
    let mut bytes =
        Vec::with_capacity(FIXED_LEN + content.id.len() + 4 * content.embedding.len() + episodes);
    put_fields(
        &mut bytes,
        (&content.id, content.last_consolidated),
        [content.strength, content.schema_confidence],
        (&content.embedding, &content.source_episodes),
    );
    bytes
}

/// Appends the bytes of a canonical pattern, as hashed and stored. A length precedes every part of variable
/// length. The numbers of an embedding take two bytes each if half precision represents all of them exactly,
/// and four bytes each otherwise.
pub(crate) fn put(bytes: &mut Vec<u8>, pattern: &SemanticPattern) {
    put_fields(
        bytes,
        (&pattern.id, pattern.last_consolidated.as_nanoseconds()),
        [pattern.strength, pattern.schema_confidence.raw()],
        (&pattern.embedding, &pattern.source_episodes),
    );
}

fn put_fields(
    bytes: &mut Vec<u8>,
    (id, last_consolidated): (&str, i64),
    weights: [f32; 2],
    (embedding, episodes): (&[f32], &[String]),
) {
    put_bytes(bytes, id.as_bytes());
    bytes.extend(last_consolidated.to_le_bytes());
    weights.iter().for_each(|weight| bytes.extend(weight.to_le_bytes()));
    put_embedding(bytes, embedding);
    put_count(bytes, episodes.len());
    episodes.iter().for_each(|episode| put_bytes(bytes, episode.as_bytes()));
}

fn put_embedding(bytes: &mut Vec<u8>, numbers: &[f32]) {
    let count = u32::try_from(numbers.len()).expect("validated lengths fit 31 bits");
    if is_half(numbers) {
        bytes.extend((count | HALVES).to_le_bytes());
        put_numbers(bytes, numbers, |number| f16::from_f32(number).to_le_bytes());
    } else {
        bytes.extend(count.to_le_bytes());
        put_numbers(bytes, numbers, f32::to_le_bytes);
    }
}

/// Appends the numbers, `N` bytes each.
fn put_numbers<const N: usize>(bytes: &mut Vec<u8>, numbers: &[f32], of: impl Fn(f32) -> [u8; N]) {
    let start = bytes.len();
    bytes.resize(start + N * numbers.len(), 0);
    let (room, _) = bytes[start..].as_chunks_mut();
    for (to, number) in room.iter_mut().zip(numbers) {
        *to = of(*number);
    }
}

/// Reads an embedding that [`put_embedding`] wrote; `None` if bytes are missing, or if [`put_embedding`] would have
/// written the numbers in the other form.
fn take_embedding(bytes: &mut Cursor<'_>) -> Option<Arc<[f32]>> {
    let count = u32::from_le_bytes(bytes.array()?);
    let halves = count & HALVES != 0;
    let count = usize::try_from(count & !HALVES).ok()?;
    let numbers: Arc<[f32]> = if halves {
        let (numbers, _) = bytes.take(count.checked_mul(2)?)?.as_chunks();
        numbers.iter().map(|number| f16::from_le_bytes(*number).to_f32()).collect()
    } else {
        let (numbers, _) = bytes.take(count.checked_mul(4)?)?.as_chunks();
        numbers.iter().map(|number| f32::from_le_bytes(*number)).collect()
    };
    (is_half(&numbers) == halves).then_some(numbers)
}

pub(crate) fn decode(bytes: &[u8]) -> Option<SemanticPattern> {
    let mut bytes = Cursor::new(bytes);
    let id = bytes.text()?.to_owned();
    let last_consolidated = Timestamp::from_nanoseconds(i64::from_le_bytes(bytes.array()?));
    let strength = f32::from_le_bytes(bytes.array()?);
    let schema_confidence = Confidence::new(f32::from_le_bytes(bytes.array()?)).ok()?;
    let embedding = take_embedding(&mut bytes)?;
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

/// The length of the canonical form in bytes.
pub(crate) fn encoded_len(pattern: &SemanticPattern) -> usize {
    let numbers = pattern.embedding.len();
    max_encoded_len(pattern) - if is_half(&pattern.embedding) { 2 * numbers } else { 0 }
}

/// The maximum length of the canonical form in bytes, with four bytes for each number. A pattern takes about
/// as much memory.
pub(crate) fn max_encoded_len(pattern: &SemanticPattern) -> usize {
    let episodes: usize = pattern.source_episodes.iter().map(|episode| 4 + episode.len()).sum();
    FIXED_LEN + pattern.id.len() + 4 * pattern.embedding.len() + episodes
}

/// The total length of the fields of fixed size in the canonical form: the length of the id, the time, the strength,
/// the confidence and two counts.
const FIXED_LEN: usize = 4 + 8 + 4 + 4 + 4 + 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(embedding: &[f32]) -> SemanticPattern {
        SemanticPattern {
            id: "pattern_7".to_owned(),
            embedding: embedding.into(),
            source_episodes: vec!["a".to_owned()],
            strength: 0.1,
            schema_confidence: Confidence::HIGH,
            last_consolidated: Timestamp::from_nanoseconds(7),
        }
    }

    /// The bytes with the numbers in the form that `halves` selects.
    fn forced(embedding: &[f32], halves: bool) -> Vec<u8> {
        let (whole, none) = (encode(&pattern(embedding)), encode(&pattern(&[])));
        // After the embedding, the bytes equal those of the pattern without numbers.
        let at = 4 + "pattern_7".len() + 8 + 4 + 4;
        let mut bytes = whole[..at].to_vec();
        let count = embedding.len() as u32 | if halves { HALVES } else { 0 };
        bytes.extend(count.to_le_bytes());
        match halves {
            true => put_numbers(&mut bytes, embedding, |x| f16::from_f32(x).to_le_bytes()),
            false => put_numbers(&mut bytes, embedding, f32::to_le_bytes),
        }
        bytes.extend(&none[at + 4..]);
        bytes
    }

    #[test]
    fn half_precision_takes_two_bytes_a_number() {
        let smallest = f16::from_bits(1).to_f32();
        for (embedding, halves) in [
            (&[0.5, -0.25, 65_504.0, smallest, 0.0][..], true),
            (&[0.5, 0.1, 0.25, 0.0, 0.0], false),
            (&[0.5, 65_536.0, 0.0, 0.0, 0.0], false),
            (&[0.5, smallest / 2.0, 0.0, 0.0, 0.0], false),
            (&[], true),
        ] {
            let pattern = pattern(embedding);
            let bytes = encode(&pattern);
            assert_eq!(bytes, forced(embedding, halves), "{embedding:?}");
            assert_eq!(bytes.len(), encoded_len(&pattern));
            assert_eq!(decode(&bytes), Some(pattern), "{embedding:?}");
        }
    }

    #[test]
    fn the_other_form_of_the_numbers_is_refused() {
        assert_eq!(decode(&forced(&[0.5, -0.25], false)), None);
        for number in [-0.0, f32::NAN, f32::INFINITY] {
            assert_eq!(decode(&forced(&[number], true)), None, "{number}");
        }
    }
}
