//! Measures times and compares them with floors and peers.
//!
//! `cargo bench -p engram-merkle --bench time`
//!
//! A floor is the time of the bare hashes that a change needs, computed with the hash crate alone; as in the tree, each
//! hash is part of the input of the next. A peer is a published crate that does the same job on the same entries.

#[path = "../tests/it/common/ids.rs"]
mod ids;

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use engram_merkle::{Blake3, Digest, Edit, HEADER_LEN, Hasher, LEAF_CAPACITY, Path, Sha256, Tree};
use ids::{pattern_ids, splitmix64};
use merkle_search_tree::MerkleSearchTree;
use rs_merkle::MerkleTree;

fn value(number: usize) -> Digest {
    let mut bytes = [0; 32];
    for (part, chunk) in (0..).zip(bytes.chunks_exact_mut(8)) {
        chunk.copy_from_slice(&splitmix64(number as u64 * 4 + part).to_be_bytes());
    }
    bytes.into()
}

fn built<H: Hasher>(hasher: H, ids: &[String]) -> Tree<&str, H> {
    let mut tree = Tree::new(hasher);
    tree.extend(ids.iter().enumerate().map(|(number, id)| (id.as_str(), value(number))));
    tree
}

/// Indices of ids in a pseudorandom order, because real changes are scattered over the tree.
fn scattered(ids: &[String]) -> impl Iterator<Item = usize> + Clone {
    let len = ids.len() as u64;
    (0..).map(move |step| (splitmix64(step) % len) as usize)
}

/// The hash inputs of one change: the key, the number of entries in its leaf, and the number of nodes above the leaf.
struct Bare<'a> {
    key: &'a str,
    entries: usize,
    levels: u16,
}

impl<'a> Bare<'a> {
    fn of<H: Hasher>(tree: &Tree<&str, H>, key: &'a str) -> Self {
        let key_hash = tree.key_hash(key.as_bytes());
        let leaf = |levels: &u16| {
            let path = Path::of(&key_hash, *levels).expect("the level is at most 256");
            tree.count(&path) <= LEAF_CAPACITY as u64
        };
        let levels = (12..=256).find(leaf).expect("a single key hash is always a leaf");
        let path = Path::of(&key_hash, levels).expect("the level is at most 256");
        Self { key, entries: tree.count(&path) as usize, levels }
    }

    fn hash(&self, hash: impl Fn(&[u8]) -> [u8; 32]) -> [u8; 32] {
        let mut input = [0; HEADER_LEN + LEAF_CAPACITY * 64];
        input[HEADER_LEN..][..self.key.len()].copy_from_slice(self.key.as_bytes());
        let mut digest = hash(&input[..HEADER_LEN + self.key.len()]);
        input[HEADER_LEN..][..32].copy_from_slice(&digest);
        digest = hash(&input[..HEADER_LEN + 64 * self.entries]);
        for _ in 0..self.levels {
            input[HEADER_LEN..][..32].copy_from_slice(&digest);
            digest = hash(&input[..HEADER_LEN + 64]);
        }
        digest
    }
}

fn upsert_floor<H: Hasher>(
    c: &mut Criterion,
    tree: &Tree<&str, H>,
    ids: &[String],
    hash: impl Fn(&[u8]) -> [u8; 32],
) {
    let name = BenchmarkId::new("floor", format!("{}-{}", tree.hasher().name(), ids.len()));
    c.benchmark_group("merkle_upsert").bench_function(name, |b| {
        let changes: Vec<_> =
            scattered(ids).take(10_000).map(|at| Bare::of(tree, &ids[at])).collect();
        let mut order = changes.iter().cycle();
        b.iter(|| order.next().map(|change| black_box(change).hash(&hash)));
    });
}

fn upsert_ours<'a, H: Hasher>(c: &mut Criterion, mut tree: Tree<&'a str, H>, ids: &'a [String]) {
    let mut order = scattered(ids).zip(ids.len()..);
    let name = BenchmarkId::new("ours", format!("{}-{}", tree.hasher().name(), ids.len()));
    c.benchmark_group("merkle_upsert").bench_function(name, |b| {
        b.iter_batched(
            || {
                let (at, number) = order.next().expect("the order has no end");
                // Reads the key, because a caller that changes an entry has just used its key.
                black_box(ids[at].bytes().last());
                (ids[at].as_str(), value(number))
            },
            |(key, value)| {
                tree.upsert(key, value);
                tree.root()
            },
            BatchSize::SmallInput,
        );
    });
}

fn upsert_peer(c: &mut Criterion, ids: &[String]) {
    let mut tree = MerkleSearchTree::default();
    for (number, id) in ids.iter().enumerate() {
        tree.upsert(id.clone(), value(number).as_bytes());
    }
    let _ = tree.root_hash();
    let mut order = scattered(ids).zip(ids.len()..);
    let name = BenchmarkId::new("merkle-search-tree", ids.len());
    c.benchmark_group("merkle_upsert").bench_function(name, |b| {
        b.iter_batched(
            || order.next().map(|(at, number)| (ids[at].clone(), value(number))),
            |change| {
                let (key, value) = change.expect("the order has no end");
                tree.upsert(key, value.as_bytes());
                tree.root_hash().clone()
            },
            BatchSize::SmallInput,
        );
    });
}

fn upsert(c: &mut Criterion) {
    let ids = pattern_ids(10_000);
    let sha256 = |input: &[u8]| <sha2::Sha256 as sha2::Digest>::digest(input).into();
    let blake3 = |input: &[u8]| {
        let (header, body) = input.split_at(HEADER_LEN);
        let mut key = [0; 32];
        key[..HEADER_LEN].copy_from_slice(header);
        *blake3::keyed_hash(&key, body).as_bytes()
    };
    upsert_floor(c, &built(Sha256, &ids), &ids, sha256);
    upsert_ours(c, built(Sha256, &ids), &ids);
    upsert_peer(c, &ids);
    upsert_floor(c, &built(Blake3, &ids), &ids, blake3);
    upsert_ours(c, built(Blake3, &ids), &ids);
    let ids = pattern_ids(1_000_000);
    upsert_floor(c, &built(Sha256, &ids), &ids, sha256);
    upsert_ours(c, built(Sha256, &ids), &ids);
    upsert_peer(c, &ids);
}

fn build(c: &mut Criterion) {
    let mut group = c.benchmark_group("merkle_build");
    for count in [10_000, 1_000_000] {
        let ids = pattern_ids(count);
        let entries: Vec<_> = (0..).zip(&ids).map(|(n, id)| (id.as_str(), value(n))).collect();
        group.sample_size(if count > 100_000 { 10 } else { 50 });
        group.bench_function(BenchmarkId::new("ours", format!("sha256-{count}")), |b| {
            b.iter_with_large_drop(|| {
                let mut tree = Tree::new(Sha256);
                tree.update(entries.iter().map(|(key, value)| Edit::Upsert(*key, *value)));
                tree
            });
        });
        group.bench_function(BenchmarkId::new("rs_merkle", format!("sha256-{count}")), |b| {
            b.iter_with_large_drop(|| {
                let leaf = |(key, value): &(&str, Digest)| {
                    use sha2::Digest as _;
                    let hash = sha2::Sha256::new().chain_update(key).chain_update(value);
                    hash.finalize().into()
                };
                let leaves: Vec<[u8; 32]> = entries.iter().map(leaf).collect();
                let tree = MerkleTree::<rs_merkle::algorithms::Sha256>::from_leaves(&leaves);
                black_box(tree.root());
                tree
            });
        });
    }
}

fn diff(c: &mut Criterion) {
    let ids = pattern_ids(10_000);
    let mut group = c.benchmark_group("merkle_diff");
    for differences in [1, 100] {
        let left = built(Sha256, &ids);
        let mut right = built(Sha256, &ids);
        for (number, at) in scattered(&ids).take(differences).enumerate() {
            right.upsert(ids[at].as_str(), value(ids.len() + number));
        }
        let name = BenchmarkId::new("ours", format!("{differences}-of-10000"));
        group.bench_function(name, |b| {
            b.iter(|| left.diff(black_box(&right)).map(Iterator::count));
        });

        let mut peers = [MerkleSearchTree::default(), MerkleSearchTree::default()];
        for (tree, peer) in [&left, &right].into_iter().zip(&mut peers) {
            for entry in tree {
                peer.upsert(entry.key.to_owned(), entry.value.as_bytes());
            }
            let _ = peer.root_hash();
        }
        let [left, right] = peers
            .each_ref()
            .map(|peer| peer.serialise_page_ranges().expect("the root was just computed"));
        let name = BenchmarkId::new("merkle-search-tree", format!("{differences}-of-10000"));
        group.bench_function(name, |b| {
            b.iter(|| {
                let (left, right) = (left.clone(), right.clone());
                merkle_search_tree::diff::diff(left, black_box(right)).len()
            });
        });
    }
    let [left, right] = [built(Sha256, &ids), built(Sha256, &ids)];
    group.bench_function(BenchmarkId::new("ours", "root-comparison"), |b| {
        b.iter(|| black_box(&left).root() == black_box(&right).root());
    });
}

fn read(c: &mut Criterion) {
    let ids = pattern_ids(10_000);
    let tree = built(Sha256, &ids);
    let mut group = c.benchmark_group("merkle_read");
    let mut order = scattered(&ids).map(|at| ids[at].as_bytes());
    group.bench_function("ours/get", |b| b.iter(|| tree.get(order.next().unwrap_or_default())));
    group.bench_function("ours/prove", |b| b.iter(|| tree.prove(order.next().unwrap_or_default())));
    group.bench_function("ours/children", |b| b.iter(|| tree.children(black_box(&Path::ROOT))));
    group.bench_function("ours/snapshot", |b| b.iter(|| tree.clone()));
}

criterion_group! {
    name = benches;
    config = Criterion::default().without_plots();
    targets = upsert, build, diff, read
}
criterion_main!(benches);
