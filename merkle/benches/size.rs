//! Measures the size of a tree in allocated bytes. Prints one JSON object per line.
//!
//! `cargo bench -p engram-merkle --bench size`

#[path = "../tests/it/common/ids.rs"]
mod ids;

use std::alloc::System;

use engram_merkle::{Digest, Sha256, Tree};
use ids::pattern_ids;
use merkle_search_tree::MerkleSearchTree;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    for count in [10_000, 1_000_000] {
        let ids = pattern_ids(count);
        let key_bytes = count * size_of::<&str>();
        let (ours, _tree) = held(|| {
            let mut tree = Tree::new(Sha256);
            tree.extend(ids.iter().map(|id| (id.as_str(), Digest::from([1; 32]))));
            tree
        });
        // Both crates hold a `&str` key as a pointer and a length.
        let (peer, _peer) = held(|| {
            let mut tree = MerkleSearchTree::default();
            for id in &ids {
                tree.upsert(id.as_str(), &[1_u8; 32]);
            }
            let _ = tree.root_hash();
            tree
        });
        let per_entry = |bytes: usize| (bytes - key_bytes) as f64 / count as f64;
        let reference = format!("merkle-search-tree: {:.1} B", per_entry(peer));
        let name = "merkle_bytes_per_entry_beyond_key";
        report(name, &format!("{count}"), per_entry(ours), &reference, 100.0);
    }
    for (count, budget) in [(0, 1024.0), (100, 65_536.0)] {
        let ids = pattern_ids(count);
        let (bytes, _tree) = held(|| {
            let mut tree = Tree::new(Sha256);
            tree.extend(ids.iter().map(|id| (id.as_str(), Digest::from([1; 32]))));
            tree
        });
        let all = bytes + size_of::<Tree<&str, Sha256>>();
        report("merkle_bytes", &format!("{count} entries"), all as f64, "the budget", budget);
    }
}

/// Returns the number of bytes that `make` leaves allocated, and its result.
fn held<T>(make: impl FnOnce() -> T) -> (usize, T) {
    let region = Region::new(ALLOCATOR);
    let made = make();
    let change = region.change();
    (change.bytes_allocated - change.bytes_deallocated, made)
}

fn report(name: &str, input: &str, value: f64, reference: &str, budget: f64) {
    let (ratio, met) = (value / budget, value <= budget);
    println!(
        "{{\"name\":\"{name}\",\"input\":\"{input}\",\"value\":{value:.1},\"unit\":\"B\",\
         \"reference\":\"{reference}\",\"ratio\":{ratio:.3},\"budget\":{budget},\"met\":{met}}}"
    );
}
