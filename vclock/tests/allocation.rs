//! Tests that operations allocate nothing if they change nothing. This is a single test, because the
//! allocator counts the allocations of the whole process.

use std::alloc::System;

use engram_vclock::{Causality, Dot, Siblings, VectorClock};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Returns the lowest number of allocations over several runs, because the test harness also
/// allocates occasionally.
fn allocations(mut run: impl FnMut()) -> usize {
    let count = |()| {
        let region = Region::new(ALLOCATOR);
        run();
        region.change().allocations
    };
    [(); 8].map(count).into_iter().min().unwrap_or(0)
}

#[test]
fn no_change_allocates_nothing() {
    let mut state: Siblings<u32, u8> = Siblings::new();
    for node in 0..16 {
        state.submit(Dot::new(node, 1), 0).expect("a new version");
    }
    let older = state.clone();
    for node in 0..8 {
        state.submit(Dot::new(node, 2), 1).expect("a new version");
    }
    let clock: VectorClock<u8> = older.context().clone();
    let mut newer = state.context().clone();
    assert_eq!(allocations(|| assert!(!newer.merge(&clock))), 0);
    assert_eq!(allocations(|| assert_eq!(newer.compare(&clock), Causality::After)), 0);
    assert_eq!(allocations(|| assert!(!state.join(&older).changed)), 0);
    assert_eq!(allocations(|| assert_eq!(state.compare(&older), Causality::After)), 0);
}
