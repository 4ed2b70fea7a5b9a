//! Patterns in JSON, and their canonical form.

use jiff::Timestamp;
use serde_json::Value;

use super::embedding::{DIMENSION, inline_embedding};

/// The maximum length of an episode id that a node accepts, in bytes.
const MAX_EPISODE_ID: usize = 256;
/// The maximum number of episodes of a pattern that a node accepts.
const MAX_EPISODES: usize = 4_096;

/// The default space.
const DEFAULT_SPACE: &str = "default";

/// The key of a pattern: its id is unique only within its memory space.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    pub(crate) space: String,
    pub(crate) id: String,
}

/// A pattern without its key, in canonical form: floats as their bits, negative zero as zero, and citations sorted,
/// repetitions included.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Content {
    pub(crate) embedding: Vec<u32>,
    pub(crate) citations: Vec<String>,
    pub(crate) strength: u32,
    pub(crate) confidence: u32,
    /// The time, in nanoseconds since the Unix epoch.
    pub(crate) consolidated: i128,
}

/// Reads the pattern of one line of a node's export.
pub(crate) fn exported_pattern(value: &Value) -> Result<(Key, Content), String> {
    let id = value["id"].as_str().ok_or("the line has no \"id\"")?;
    let space = space_of(value)?;
    let content = content(value, &inline_embedding(value)?)?;
    Ok((Key { space, id: id.to_owned() }, content))
}

pub(super) fn space_of(value: &Value) -> Result<String, String> {
    match value.get("space") {
        None => Ok(DEFAULT_SPACE.to_owned()),
        Some(Value::String(space)) if !space.is_empty() => Ok(space.clone()),
        Some(other) => Err(format!("\"space\" is {other}, not a name")),
    }
}

pub(super) fn content(value: &Value, embedding: &[f32]) -> Result<Content, String> {
    if embedding.len() != DIMENSION {
        return Err(format!("its embedding has {} numbers, not {DIMENSION}", embedding.len()));
    }
    if let Some(position) = embedding.iter().position(|number| !number.is_finite()) {
        return Err(format!("number {position} of its embedding is not finite"));
    }
    let strength = number(value, "strength")?;
    if strength < 0.0 {
        return Err(format!("\"strength\" is {strength}, below 0"));
    }
    let confidence = number(value, "schema_confidence")?;
    if !(0.0..=1.0).contains(&confidence) {
        return Err(format!("\"schema_confidence\" is {confidence}, not between 0 and 1"));
    }
    Ok(Content {
        embedding: embedding.iter().copied().map(canonical_bits).collect(),
        citations: citations(value)?,
        strength: canonical_bits(strength),
        confidence: canonical_bits(confidence),
        consolidated: consolidated(value)?,
    })
}

/// Maps equal numbers to equal bits: both zeros become one.
fn canonical_bits(number: f32) -> u32 {
    if number == 0.0 { 0 } else { number.to_bits() }
}

fn number(value: &Value, name: &str) -> Result<f32, String> {
    // The shortest decimal of an f32, read as f64, rounds to the same f32.
    let number = value[name]
        .as_f64()
        .ok_or_else(|| format!("\"{name}\" is missing or not a number"))? as f32;
    if number.is_finite() { Ok(number) } else { Err(format!("\"{name}\" is too large for an f32")) }
}

fn citations(value: &Value) -> Result<Vec<String>, String> {
    let list = value["source_episodes"]
        .as_array()
        .ok_or("\"source_episodes\" is missing or not a list")?;
    if list.len() > MAX_EPISODES {
        return Err(format!("it cites {} episodes, more than {MAX_EPISODES}", list.len()));
    }
    let episode = |value: &Value| match value.as_str() {
        Some(episode) if episode.len() <= MAX_EPISODE_ID => Ok(episode.to_owned()),
        Some(_) => Err(format!("an episode's name is longer than {MAX_EPISODE_ID} bytes")),
        None => Err("\"source_episodes\" contains something other than names".to_owned()),
    };
    let mut citations = list.iter().map(episode).collect::<Result<Vec<_>, _>>()?;
    citations.sort_unstable();
    Ok(citations)
}

fn consolidated(value: &Value) -> Result<i128, String> {
    let time = value["last_consolidated"]
        .as_str()
        .ok_or("\"last_consolidated\" is missing or not a time")?;
    let instant: Timestamp = time.parse().map_err(|error| {
        format!("\"last_consolidated\" is {time}, not a time like 2025-03-01T04:03:07.843000000Z ({error})")
    })?;
    Ok(instant.as_nanosecond())
}
