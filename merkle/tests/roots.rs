//! What a root must be, and what must leave it alone, for both hashes.

#[path = "common/ids.rs"]
mod ids;

use engram_merkle::{AnyHasher, Digest, Edit, Tree};
use ids::pattern_ids;
use proptest::collection::vec;
use proptest::prelude::*;

const HASHES: [AnyHasher; 2] = [AnyHasher::Sha256, AnyHasher::Blake3];

fn value(number: usize) -> Digest {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
    Digest::from(bytes)
}

/// The tree of the first `count` real ids, each with its number as value.
fn tree(hash: &AnyHasher, count: usize) -> Tree<String, AnyHasher> {
    let mut tree = Tree::new(*hash);
    tree.extend(pattern_ids(count).into_iter().enumerate().map(|(n, id)| (id, value(n))));
    tree
}

/// These bytes are compared by nodes of different releases: changing one needs a new hash scheme.
#[test]
fn roots_of_real_ids_are_golden() {
    let golden = [
        [
            "06add49ff025e4fb22a686d8d39f1613c62b49f21529b9145d255f3c66626402",
            "d4ae7cb34d69028676a5d3b0c65cf0ea9341311d0ef41e2a2d0f68ec4b314f7f",
            "01f1f5ba70f601afaeabdb7a889783e8c3d60c2849a58d3dc16668aa56da3ca8",
        ],
        [
            "cbb54a66215f0ecca9884b5fe67701b87842fe432d64a08cd2167bf3e4b3f7e8",
            "d63a3d9d2b2e6f4f31388516ea03fde76e2b3c2ff8b30f0c30a1d1493593032d",
            "e1a76953d629fb703b1014cb5562bf7eb547d65f559b41e5c7d7c92074918381",
        ],
    ];
    for (hash, expected) in HASHES.iter().zip(golden) {
        let roots = [0, 1, 1_000].map(|count| tree(hash, count).root().to_string());
        assert_eq!(roots, expected, "{hash:?}");
    }
}

#[test]
fn upsert_twice_equals_once() {
    for hash in &HASHES {
        let once = tree(hash, 100);
        let mut twice = once.clone();
        for (number, id) in pattern_ids(100).into_iter().enumerate() {
            assert_eq!(twice.upsert(id, value(number)), Some(value(number)));
        }
        assert_eq!((twice.root(), twice.len()), (once.root(), 100));
    }
}

#[test]
fn insert_then_remove_equals_never() {
    for hash in &HASHES {
        let never = tree(hash, 100);
        let mut removed = tree(hash, 500);
        for id in &pattern_ids(500)[100..] {
            assert!(removed.remove(id.as_bytes()).is_some());
        }
        assert_eq!((removed.root(), removed.stats()), (never.root(), never.stats()));
        for id in pattern_ids(100) {
            removed.remove(id.as_bytes());
        }
        assert_eq!(removed.root(), Tree::<String, _>::new(*hash).root());
    }
}

#[test]
fn test_merkle_tree_incremental_update() {
    let mut tree = tree(&AnyHasher::Sha256, 200);
    let before = tree.root();
    let id = pattern_ids(1).remove(0);
    tree.upsert(id.clone(), value(7_777));
    assert_ne!(tree.root(), before, "a changed value changes the root");
    tree.upsert(id, value(0));
    assert_eq!(tree.root(), before, "and back");
}

#[test]
fn test_merkle_divergence_detection() {
    let here = tree(&AnyHasher::Sha256, 300);
    let mut there = here.clone();
    let ids = pattern_ids(301);
    there.upsert(ids[3].clone(), value(9_999));
    there.remove(ids[5].as_bytes());
    there.upsert(ids[300].clone(), value(300));
    let mut differing: Vec<_> =
        here.diff(&there).unwrap().map(|difference| difference.key.clone()).collect();
    differing.sort();
    let mut expected = vec![ids[3].clone(), ids[5].clone(), ids[300].clone()];
    expected.sort();
    assert_eq!(differing, expected);
}

proptest! {
    /// Any order of any history gives the root of what is left.
    #[test]
    fn test_merkle_tree_determinism(
        edits in vec((0..60_usize, prop::option::of(0..4_usize)), 0..120),
        order in Just((0..60_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let ids = pattern_ids(60);
        let mut tree = Tree::new(AnyHasher::Blake3);
        let mut left = [None; 60];
        for (at, number) in edits {
            match number {
                Some(number) => _ = tree.upsert(ids[at].clone(), value(number)),
                None => _ = tree.remove(ids[at].as_bytes()),
            }
            left[at] = number;
        }
        let mut rebuilt = Tree::new(AnyHasher::Blake3);
        rebuilt.update(order.into_iter().filter_map(|at| {
            left[at].map(|number| Edit::Upsert(ids[at].clone(), value(number)))
        }));
        prop_assert_eq!(tree.root(), rebuilt.root());
    }
}
