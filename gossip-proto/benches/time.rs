//! Measures the codec, each operation with its lower bound, and sessions in memory.

#[expect(dead_code, unused_imports, reason = "the tests use the rest")]
#[path = "../tests/it/common/mod.rs"]
mod common;

use std::hint::black_box;

use common::{Pair, parameters, real, space, sparse};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engram_gossip_proto::{Compression, Message, PatternSync, SessionConfig};

/// Measures a batch of real patterns; the lower bound is LZ4 alone over the same floats.
fn batch(c: &mut Criterion) {
    for (name, contents) in [("f32", real::contents()), ("f16", real::half_contents())] {
        let floats: Vec<u8> = contents
            .iter()
            .flat_map(|c| c.embedding.iter().flat_map(|v| v.to_le_bytes()))
            .collect();
        let delivery = real::batch(contents);
        let message = Message::PatternSync(PatternSync::new(0, delivery, vec![], Compression::Off));
        let frame = message.encode(Compression::Lz4, true);
        let packed = lz4_flex::block::compress(&floats);

        let mut group = c.benchmark_group("sync_encode");
        group.throughput(Throughput::Bytes(floats.len() as u64));
        group.bench_function(format!("ours/{name}"), |b| {
            b.iter(|| black_box(&message).encode(Compression::Lz4, true));
        });
        group.bench_function(format!("lz4/{name}"), |b| {
            b.iter(|| lz4_flex::block::compress(black_box(&floats)));
        });
        group.finish();

        let mut group = c.benchmark_group("sync_decode");
        group.throughput(Throughput::Bytes(floats.len() as u64));
        group.bench_function(format!("ours/{name}"), |b| {
            b.iter(|| Message::decode(black_box(&frame)).unwrap());
        });
        group.bench_function(format!("lz4/{name}"), |b| {
            b.iter(|| lz4_flex::block::decompress(black_box(&packed), floats.len()).unwrap());
        });
        group.finish();
    }
}

/// Measures a whole session in memory, without a network.
fn session(c: &mut Criterion) {
    let mut group = c.benchmark_group("session");
    for differences in [0, 1, 100] {
        let (left, right) = sparse::pair(10_000, differences, 0);
        group.bench_function(format!("ours/{differences}_of_10000"), |b| {
            b.iter(|| {
                let config = SessionConfig::default();
                Pair::new(
                    (config.clone(), config),
                    (parameters(), parameters()),
                    (
                        vec![(space("default"), left.clone())],
                        vec![(space("default"), right.clone())],
                    ),
                )
                .run(|_, _, frame| vec![frame])
            });
        });
    }
    group.finish();
}

criterion_group!(benches, batch, session);
criterion_main!(benches);
