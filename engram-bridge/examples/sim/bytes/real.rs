//! The cost of real patterns.

use std::path::Path;
use std::sync::Arc;

use engram_bridge::snapshot_file::SnapshotFile;
use engram_bridge::{ENGRAM_DIMENSION, SemanticPattern};
use engram_gossip_proto::sim::Random;
use engram_gossip_proto::{Compression, Ending, SessionConfig};

use super::Weight;
use crate::Result;
use crate::conversation::Conversation;
use crate::replica::{Replica, default_space};

/// Measures the savings of compression and the overhead of the protocol for real patterns.
pub(super) fn weigh(folder: &Path) -> Result<Vec<Weight>> {
    let patterns = read(folder)?;
    let (held, moved) = patterns.split_at(patterns.len() - patterns.len() / 100);
    let payload: usize = moved.iter().map(|pattern| plain_len(pattern)).sum();
    let talk = diverged(held, moved, Compression::Off);
    let input = format!("1 % of {} real patterns differ", patterns.len());
    let beyond = talk.bytes().saturating_sub(payload) as f64;
    let reference = (format!("the {payload} bytes of their plain payload"), payload as f64);
    let overhead = Weight::new("overhead", input, (beyond, "bytes"), reference, 0.20);
    let bulk = &patterns[..patterns.len().min(1_000)];
    let compressed = diverged(&[], bulk, Compression::Lz4).record_bytes() as f64;
    let plain: usize = bulk.iter().map(|pattern| encoded_len(pattern)).sum();
    let input = format!("{} real patterns", bulk.len());
    let reference = (format!("the {plain} bytes of their plainest encoding"), plain as f64);
    let bulk = Weight::new("compression", input, (compressed, "bytes"), reference, 0.85);
    Ok(vec![overhead, bulk])
}

/// Runs a session between two nodes. Both hold `held`, and each holds a different half of `moved`.
fn diverged(
    held: &[Arc<SemanticPattern>],
    moved: &[Arc<SemanticPattern>],
    compression: Compression,
) -> Conversation {
    let space = default_space();
    let mut random = Random::new(1);
    let sides = [0, 1].map(|n| {
        Replica::with_dimension(n, std::slice::from_ref(&space), random.fork(), ENGRAM_DIMENSION)
    });
    held.iter().for_each(|pattern| {
        sides[0].submit(&space, pattern);
    });
    // Sync `held` first, so that each node knows that the other has handled these patterns.
    if !held.is_empty() {
        let first = Conversation::hold(&sides[0], &sides[1], SessionConfig::default());
        assert_eq!(first.ending, Ending::InSync, "no node writes meanwhile");
    }
    for (n, pattern) in moved.iter().enumerate() {
        sides[n % 2].submit(&space, pattern);
    }
    let config = SessionConfig { compression, ..SessionConfig::default() };
    let talk = Conversation::hold(&sides[0], &sides[1], config);
    assert_eq!(talk.ending, Ending::InSync, "no node writes meanwhile");
    talk
}

/// The patterns of all snapshots in `folder`, without duplicate ids.
fn read(folder: &Path) -> Result<Vec<Arc<SemanticPattern>>> {
    let mut patterns = std::collections::BTreeMap::new();
    for node in ["a", "b", "c"] {
        let mut file =
            SnapshotFile::open(&folder.join(format!("node-{node}.jsonl")), ENGRAM_DIMENSION)?;
        for run in file.runs() {
            for snapshot in file.read_run(run)? {
                for pattern in snapshot.snapshot.patterns {
                    patterns.insert(pattern.id.clone(), pattern);
                }
            }
        }
    }
    Ok(patterns.into_values().collect())
}

/// Bytes of the values of a pattern, without any encoding.
fn plain_len(pattern: &SemanticPattern) -> usize {
    let episodes: usize = pattern.source_episodes.iter().map(String::len).sum();
    // Strength and confidence take four bytes each, the time eight.
    pattern.id.len() + 4 * pattern.embedding.len() + episodes + 16
}

/// Bytes of a record with one content and its digest, in the plainest binary encoding: every length
/// and count takes one byte, and every node and every id is written out.
fn encoded_len(pattern: &SemanticPattern) -> usize {
    const NODE: usize = 32;
    const VERSION: usize = 8;
    const DIGEST: usize = 32;
    let lengths = 3 + pattern.source_episodes.len();
    let part = NODE + VERSION + 1 + (VERSION + DIGEST);
    let record = 1 + pattern.id.len() + 1 + part + 1;
    record + DIGEST + lengths + plain_len(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_patterns_keep_their_budgets() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixture/small");
        let weights = weigh(&folder).unwrap();
        assert!(weights.iter().all(|weight| weight.met), "{weights:?}");
    }
}
