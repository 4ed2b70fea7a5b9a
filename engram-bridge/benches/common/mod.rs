//! Generates any number of patterns for the benchmarks from real ones.

#![allow(dead_code, reason = "each benchmark uses a different part of this module")]

use std::path::Path;
use std::sync::Arc;

use engram_bridge::snapshot_file::{FileSnapshot, SnapshotFile};
use engram_bridge::{ConsolidationSnapshot, ENGRAM_DIMENSION, SemanticPattern};

/// Returns a snapshot of `count` patterns, each with a unique id and embedding. The dimension, the
/// number of episodes and most components are those of real patterns. Each repetition of a real
/// pattern has different episode ids, and its components are in a different order. Otherwise, the
/// comparison across ids would treat all repetitions as one memory.
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

/// Returns the size of a pattern's values in bytes, without the overhead of an encoding.
pub(crate) fn content_bytes(pattern: &SemanticPattern) -> usize {
    let episodes: usize = pattern.source_episodes.iter().map(String::len).sum();
    // The 16 bytes are two four-byte numbers and an eight-byte time.
    pattern.id.len() + 4 * pattern.embedding.len() + episodes + 16
}
