//! Measures the cosine and the blend next to reference implementations, and also the strategies and the view.

#![allow(missing_docs, reason = "criterion_main generates a main without documentation")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use engram_conflict::pattern::{
    ConfidenceVoting, ConfidenceWeighted, CrossIdView, KeepBoth, LastWriter, OwnedPattern, Rules,
    blend, cosine,
};
use engram_conflict::{Strategy, Version, Versions};
use simsimd::SpatialSimilarity;

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/it/common/mod.rs"]
mod common;

/// The naive cosine.
fn plain_cosine(left: &[f32], right: &[f32]) -> f32 {
    let (mut dot, mut left_norm, mut right_norm) = (0f32, 0f32, 0f32);
    for (a, b) in left.iter().zip(right) {
        dot += a * b;
        left_norm += a * a;
        right_norm += b * b;
    }
    dot / (left_norm.sqrt() * right_norm.sqrt())
}

/// The naive blend.
fn plain_blend(weights: &[f32], vectors: &[&[f32]]) -> Vec<f32> {
    let component = |i: usize| {
        let (mut sum, mut total) = (0f64, 0f64);
        for (&weight, vector) in weights.iter().zip(vectors) {
            sum += f64::from(weight) * f64::from(vector[i]);
            total += f64::from(weight);
        }
        (sum / total) as f32
    };
    (0..vectors[0].len()).map(component).collect()
}

fn vectors(criterion: &mut Criterion) {
    let real = common::excerpt();
    let (left, right) =
        (&real[0].version.value.embedding[..], &real[1].version.value.embedding[..]);

    let mut group = criterion.benchmark_group("cosine");
    group.bench_function("ours/768", |b| b.iter(|| cosine(black_box(left), black_box(right))));
    group.bench_function("plain loop/768", |b| {
        b.iter(|| plain_cosine(black_box(left), black_box(right)));
    });
    group.bench_function("simsimd/768", |b| {
        b.iter(|| SpatialSimilarity::cos(black_box(left), black_box(right)));
    });
    group.finish();

    let mut group = criterion.benchmark_group("blend");
    let weights = [0.8f32, 0.7];
    let total = f64::from(weights[0]) + f64::from(weights[1]);
    group.bench_function("ours/2x768", |b| {
        b.iter(|| {
            let shares = black_box(weights).map(|weight| f64::from(weight) / total);
            blend([(shares[0], black_box(left)), (shares[1], black_box(right))])
        });
    });
    group.bench_function("plain loop/2x768", |b| {
        b.iter(|| plain_blend(black_box(&weights), black_box(&[left, right])));
    });
    group.finish();
}

/// Measures the strategies on real patterns as siblings of one id. Their common floor is the
/// validation and sorting of the set, which every strategy needs.
fn strategies(criterion: &mut Criterion) {
    let real = common::excerpt().into_iter().map(|r| r.version);
    // Values are shared, as in a store, so that building a set copies no pattern.
    let real: Vec<Version<Arc<OwnedPattern>>> = real
        .map(|v| Version::new(v.digest, Arc::new(v.value)).confirmed(v.confirmations))
        .collect();
    let strategies: [(&str, &dyn Strategy<Arc<OwnedPattern>>); 4] = [
        ("confidence-voting", &ConfidenceVoting),
        ("confidence-weighted", &ConfidenceWeighted::new()),
        ("last-writer", &LastWriter),
        ("keep-both", &KeepBoth),
    ];
    let mut group = criterion.benchmark_group("resolve");
    for number in [1, 3, 64] {
        let set = &real[..number];
        let versions = || Versions::new(set.iter().cloned()).unwrap();
        group.bench_function(format!("floor: the set alone/{number}"), |b| b.iter(versions));
        for (name, strategy) in strategies {
            group.bench_function(format!("{name}/{number}"), |b| {
                b.iter(|| strategy.resolve(&versions()));
            });
        }
    }
    group.finish();
}

/// Generates patterns that are mixtures of two real ones, with some episodes of each.
fn mixtures(number: usize) -> Vec<(u32, common::Sibling)> {
    let real: Vec<OwnedPattern> = common::excerpt().into_iter().map(|r| r.version.value).collect();
    let mut state = 7u64;
    let mut below = |bound: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let mut mixture = |i: u32| {
        let (a, b) = (&real[below(real.len())], &real[below(real.len())]);
        // Noise makes most pairs as dissimilar as real ones.
        let stray =
            |below: &mut dyn FnMut(usize) -> usize| (below(2001) as f32 / 1000.0 - 1.0) * 0.06;
        let embedding = a.embedding.iter().zip(&b.embedding);
        let embedding = embedding.map(|(a, b)| 0.4 * (a + b) + stray(&mut below)).collect();
        let named = |id: &String, copy: usize| format!("{id}-{copy}");
        let copy = below(number / 40 + 1);
        let citations = a.citations.iter().take(4).chain(b.citations.iter().take(3));
        let citations = citations.map(|id| named(id, copy)).collect();
        let mut pattern = OwnedPattern::new(embedding, citations);
        pattern.confidence = below(1 << 24) as f32 / (1 << 24) as f32;
        (i, Version::named(pattern))
    };
    (0..number as u32).map(&mut mixture).collect()
}

fn view(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("view");
    group.sample_size(10);
    for number in [1_000, 10_000] {
        // The patterns are shared, as in the bridge.
        let shared =
            |(id, of): (u32, common::Sibling)| (id, Version::new(of.digest, Arc::new(of.value)));
        let patterns: Vec<_> = mixtures(number).into_iter().map(shared).collect();
        let build = || {
            let mut view = CrossIdView::new(Rules::default()).unwrap();
            view.update(patterns.iter().map(|(id, p)| (*id, Some(p.clone())))).unwrap();
            view
        };
        if number == 1_000 {
            group.bench_function(format!("from scratch/{number}"), |b| b.iter(build));
        }
        let mut view = build();
        let mut edit = 0;
        group.bench_function(format!("one changed pattern/{number}"), |b| {
            b.iter_batched(
                || {
                    let (id, mut pattern) = patterns[edit % number].clone();
                    // Passes alternate between two confidences, so every edit changes the stored pattern.
                    if (edit / number).is_multiple_of(2) {
                        let value = Arc::make_mut(&mut pattern.value);
                        value.confidence = 1.0 - value.confidence;
                    }
                    edit += 1;
                    (id, pattern)
                },
                |(id, pattern)| view.upsert(id, pattern),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, vectors, strategies, view);
criterion_main!(benches);
