//! Counts node comparisons and hashes, and allocations, which do not depend on the machine or its load. Prints one JSON
//! object per line.
//!
//! `cargo bench -p engram-vclock --bench counts`

use std::alloc::System;
use std::cell::Cell;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use crdts::CvRDT;
use engram_vclock::VectorClock;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[expect(dead_code, reason = "one relation is enough for counts")]
#[path = "common/input.rs"]
mod input;

use input::{Clock, POOL, Relation, pairs};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

thread_local! {
    static LOOKS: Cell<u64> = const { Cell::new(0) };
}

fn look() {
    LOOKS.set(LOOKS.get() + 1);
}

/// A node that counts its comparisons and hashes.
#[derive(Clone, Copy, Debug, Eq)]
struct Node(u64);

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        look();
        self.0 == other.0
    }
}

impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        look();
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Node {
    fn hash<H: Hasher>(&self, state: &mut H) {
        look();
        self.0.hash(state);
    }
}

fn ours(entries: &Clock) -> VectorClock<Node> {
    entries.iter().map(|&(node, version)| (Node(node), version)).collect()
}

fn crdts(entries: &Clock) -> crdts::VClock<Node> {
    entries.iter().map(|&(node, version)| crdts::Dot::new(Node(node), version)).collect()
}

fn vclock(entries: &Clock) -> vclock::VClock<Node, u64> {
    let entries = entries.iter().map(|&(node, version)| (Node(node), version));
    entries.collect::<std::collections::HashMap<_, _>>().into()
}

fn main() {
    for nodes in [3, 16, 100] {
        let input = pairs(nodes, Relation::Concurrent);
        measure("merge", "engram-vclock", nodes, &input, ours, |a, b| {
            a.merge(b);
        });
        // crdts takes the other clock by value: a caller that keeps that clock must clone it.
        measure("merge", "crdts", nodes, &input, crdts, |a, b| a.merge(b.clone()));
        measure("merge", "vclock", nodes, &input, vclock, |a, b| a.merge(b));
        measure("compare", "engram-vclock", nodes, &input, ours, |a, b| {
            let _ = a.compare(b);
        });
        measure("compare", "crdts", nodes, &input, crdts, |a, b| {
            let _ = (*a).partial_cmp(b);
        });
        measure("compare", "vclock", nodes, &input, vclock, |a, b| {
            let _ = (*a).partial_cmp(b);
        });
    }
}

fn measure<T>(
    what: &str,
    who: &str,
    nodes: usize,
    input: &[(Clock, Clock)],
    convert: fn(&Clock) -> T,
    op: impl Fn(&mut T, &T),
) {
    let mut pairs: Vec<_> = input.iter().map(|(a, b)| (convert(a), convert(b))).collect();
    let (region, before) = (Region::new(ALLOCATOR), LOOKS.get());
    pairs.iter_mut().for_each(|(a, b)| op(a, b));
    let (change, looks) = (region.change(), LOOKS.get() - before);
    let per = |count: usize| count as f64 / POOL as f64;
    println!(
        "{{\"what\":\"{what}\",\"who\":\"{who}\",\"nodes\":{nodes},\"looks_at_a_node\":{:.1},\
         \"allocations\":{:.1},\"bytes_allocated\":{:.0}}}",
        per(looks as usize),
        per(change.allocations + change.reallocations),
        per(change.bytes_allocated),
    );
}
