//! A small excerpt of real consolidation state.

use std::sync::Arc;

use engram_gossip_proto::{Delivery, Part, PatternContent, Record};

use super::{content_digest, node_id, version};

/// The contents in `tests/data/patterns.tsv` and `tests/data/patterns.f32`, ascending by id.
pub(crate) fn contents() -> Vec<PatternContent> {
    let rows: &[u8] = include_bytes!("../../data/patterns.f32");
    let lines =
        include_str!("../../data/patterns.tsv").lines().filter(|line| !line.starts_with('#'));
    lines.zip(rows.chunks_exact(768 * 4)).map(|(line, row)| parse(line, row)).collect()
}

fn parse(line: &str, row: &[u8]) -> PatternContent {
    let fields: Vec<&str> = line.split('\t').collect();
    let bits = |text| f32::from_bits(u32::from_str_radix(text, 16).unwrap());
    PatternContent {
        id: fields[0].into(),
        embedding: row.chunks_exact(4).map(|v| f32::from_le_bytes(v.try_into().unwrap())).collect(),
        source_episodes: fields[4].split(',').map(String::from).collect(),
        strength: bits(fields[1]),
        schema_confidence: bits(fields[2]),
        last_consolidated: fields[3].parse().unwrap(),
    }
}

/// The contents with embeddings rounded to half precision, as a store of that precision keeps them.
pub(crate) fn half_contents() -> Vec<PatternContent> {
    let round = |content: PatternContent| PatternContent {
        embedding: content
            .embedding
            .iter()
            .map(|&value| round_to_half(value))
            .collect::<Arc<[f32]>>(),
        ..content
    };
    contents().into_iter().map(round).collect()
}

/// Rounds to the nearest half-precision value, ties to even. The values of embeddings are far from
/// overflow.
fn round_to_half(value: f32) -> f32 {
    let magnitude = value.abs();
    // The distance between adjacent half-precision values near `value`, at least that of
    // subnormals.
    let exponent = ((magnitude.to_bits() >> 23) as i32 - 127).max(-14);
    let step = 2f64.powi(exponent - 10);
    ((f64::from(value) / step).round_ties_even() * step) as f32
}

/// A batch as one node sends it: a record for each content.
pub(crate) fn batch(contents: Vec<PatternContent>) -> Delivery<PatternContent> {
    let records = contents.iter().enumerate().map(|(at, content)| {
        let entry = version(at as u64 + 1);
        let dots = vec![(entry, content_digest(content))];
        let parts = vec![Part { node: node_id(1), entry, dots }];
        Record { id: content.id.clone(), parts, suppressed: vec![] }
    });
    let records = records.collect();
    let contents = contents.into_iter().map(|c| (content_digest(&c), c)).collect();
    Delivery { records, contents }
}

/// Bytes of the batch in the simplest binary encoding: lengths and counts of one byte, raw texts,
/// every node in full, versions of eight bytes, floats of four.
pub(crate) fn plain_len(batch: &Delivery<PatternContent>) -> usize {
    let part = |p: &Part| 32 + 8 + 1 + p.dots.len() * (8 + 32);
    let record = |r: &Record| {
        let parts: usize = r.parts.iter().map(part).sum();
        1 + r.id.len() + 1 + parts + 1 + r.suppressed.len() * (32 + 4)
    };
    let content = |c: &PatternContent| {
        let episodes: usize = c.source_episodes.iter().map(|e| 1 + e.len()).sum();
        32 + 1 + c.id.len() + 1 + episodes + 4 + 4 + 8 + 4 * c.embedding.len()
    };
    batch.records.iter().map(record).sum::<usize>()
        + batch.contents.iter().map(|(_, c)| content(c)).sum::<usize>()
}
