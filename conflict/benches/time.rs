//! Times of the cosine, the blend, the strategies and the view, each beside what it is compared with.

#![allow(missing_docs, reason = "criterion_main writes a main without documentation")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use engram_conflict::{blend, cosine};

#[path = "../tests/common/mod.rs"]
mod common;

/// One accumulator after the other, as one writes it first.
fn plain_cosine(left: &[f32], right: &[f32]) -> f32 {
    let (mut dot, mut left_norm, mut right_norm) = (0f32, 0f32, 0f32);
    for (a, b) in left.iter().zip(right) {
        dot += a * b;
        left_norm += a * a;
        right_norm += b * b;
    }
    dot / (left_norm.sqrt() * right_norm.sqrt())
}

/// Component after component, as one writes it first.
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
    let (left, right) = (&real[0].version.embedding[..], &real[1].version.embedding[..]);

    let mut group = criterion.benchmark_group("cosine");
    group.bench_function("ours/768", |b| b.iter(|| cosine(black_box(left), black_box(right))));
    group.bench_function("plain loop/768", |b| {
        b.iter(|| plain_cosine(black_box(left), black_box(right)));
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

criterion_group!(benches, vectors);
criterion_main!(benches);
