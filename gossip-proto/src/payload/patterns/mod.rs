//! Engram's patterns as contents, with compact strings and with embeddings in bit planes.

mod bit_planes;
mod embeddings;
mod half;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{ContentSize, Wire};
use crate::check::within;
use crate::codec::text::{put_text, take_text};
use crate::codec::{Weight, section};
use crate::limits::{MAX_CONTENT_LEN, MAX_ID};
use crate::wire::{Reader, put, put_count};
use crate::{Compression, DecodeError, TooLarge};

/// One immutable content: the pattern as one node consolidated it.
#[derive(Clone, Debug, PartialEq)]
pub struct PatternContent {
    /// The pattern id under which the content was written.
    pub id: String,
    /// The embedding, in the cluster's dimension (768 for Engram).
    pub embedding: Arc<[f32]>,
    /// The cited episodes in ascending order, including repetitions.
    pub source_episodes: Vec<String>,
    /// Coherence, at least 0; the engine may emit values slightly above 1.
    pub strength: f32,
    /// Confidence, 0..=1.
    pub schema_confidence: f32,
    /// Time of the last consolidation, in nanoseconds since the Unix epoch.
    pub last_consolidated: i64,
}

/// Bytes of memory that the decoder charges for a content in addition to its id, episodes and
/// embedding; at least the size of a `PatternContent`.
const CONTENT: usize = 160;
/// Bytes of memory that the decoder counts for a string, in addition to its text: at least the size
/// of a `String`.
const TEXT: usize = 24;
/// Size of the longest encoding of a length, in bytes.
const COUNT_WIRE: usize = 3;
/// Size of the longest encoding of the numbers of a content, in bytes.
const NUMBERS_WIRE: usize = 18;
/// Upper bound for the framing of headings and embeddings, in bytes.
const BATCH_WIRE: usize = 32;

impl Wire for PatternContent {
    fn size(&self) -> ContentSize {
        let texts: usize = self.source_episodes.iter().map(String::len).sum();
        let episodes = self.source_episodes.len();
        let id = self.id.len() + 1 + COUNT_WIRE;
        let fields = id + NUMBERS_WIRE + COUNT_WIRE + texts + episodes * (1 + COUNT_WIRE);
        let embedding = self.embedding.len() * 4;
        ContentSize {
            wire: fields + embedding + BATCH_WIRE,
            // The decoder unpacks headings and embeddings into buffers before it reads them. A
            // batch pads its planes to a multiple of eight values.
            memory: fields + CONTENT + id + texts + episodes * TEXT + 2 * embedding + BATCH_WIRE,
        }
    }

    fn encode(contents: &[&Self], compression: Compression, out: &mut Vec<u8>) {
        let mut headings = Vec::with_capacity(64 * contents.len());
        let mut before = "";
        for content in contents {
            put_text(&mut headings, before, &content.id);
            content.put_heading(&mut headings);
            before = &content.id;
        }
        section::put(out, &headings, compression);
        embeddings::put_embeddings(out, contents, compression);
    }

    fn decode(bytes: &[u8], count: usize, memory: usize) -> Result<Vec<Self>, DecodeError> {
        let mut weight = Weight::up_to(memory);
        let mut r = Reader::new(bytes);
        let mut contents = take_headings(&mut r, count, memory, &mut weight)?;
        let embeddings = embeddings::take_embeddings(&mut r, count, &mut weight)?;
        r.end()?;
        contents.iter_mut().zip(embeddings).for_each(|(content, embedding)| {
            content.embedding = embedding;
        });
        contents.iter().try_for_each(Self::check)?;
        Ok(contents)
    }

    /// Checks the lengths of the id, the embedding and the episodes, and the total size. Takes time
    /// linear in the number of episodes.
    fn check(&self) -> Result<(), TooLarge> {
        within("bytes of an id", self.id.len(), MAX_ID)?;
        within("values of an embedding", self.embedding.len(), Self::MAX_DIMENSION as usize)?;
        within("episodes of a content", self.source_episodes.len(), Self::MAX_EPISODES)?;
        let longest = self.source_episodes.iter().map(String::len).max();
        within("bytes of an episode id", longest.unwrap_or(0), Self::MAX_EPISODE_ID)?;
        within("bytes of a content", self.size().wire, MAX_CONTENT_LEN)
    }
}

/// The limits of this codec; `PROTOCOL.md` also lists them.
impl PatternContent {
    /// Maximum number of values in one embedding.
    pub const MAX_DIMENSION: u32 = 65_536;
    /// Maximum number of episodes that one content may cite.
    pub const MAX_EPISODES: usize = 4_096;
    /// Maximum length of an episode id in bytes.
    pub const MAX_EPISODE_ID: usize = 256;

    /// Appends everything except the id and the embedding.
    fn put_heading(&self, out: &mut Vec<u8>) {
        put(out, &(self.strength, self.schema_confidence, self.last_consolidated));
        put_count(out, self.source_episodes.len());
        let mut before = "";
        for episode in &self.source_episodes {
            put_text(out, before, episode);
            before = episode;
        }
    }
}

/// Takes contents without their embeddings.
fn take_headings(
    r: &mut Reader<'_>,
    count: usize,
    memory: usize,
    weight: &mut Weight,
) -> Result<Vec<PatternContent>, DecodeError> {
    let section = section::take(r, memory, weight)?;
    let mut r = Reader::new(&section);
    let mut contents: Vec<PatternContent> = Vec::new();
    for _ in 0..count {
        weight.add(CONTENT)?;
        let before = contents.last().map_or("", |content| &content.id);
        let id = take_text(&mut r, before, "the id of a content", MAX_ID)?;
        weight.add(id.len())?;
        contents.push(take_heading(&mut r, id, weight)?);
    }
    r.end()?;
    Ok(contents)
}

fn take_heading(
    r: &mut Reader<'_>,
    id: String,
    weight: &mut Weight,
) -> Result<PatternContent, DecodeError> {
    let (strength, schema_confidence, last_consolidated) = r.take("a number of a content")?;
    let count = r.count("episodes of a content", PatternContent::MAX_EPISODES, 2)?;
    let mut source_episodes: Vec<String> = Vec::new();
    for _ in 0..count {
        let before = source_episodes.last().map_or("", String::as_str);
        let episode = take_text(r, before, "an episode id", PatternContent::MAX_EPISODE_ID)?;
        weight.add(TEXT + episode.len())?;
        source_episodes.push(episode);
    }
    let embedding = Arc::from([]);
    let content = PatternContent {
        id,
        embedding,
        source_episodes,
        strength,
        schema_confidence,
        last_consolidated,
    };
    Ok(content)
}
