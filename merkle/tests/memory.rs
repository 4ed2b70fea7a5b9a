//! Tests the memory use of a tree, as the allocator counts it.

#[path = "it/common/ids.rs"]
mod ids;

use std::alloc::System;

use engram_merkle::{Digest, Sha256, Tree};
use ids::pattern_ids;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Returns the number of bytes that `make` leaves allocated, and its result.
///
/// The counter covers the whole process, and the thread of the test harness sometimes also
/// allocates. The function therefore repeats the measurement until two in a row are equal.
fn held<T>(mut make: impl FnMut() -> T) -> (usize, T) {
    let mut measure = || {
        let region = Region::new(ALLOCATOR);
        let made = make();
        let change = region.change();
        (change.bytes_allocated.wrapping_sub(change.bytes_deallocated), made)
    };
    let (mut before, _) = measure();
    loop {
        let (bytes, made) = measure();
        if bytes == before {
            return (bytes, made);
        }
        before = bytes;
    }
}

fn built(ids: &[String]) -> Tree<&str, Sha256> {
    let mut tree = Tree::new(Sha256);
    tree.extend(ids.iter().map(|id| (id.as_str(), Digest::from([1; 32]))));
    tree
}

/// The checks form one test, so that no other test allocates at the same time.
#[test]
fn memory_is_bounded_and_known() {
    allocated_bytes_match_stats_and_limit();
    shrunken_tree_equals_one_that_never_grew();
    change_beside_a_snapshot_copies_one_path();
}

fn allocated_bytes_match_stats_and_limit() {
    let (bytes, empty) = held(|| Tree::<&str, _>::new(Sha256));
    assert_eq!(bytes, 0);
    assert_eq!(empty.stats().bytes, 0);
    assert!(size_of_val(&empty) < 1024);

    // From 10,000 entries on, the limit is 100 bytes for each entry and 16 for its key, a `&str`.
    for (count, limit) in
        [(1, 2048), (100, 64 * 1024), (10_000, 116 * 10_000), (1_000_000, 116 * 1_000_000)]
    {
        let ids = pattern_ids(count);
        let (bytes, tree) = held(|| built(&ids));
        assert_eq!(tree.stats().bytes, bytes, "{count} entries");
        assert_eq!(tree.stats().entries, count);
        assert!(bytes <= limit, "{count} entries hold {bytes} bytes");
    }
}

fn shrunken_tree_equals_one_that_never_grew() {
    let ids = pattern_ids(5000);
    let mut tree = built(&ids);
    for id in &ids[100..] {
        tree.remove(id.as_bytes());
    }
    assert_eq!(tree.stats(), built(&ids[..100]).stats());
}

fn change_beside_a_snapshot_copies_one_path() {
    let ids = pattern_ids(5000);
    let mut tree = built(&ids);
    let (bytes, snapshot) = held(|| tree.clone());
    assert_eq!(bytes, 0);

    let (bytes, changed) = held(|| {
        let mut changed = snapshot.clone();
        changed.upsert(&ids[0], Digest::from([2; 32]));
        changed
    });
    assert!((1..10_000).contains(&bytes), "{bytes} bytes copied");
    assert_ne!(changed.root(), snapshot.root());

    // An upsert of the current value copies nothing, and no block is copied twice.
    let (bytes, _) = held(|| tree.upsert(&ids[0], Digest::from([1; 32])));
    assert_eq!(bytes, 0);
    tree.upsert(&ids[0], Digest::from([3; 32]));
    let mut number = 3;
    let (bytes, _) = held(|| {
        number += 1;
        tree.upsert(&ids[0], Digest::from([number; 32]))
    });
    assert_eq!(bytes, 0);
}
