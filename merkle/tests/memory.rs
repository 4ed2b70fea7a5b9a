//! What a tree holds, as the allocator counts it. In a file of its own: the count is of the process.

#[path = "common/ids.rs"]
mod ids;

use std::alloc::System;

use engram_merkle::{Digest, Sha256, Tree};
use ids::pattern_ids;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn held<T>(make: impl FnOnce() -> T) -> (usize, T) {
    let region = Region::new(ALLOCATOR);
    let made = make();
    let change = region.change();
    (change.bytes_allocated - change.bytes_deallocated, made)
}

fn built(ids: &[String]) -> Tree<&str, Sha256> {
    let mut tree = Tree::new(Sha256);
    tree.extend(ids.iter().map(|id| (id.as_str(), Digest::from([1; 32]))));
    tree
}

/// One test, so that no other allocates at the same time.
#[test]
fn memory_is_what_stats_says_and_within_its_limits() {
    let (bytes, empty) = held(|| Tree::<&str, _>::new(Sha256));
    assert_eq!(bytes, 0);
    assert_eq!(empty.stats().bytes, 0);
    assert!(size_of_val(&empty) < 1024);

    for (count, limit) in
        [(1, 2048), (100, 64 * 1024), (10_000, 116 * 10_000), (1_000_000, 116 * 1_000_000)]
    {
        // 116 = 100 bytes an entry and the 16 bytes of a `&str` key.
        let ids = pattern_ids(count);
        let (bytes, tree) = held(|| built(&ids));
        assert_eq!(tree.stats().bytes, bytes, "{count} entries");
        assert_eq!(tree.stats().entries, count);
        assert!(bytes <= limit, "{count} entries hold {bytes} bytes");
    }

    // A tree that shrank holds no more than one that never grew.
    let ids = pattern_ids(5000);
    let (bytes, mut tree) = held(|| built(&ids));
    let (fewer, ()) = held(|| drop(Tree::<&str, _>::new(Sha256)));
    assert_eq!(fewer, 0);
    for id in &ids[100..] {
        tree.remove(id.as_bytes());
    }
    assert_eq!(tree.stats(), built(&ids[..100]).stats());
    assert!(tree.stats().bytes < bytes / 10);

    // A snapshot is free, and a change beside it copies the way to the entry, not the tree.
    let mut tree = built(&ids);
    let (bytes, snapshot) = held(|| tree.clone());
    assert_eq!(bytes, 0);
    let (bytes, _) = held(|| tree.upsert(&ids[0], Digest::from([2; 32])));
    assert!((1..10_000).contains(&bytes), "{bytes} bytes copied");
    let (bytes, _) = held(|| tree.upsert(&ids[0], Digest::from([3; 32])));
    assert_eq!(bytes, 0);
    assert_ne!(tree.root(), snapshot.root());
}
