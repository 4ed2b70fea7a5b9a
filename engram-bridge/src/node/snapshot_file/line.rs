//! One line of JSON: a snapshot, or a pattern.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engram_gossip_proto::SpaceId;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::engram::pattern::{Confidence, SemanticPattern};
use crate::engram::ports::ConsolidationStats;
use crate::engram::timestamp::Timestamp;
use crate::spaces::store::DEFAULT_SPACE;

/// The run and the space of a line.
pub(super) struct Placement {
    pub(super) space: SpaceId,
    pub(super) run: u64,
    /// Whether the line's embedding is a row of `embeddings.f32`.
    pub(super) rows: bool,
}

/// The part of a line that gives its placement.
#[derive(Deserialize)]
struct Probe {
    space: Option<String>,
    snapshot: Option<u64>,
    first_snapshot: Option<u64>,
    patterns: Option<IgnoredAny>,
    embedding_row: Option<IgnoredAny>,
    id: Option<IgnoredAny>,
}

/// Reads the placement of a line without parsing its patterns.
pub(super) fn placement(text: &str) -> Result<Placement, String> {
    let probe: Probe = parse(&readable(text)).map_err(half_a_line)?;
    if probe.patterns.is_none() && probe.id.is_none() {
        return Err("it is neither a snapshot (no \"patterns\") nor a pattern (no \"id\"); \
                    remove the line or write it again"
            .to_owned());
    }
    let space = probe.space.unwrap_or_else(|| DEFAULT_SPACE.to_owned());
    let space = SpaceId::new(&*space)
        .map_err(|error| format!("its space {space:?} is refused: {error}; rename the space"))?;
    let run = probe.snapshot.or(probe.first_snapshot).unwrap_or(0);
    Ok(Placement { space, run, rows: probe.embedding_row.is_some() })
}

/// A snapshot whose patterns are still text, so that an invalid one does not affect the others. A
/// pattern line is a snapshot of one pattern.
pub(super) struct Line<'t> {
    pub(super) generated_at: Timestamp,
    pub(super) stats: ConsolidationStats,
    patterns: Vec<&'t RawValue>,
}

#[derive(Deserialize)]
struct SnapshotLine<'t> {
    generated_at: Option<String>,
    stats: Option<StatsLine>,
    #[serde(borrow)]
    patterns: Option<Vec<&'t RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatsLine {
    total_replays: usize,
    successful_consolidations: usize,
    failed_consolidations: usize,
    total_patterns_extracted: usize,
}

impl<'t> Line<'t> {
    /// Parses a text that [`readable`] returned.
    pub(super) fn parse(text: &'t str) -> Result<Self, String> {
        let line: SnapshotLine<'t> = parse(text).map_err(half_a_line)?;
        let generated_at = match line.generated_at {
            Some(time) => time.parse().map_err(|error| format!("generated_at: {error}"))?,
            None => Timestamp::EPOCH,
        };
        let stats = line.stats.unwrap_or_default();
        let stats = ConsolidationStats {
            total_replays: stats.total_replays,
            successful_consolidations: stats.successful_consolidations,
            failed_consolidations: stats.failed_consolidations,
            total_patterns_extracted: stats.total_patterns_extracted,
            ..ConsolidationStats::default()
        };
        let patterns = match line.patterns {
            Some(patterns) => patterns,
            None => vec![parse(text).map_err(half_a_line)?],
        };
        Ok(Self { generated_at, stats, patterns })
    }

    /// Parses the patterns one by one. For an invalid pattern, returns the fault, and the id if it
    /// can be read.
    pub(super) fn patterns(
        &self,
    ) -> impl Iterator<Item = Result<PatternLine<'t>, (Option<String>, String)>> {
        self.patterns.iter().copied().map(|pattern| {
            parse(pattern.get()).map_err(|error| (id_of(pattern.get()), what_is_wrong(&error)))
        })
    }
}

/// A pattern as written in a line. Fields that may be missing or not a number are an `Option`, so
/// that the error can name them.
#[derive(Deserialize)]
pub(super) struct PatternLine<'t> {
    pub(super) id: String,
    source_episodes: Vec<String>,
    strength: Option<f32>,
    schema_confidence: Option<f32>,
    last_consolidated: String,
    #[serde(borrow)]
    pub(super) embedding_b64: Option<Text<'t>>,
    pub(super) embedding_row: Option<u64>,
}

/// A string that borrows from its line if it contains no escapes.
#[derive(Deserialize)]
pub(super) struct Text<'t>(#[serde(borrow)] pub(super) Cow<'t, str>);

impl PatternLine<'_> {
    /// The pattern with its embedding.
    pub(super) fn finish(mut self, embedding: Arc<[f32]>) -> Result<SemanticPattern, String> {
        // The node may keep a pattern for years: free the spare capacity of its list.
        self.source_episodes.shrink_to_fit();
        let missing = |name| format!("its {name} is missing or not a number; correct it");
        let confidence = self.schema_confidence.ok_or_else(|| missing("schema_confidence"))?;
        Ok(SemanticPattern {
            id: self.id,
            embedding,
            source_episodes: self.source_episodes,
            strength: self.strength.ok_or_else(|| missing("strength"))?,
            schema_confidence: Confidence::new(confidence)
                .map_err(|error| format!("its schema_confidence is refused: {error}"))?,
            last_consolidated: self
                .last_consolidated
                .parse()
                .map_err(|error| format!("its last_consolidated is refused: {error}"))?,
        })
    }
}

/// Decodes an embedding: base64 of little-endian f32.
pub(super) fn embedding(base64: &str) -> Result<Arc<[f32]>, String> {
    let bytes = STANDARD
        .decode(base64)
        .map_err(|error| format!("its embedding_b64 is not padded standard base64: {error}"))?;
    if bytes.len() % 4 != 0 {
        let length = bytes.len();
        return Err(format!(
            "its embedding_b64 holds {length} bytes, which is not a multiple of four"
        ));
    }
    Ok(floats(&bytes))
}

/// Converts little-endian bytes to numbers.
pub(super) fn floats(bytes: &[u8]) -> Arc<[f32]> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn parse<'t, T: Deserialize<'t>>(text: &'t str) -> serde_json::Result<T> {
    serde_json::from_str(text)
}

/// Returns the id of a pattern that cannot be read as a whole.
fn id_of(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Id {
        id: String,
    }
    parse::<Id>(text).ok().map(|pattern| pattern.id)
}

/// Returns the message of serde_json without its position, which counts lines within the text, not
/// within the file.
fn what_is_wrong(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

fn half_a_line(error: serde_json::Error) -> String {
    let (column, wrong) = (error.column(), what_is_wrong(&error));
    if error.is_eof() {
        return format!("it is incomplete and ends after {column} bytes ({wrong}); write it again");
    }
    format!("it cannot be read at byte {column}: {wrong}; correct the line or write it again")
}

/// Replaces NaN and infinities, which JSON lacks but common writers emit, with null. They then
/// invalidate only their own pattern instead of the whole snapshot.
pub(super) fn readable(text: &str) -> Cow<'_, str> {
    const WORDS: [&str; 3] = ["NaN", "-Infinity", "Infinity"];
    if !WORDS.iter().any(|word| text.contains(word)) {
        return Cow::Borrowed(text);
    }
    let mut readable = String::with_capacity(text.len());
    let (mut rest, mut in_string) = (text, false);
    while let Some(c) = rest.chars().next() {
        let word = WORDS.iter().find(|word| !in_string && rest.starts_with(**word));
        let taken = match (word, c) {
            (Some(word), _) => word.len(),
            (None, '\\') => {
                (1 + rest[1..].chars().next().map_or(0, char::len_utf8)).min(rest.len())
            }
            (None, c) => c.len_utf8(),
        };
        in_string ^= c == '"';
        readable.push_str(if word.is_some() { "null" } else { &rest[..taken] });
        rest = &rest[taken..];
    }
    Cow::Owned(readable)
}
