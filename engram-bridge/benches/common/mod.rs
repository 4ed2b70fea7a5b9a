//! Patterns for measurements: any number of them, made from real ones.

#![allow(dead_code, reason = "each benchmark uses a different part of it")]

use std::path::Path;
use std::sync::Arc;

use engram_bridge::snapshot_file::{FileSnapshot, SnapshotFile};
use engram_bridge::{ConsolidationSnapshot, ENGRAM_DIMENSION, SemanticPattern};

/// A snapshot of `count` patterns. Each has a unique id and embedding; the lengths and most of the
/// numbers are those of real patterns. Each repetition of a real pattern has other episode ids, and
/// the same numbers in another order: otherwise the comparison across ids would treat all
/// repetitions as one memory.
pub(crate) fn snapshot(count: usize) -> ConsolidationSnapshot {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixture/small/node-c.jsonl");
    let mut file = SnapshotFile::open(&file, ENGRAM_DIMENSION).expect("the fixture is there");
    let last = *file.runs().last().expect("it has runs");
    let real: Vec<FileSnapshot> = file.read_run(last).expect("it is readable");
    let real = &real[0].snapshot;
    let patterns = (0..count).map(|n| {
        let (repetition, which) = (n / real.patterns.len(), n % real.patterns.len());
        let like = &real.patterns[which];
        let mut embedding = like.embedding.to_vec();
        embedding.rotate_left(repetition * 5 % ENGRAM_DIMENSION);
        embedding[n % ENGRAM_DIMENSION] += (n as f32).mul_add(1e-6, 1e-3);
        let id = format!("pattern_{}", 11_400_714_819_323_198_485_u64.wrapping_mul(n as u64 + 1));
        let episode = |episode: &String| format!("{episode}-{repetition}");
        let source_episodes = like.source_episodes.iter().map(episode).collect();
        let embedding = embedding.into();
        Arc::new(SemanticPattern { id, embedding, source_episodes, ..(**like).clone() })
    });
    ConsolidationSnapshot { patterns: patterns.collect(), ..real.clone() }
}

/// The bytes of the values of a pattern, without any encoding.
pub(crate) fn content_bytes(pattern: &SemanticPattern) -> usize {
    let episodes: usize = pattern.source_episodes.iter().map(String::len).sum();
    // Two numbers of four bytes, and a time of eight.
    pattern.id.len() + 4 * pattern.embedding.len() + episodes + 16
}
