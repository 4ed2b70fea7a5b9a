//! Compares trees of every depth with their slow twin, after random edits and around the numbers of
//! entries at which a slot splits.

use crate::common::naive::Naive;
use crate::common::{Placed, place, value};
use engram_merkle::{BaseDepth, Digest, Edit, Hasher, Path, Tree};
use proptest::prelude::*;

type Keys = [u8; 32];

/// Checks that the tree and its twin agree on the root, on all entries, and on the nodes on and
/// beside the paths to `keys`.
fn assert_agree<H: Hasher>(tree: &Tree<Keys, H>, twin: &Naive<H>, keys: &[Keys]) {
    assert_eq!(tree.root(), twin.root());
    let entries: Vec<_> = tree.iter().map(|entry| (entry.key_hash, entry.value)).collect();
    assert_eq!(entries, twin.entries().collect::<Vec<_>>());
    assert_eq!(tree.len(), entries.len());
    for key in keys {
        let key_hash = tree.key_hash(key);
        for level in (1..40).chain([251, 252, 253, 255, 256]) {
            let path = Path::of(&key_hash, level).unwrap();
            let siblings = path.ancestor(level - 1).unwrap().children().unwrap();
            for path in siblings {
                assert_eq!(tree.digest(&path), twin.digest(&path), "{path}");
                let below = twin.below(&path);
                assert_eq!(tree.count(&path), below.len() as u64);
                let entries = tree.entries(&path).map(|entry| (entry.key_hash, entry.value));
                assert!(entries.eq(below));
            }
        }
    }
}

/// Checks that a tree built in one batch has the same root and the same size as one that grew by
/// several edits.
fn assert_rebuilt<H: Hasher>(tree: &Tree<Keys, H>) {
    let mut rebuilt = Tree::with_depth(tree.hasher().clone(), tree.depth());
    rebuilt.extend(tree.iter().map(|entry| (entry.key, entry.value)));
    assert_eq!(rebuilt.root(), tree.root());
    assert_eq!(rebuilt.stats(), tree.stats());
}

/// Generates clustered key hashes: a few leading bits and then one of a few tails, or long common
/// prefixes.
fn crowded_key() -> impl Strategy<Value = Keys> {
    let bits = prop_oneof![
        4 => "[01]{0,3}",
        4 => "0000000[01]{0,12}",
        2 => "00000000000000000[01]{0,8}",
        1 => "0{245}[01]{11}",
    ];
    (bits, 0..6_u64).prop_map(|(bits, number)| place(&bits, number << 3))
}

fn edit() -> impl Strategy<Value = Edit<Keys>> {
    prop_oneof![
        3 => (crowded_key(), 0..3_u64).prop_map(|(key, n)| Edit::Upsert(key, value(n))),
        1 => crowded_key().prop_map(Edit::Remove),
    ]
}

fn depth() -> impl Strategy<Value = BaseDepth> {
    prop::sample::select(BaseDepth::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn prop_agrees_with_the_twin_after_batches(
        depth in depth(),
        batches in prop::collection::vec((prop::collection::vec(edit(), 0..120), any::<bool>()), 1..6),
    ) {
        let mut tree = Tree::with_depth(Placed, depth);
        let mut twin = Naive::new(Placed, depth.levels());
        let mut seen = Vec::new();
        for (edits, at_once) in batches {
            for edit in &edits {
                match edit {
                    Edit::Upsert(key, value) => twin.upsert(key, *value),
                    Edit::Remove(key) => twin.remove(key),
                }
                seen.push(match edit { Edit::Upsert(key, _) | Edit::Remove(key) => *key });
            }
            if at_once {
                tree.update(edits);
            } else {
                for edit in edits {
                    match edit {
                        Edit::Upsert(key, value) => drop(tree.upsert(key, value)),
                        Edit::Remove(key) => drop(tree.remove(key)),
                    }
                }
            }
            assert_agree(&tree, &twin, &seen[seen.len().saturating_sub(2)..]);
            assert_rebuilt(&tree);
        }
    }
}

/// Adds entries whose key hashes begin with `bits` one by one, and removes them again. Checks the
/// root after each removal, and the whole tree at each number of entries in `counts`.
fn grow_and_shrink(depth: BaseDepth, bits: &str, counts: std::ops::RangeInclusive<u64>) {
    let mut tree = Tree::with_depth(Placed, depth);
    let mut twin = Naive::new(Placed, depth.levels());
    let mut roots: Vec<Digest> = vec![tree.root()];
    for number in 0..*counts.end() {
        let key = place(bits, number);
        tree.upsert(key, value(number));
        twin.upsert(&key, value(number));
        roots.push(tree.root());
        if counts.contains(&(number + 1)) {
            assert_agree(&tree, &twin, &[key, place(bits, 0)]);
            assert_rebuilt(&tree);
        }
    }
    for number in (0..*counts.end()).rev() {
        tree.remove(place(bits, number));
        assert_eq!(Some(tree.root()), {
            roots.pop();
            roots.last().copied()
        });
        if counts.contains(&number) {
            assert_rebuilt(&tree);
        }
    }
    assert!(tree.is_empty());
}

#[test]
fn agrees_at_every_split_boundary() {
    for depth in BaseDepth::ALL {
        // `place` puts the number into the last bits, so the 9th entry splits the slot down to
        // level 252; the 17th and the 33rd are the first in the other halves of the nodes one and
        // two levels above.
        for counts in [0..=2, 7..=10, 15..=18, 31..=34] {
            grow_and_shrink(depth, "", counts.clone());
            grow_and_shrink(depth, "1010101010101", counts);
        }
    }
}
