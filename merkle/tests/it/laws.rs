//! Laws that hold for every tree, regardless of its history.

use crate::common::ids::pattern_ids;
use crate::common::{Counting, Placed, place, value};
use engram_merkle::{AnyHasher, BaseDepth, Digest, Edit, LEAF_CAPACITY, Path, Sha256, Tree};
use proptest::prelude::*;

fn patterns(count: usize) -> Vec<(String, Digest)> {
    pattern_ids(count).into_iter().zip((0..).map(value)).collect()
}

fn built(entries: &[(String, Digest)]) -> Tree<String, Sha256> {
    let mut tree = Tree::new(Sha256);
    tree.extend(entries.iter().cloned());
    tree
}

#[test]
fn upsert_twice_equals_once() {
    let mut tree = built(&patterns(100));
    for (id, value) in patterns(101) {
        tree.upsert(id.clone(), value);
        let once = tree.clone();
        assert_eq!(tree.upsert(id, value), Some(value));
        assert_eq!(tree.root(), once.root());
        assert_eq!(tree.stats(), once.stats());
    }
}

#[test]
fn insert_then_remove_equals_never() {
    let entries = patterns(200);
    let mut tree = Tree::new(Sha256);
    let never = tree.root();
    let mut roots = Vec::new();
    for (id, value) in &entries {
        roots.push(tree.root());
        assert_eq!(tree.upsert(id.clone(), *value), None);
    }
    for (id, value) in entries.iter().rev() {
        assert_eq!(tree.remove(id.as_bytes()), Some(*value));
        assert_eq!(Some(tree.root()), roots.pop());
    }
    assert_eq!(tree.root(), never);
    assert_eq!(tree.stats(), Tree::<String, _>::new(Sha256).stats());
}

#[test]
fn edit_without_effect_hashes_only_its_key() {
    let hasher = Counting::new(Sha256);
    let mut tree = Tree::new(hasher.clone());
    tree.extend(patterns(1000));
    hasher.take();
    let (id, value) = patterns(1).remove(0);
    tree.upsert(id.clone(), value);
    tree.remove(b"never there");
    tree.update([Edit::Upsert(id, value), Edit::Remove("never there".into())]);
    tree.update([]);
    assert_eq!(hasher.take(), 4);
}

#[test]
fn test_merkle_tree_incremental_update() {
    let entries = patterns(1000);
    let mut grown = Tree::new(Sha256);
    for (id, value) in &entries {
        let before = grown.root();
        grown.upsert(id.clone(), *value);
        assert_ne!(grown.root(), before);
    }
    assert_eq!(grown.root(), built(&entries).root());
}

#[test]
fn test_merkle_tree_determinism() {
    let mut entries = patterns(3000);
    let tree = built(&entries);
    entries.reverse();
    let (first, second) = entries.split_at(1234);
    let mut other = built(second);
    other.extend(first.iter().cloned());
    assert_eq!(other.root(), tree.root());
    assert_eq!(other.stats(), tree.stats());
    assert!(other.iter().eq(tree.iter()));
    assert!(other.iter().is_sorted_by_key(|entry| entry.key_hash));
}

#[test]
fn test_pattern_to_leaf_determinism() {
    // The slot of an id is part of the format: other nodes, releases and implementations must
    // compute the same slot.
    let id = b"pattern_1000136338110019954";
    let tree: Tree<&str, _> = Tree::new(Sha256);
    let slot = Path::of(&tree.key_hash(id), 12).unwrap();
    assert_eq!(slot.to_string(), "000001111111");
}

#[test]
fn test_merkle_path_recomputation() {
    let hasher = Counting::new(Sha256);
    let mut tree = Tree::new(hasher.clone());
    let entries = patterns(5000);
    tree.extend(entries.iter().cloned());
    hasher.take();
    for (id, old) in entries.iter().take(1000) {
        tree.upsert(id.clone(), value(77_777));
        assert_eq!(hasher.take(), 1 + 1 + 12, "key, leaf, and one node per level");
        tree.upsert(id.clone(), *old);
        hasher.take();
    }
    tree.upsert("a new one".into(), value(1));
    assert_eq!(hasher.take(), 14);
    tree.remove(b"a new one");
    assert_eq!(hasher.take(), 13, "its leaf is now empty");
}

#[test]
fn a_batch_hashes_each_touched_node_once() {
    let hasher = Counting::new(Placed);
    let mut tree = Tree::new(hasher.clone());
    let upsert = |bits: &str, number| Edit::Upsert(place(bits, number), value(number));
    hasher.take();
    // The paths of the two slots share the nodes at levels 0 to 10, and each path has its own node
    // at level 11.
    tree.update([upsert("000000000000", 1), upsert("000000000000", 2), upsert("000000000010", 3)]);
    assert_eq!(hasher.take(), 3 + 2 + 2 + 11, "keys, leaves, nodes of each path, shared nodes");
    tree.update([upsert("000000000000", 4), upsert("000000000011", 5)]);
    assert_eq!(hasher.take(), 2 + 2 + 2 + 11);
    tree.update([upsert("000000000000", 6), upsert("000000000000", 7)]);
    assert_eq!(hasher.take(), 2 + 1 + 12);
}

#[test]
fn the_last_edit_of_a_key_counts() {
    let mut tree = Tree::new(Sha256);
    let upsert = |key, number| Edit::Upsert(key, value(number));
    tree.update([
        upsert("a", 1),
        Edit::Remove("a"),
        upsert("b", 1),
        upsert("a", 2),
        upsert("b", 2),
    ]);
    tree.update([upsert("c", 3), Edit::Remove("b"), Edit::Remove("c")]);
    let mut expected = Tree::new(Sha256);
    expected.upsert("a", value(2));
    assert_eq!(tree, expected);
}

#[test]
fn batch_across_slots_splits_and_joins_them() {
    // The batch adds as many entries as it removes, so the total does not change while one slot
    // splits, or grows after a split, and another joins.
    let full = LEAF_CAPACITY as u64;
    for entries in [full, full + 1] {
        let mut tree = Tree::new(Placed);
        let slot = |bits, numbers: std::ops::Range<u64>| {
            numbers.map(move |number| (place(bits, number), value(number)))
        };
        tree.extend(slot("000000000000", 0..entries).chain(slot("000000000001", 0..full + 1)));
        tree.update([
            Edit::Upsert(place("000000000000", 99), value(99)),
            Edit::Remove(place("000000000001", 0)),
        ]);
        let mut expected = Tree::new(Placed);
        for (key, value) in tree.iter().map(|entry| (entry.key, entry.value)) {
            expected.upsert(key, value);
        }
        assert_eq!(tree, expected);
        assert_eq!(tree.stats(), expected.stats());
    }
}

#[test]
fn test_merkle_divergence_detection() {
    let entries = patterns(10_000);
    let left = built(&entries);
    let mut right = left.clone();
    assert_eq!(left.diff(&right).unwrap().count(), 0);
    right.remove(entries[10].0.as_bytes());
    right.upsert(entries[20].0.clone(), value(1_000_000));
    right.upsert("a new one".into(), value(1_000_001));
    let mut found: Vec<_> = left.diff(&right).unwrap().collect();
    assert!(found.is_sorted_by_key(|difference| difference.key_hash));
    found.sort_by_key(|difference| difference.key);
    let found: Vec<_> = found.iter().map(|d| (d.key.as_str(), d.left, d.right)).collect();
    let mut expected = vec![
        ("a new one", None, Some(value(1_000_001))),
        (&entries[10].0, Some(value(10)), None),
        (&entries[20].0, Some(value(20)), Some(value(1_000_000))),
    ];
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn trees_with_other_parameters_are_unequal() {
    let entries = patterns(10);
    let mut trees = Vec::new();
    for hasher in AnyHasher::ALL {
        for depth in BaseDepth::ALL {
            for count in [0, 10] {
                let mut tree = Tree::with_depth(*hasher, depth);
                tree.extend(entries[..count].iter().cloned());
                trees.push((count, tree));
            }
        }
    }
    for (i, (count, tree)) in trees.iter().enumerate() {
        for (j, (other_count, other)) in trees.iter().enumerate() {
            assert_eq!(tree == other, i == j);
            let same_parameters = tree.hasher() == other.hasher() && tree.depth() == other.depth();
            match tree.diff(other) {
                Ok(diff) => {
                    assert!(same_parameters);
                    assert_eq!(diff.count(), count.abs_diff(*other_count));
                }
                Err(error) => {
                    assert!(!same_parameters);
                    assert!(error.to_string().contains("with base depth"), "{error}");
                }
            }
        }
    }
}

#[test]
fn every_value_bit_reaches_the_root() {
    let mut tree = built(&patterns(20));
    let (id, old) = patterns(1).remove(0);
    let root = tree.root();
    for bit in 0..256 {
        let mut bytes = *old.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        tree.upsert(id.clone(), bytes.into());
        assert_ne!(tree.root(), root, "bit {bit}");
    }
}

#[test]
fn snapshot_is_immutable() {
    let entries = patterns(500);
    let mut tree = built(&entries);
    let snapshots: Vec<_> = entries
        .iter()
        .map(|(id, value)| {
            let snapshot = (tree.clone(), tree.root(), *value);
            tree.remove(id.as_bytes());
            snapshot
        })
        .collect();
    assert!(tree.is_empty());
    for (at, (snapshot, root, value)) in snapshots.iter().enumerate() {
        assert_eq!(snapshot.len(), 500 - at);
        assert_eq!(snapshot.get(entries[at].0.as_bytes()), Some(*value));
        assert_eq!(built(&entries[at..]).root(), *root);
    }
}

#[test]
fn trees_cross_threads() {
    fn crosses<T: Send + Sync + Unpin + 'static>() {}
    crosses::<Tree<std::sync::Arc<str>, AnyHasher>>();
    crosses::<engram_merkle::Proof>();
    crosses::<engram_merkle::Entries<'static, String>>();
    crosses::<engram_merkle::Diff<'static, String>>();
}

fn small_tree() -> impl Strategy<Value = Vec<([u8; 32], u64)>> {
    // Keys all over the tree, keys with a few prefixes below one slot, and enough keys in one slot
    // to split it.
    let bits = prop_oneof!["[01]{0,14}", "000000000000[01]{1,5}", Just(String::new())];
    let key = (bits, 0..40_u64).prop_map(|(bits, number)| place(&bits, number));
    prop::collection::vec((key, 0..3_u64), 0..200)
}

fn of(entries: &[([u8; 32], u64)]) -> Tree<[u8; 32], Placed> {
    let mut tree = Tree::new(Placed);
    tree.extend(entries.iter().map(|(key, number)| (*key, value(*number))));
    tree
}

proptest! {
    #[test]
    fn prop_order_does_not_matter(entries in small_tree(), rotate in any::<prop::sample::Index>()) {
        let unique: std::collections::BTreeMap<_, _> = entries.into_iter().collect();
        let mut entries: Vec<_> = unique.into_iter().collect();
        let tree = of(&entries);
        if !entries.is_empty() {
            let at = rotate.index(entries.len());
            entries.rotate_left(at);
        }
        let mut other = Tree::new(Placed);
        for (key, number) in entries.into_iter().rev() {
            other.upsert(key, value(number));
        }
        prop_assert_eq!(tree, other);
    }

    #[test]
    fn prop_roots_are_equal_iff_entries_are_equal(a in small_tree(), b in small_tree()) {
        let (a, b) = (of(&a), of(&b));
        prop_assert_eq!(a.root() == b.root(), a.iter().eq(b.iter()));
    }

    #[test]
    fn prop_diff_is_the_symmetric_difference(a in small_tree(), b in small_tree(), share in any::<bool>()) {
        let left = of(&a);
        // The trees are independent, or one is a changed snapshot of the other.
        let mut right = if share { left.clone() } else { Tree::new(Placed) };
        right.extend(b.iter().map(|(key, number)| (*key, value(number + 1))));
        let mut expected = Vec::new();
        for key in left.iter().chain(&right).map(|entry| entry.key) {
            let values = (left.get(key), right.get(key));
            if values.0 != values.1 {
                expected.push((key, values.0, values.1));
            }
        }
        expected.sort();
        expected.dedup();
        let found = left.diff(&right).unwrap().map(|d| (*d.key, d.left, d.right));
        prop_assert_eq!(found.collect::<Vec<_>>(), expected.clone());
        let back = right.diff(&left).unwrap().map(|d| (*d.key, d.right, d.left));
        prop_assert_eq!(back.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn prop_children_are_digests_four_levels_down(entries in small_tree(), level in 0..20_u16) {
        let tree = of(&entries);
        for entry in tree.iter().take(3) {
            let path = Path::of(&entry.key_hash, level).unwrap();
            let children = tree.children(&path);
            for (nibble, child) in (0..).zip(children) {
                let below = path.descendant(nibble).unwrap();
                prop_assert_eq!(child.unwrap_or(Digest::EMPTY), tree.digest(&below));
                prop_assert_eq!(child.is_some(), tree.count(&below) > 0);
            }
        }
    }
}
