//! Measures clocks, siblings and their alternatives in one run.
//!
//! Benchmark ids are `<group>/<ours or a peer>/<nodes>`. Clocks have random `u64` nodes with hybrid
//! versions, the same for every crate. Every measurement cycles through many pairs, so the
//! branch predictor cannot learn one of them.

use std::hint::black_box;
use std::time::Duration;

use crdts::{CmRDT, CvRDT};
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use engram_vclock::{Dot, Siblings, VectorClock};

#[path = "common/input.rs"]
mod input;

use input::{Clock, POOL, Relation, pairs};

const NODES: [usize; 3] = [3, 16, 100];

/// Measures `op` over a pool of inputs, one per call.
fn cycle<T, R>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    who: &str,
    nodes: usize,
    mut pool: Vec<T>,
    mut op: impl FnMut(&mut T) -> R,
) {
    let mut at = 0;
    group.bench_function(BenchmarkId::new(who, nodes), |bencher| {
        bencher.iter(|| {
            at = (at + 1) % POOL;
            op(black_box(&mut pool[at]))
        });
    });
}

fn group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50);
    group
}

/// Converts both clocks of each pair to the type of one crate.
fn both<T>(pairs: &[(Clock, Clock)], convert: fn(&Clock) -> T) -> Vec<(T, T)> {
    pairs.iter().map(|(left, right)| (convert(left), convert(right))).collect()
}

fn ours(entries: &Clock) -> VectorClock<u64> {
    entries.iter().copied().collect()
}

fn crdts(entries: &Clock) -> crdts::VClock<u64> {
    entries.iter().map(|&(node, version)| crdts::Dot::new(node, version)).collect()
}

fn vclock(entries: &Clock) -> vclock::VClock<u64, u64> {
    entries.iter().copied().collect::<std::collections::HashMap<_, _>>().into()
}

/// Measures a merge in place in the usual case, in which all nodes are known.
fn merge(criterion: &mut Criterion) {
    let mut group = group(criterion, "clock_merge");
    for nodes in NODES {
        let input = pairs(nodes, Relation::Concurrent);
        cycle(&mut group, "ours", nodes, both(&input, ours), |(a, b)| a.merge(b));
        // crdts takes the other clock by value: a caller that keeps that clock must clone it.
        cycle(&mut group, "crdts", nodes, both(&input, crdts), |(a, b)| a.merge(b.clone()));
        cycle(&mut group, "vclock", nodes, both(&input, vclock), |(a, b)| a.merge(b));
    }
    group.finish();
}

fn compare(criterion: &mut Criterion) {
    for (name, relation) in [
        ("clock_compare_before", Relation::Before),
        ("clock_compare_equal", Relation::Equal),
        ("clock_compare_concurrent", Relation::Concurrent),
    ] {
        let mut group = group(criterion, name);
        for nodes in NODES {
            let input = pairs(nodes, relation);
            cycle(&mut group, "ours", nodes, both(&input, ours), |(a, b)| a.compare(b));
            cycle(&mut group, "crdts", nodes, both(&input, crdts), |(a, b)| (*a).partial_cmp(b));
            cycle(&mut group, "vclock", nodes, both(&input, vclock), |(a, b)| (*a).partial_cmp(b));
        }
        group.finish();
    }
}

/// Measures joining two replicas of one key that hold the same concurrent values, one for each node.
fn join(criterion: &mut Criterion) {
    let mut group = group(criterion, "siblings_join");
    for nodes in [1, 3, 16] {
        let input = pairs(nodes, Relation::Equal);
        cycle(&mut group, "ours", nodes, both(&input, siblings), |(a, b)| a.join(b));
        // crdts also merges registers by value.
        cycle(&mut group, "crdts", nodes, both(&input, register), |(a, b)| a.merge(b.clone()));
    }
    group.finish();
}

fn siblings(entries: &Clock) -> Siblings<u64, u64> {
    let mut siblings = Siblings::new();
    for &(node, version) in entries {
        siblings.submit(Dot::new(node, version), version).expect("each node writes once");
    }
    siblings
}

fn register(entries: &Clock) -> crdts::MVReg<u64, u64> {
    let mut register = crdts::MVReg::new();
    for &(node, version) in entries {
        let clock = crdts::Dot::new(node, version).into();
        register.apply(crdts::mvreg::Op::Put { clock, val: version });
    }
    register
}

criterion_group!(benches, merge, compare, join);
criterion_main!(benches);
