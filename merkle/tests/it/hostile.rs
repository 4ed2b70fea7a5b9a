//! Tests that keys crafted by an attacker cost the tree little.

use crate::common::{self, Counting, Placed, place, value};
use engram_merkle::Tree;

/// 10,000 keys in one slot, spread below it like hashes with a common prefix.
fn crowd() -> Vec<[u8; 32]> {
    let spread = |number| {
        let bits: String = (0..64)
            .map(|bit| char::from(b'0' + (common::ids::splitmix64(number) >> bit & 1) as u8))
            .collect();
        place(&format!("101010101010{bits}"), number)
    };
    (0..10_000).map(spread).collect()
}

#[test]
fn changes_in_a_full_slot_stay_logarithmic() {
    let hasher = Counting::new(Placed);
    let mut tree = Tree::new(hasher.clone());
    tree.extend(crowd().into_iter().zip((0..).map(value)));
    // log2(10,000 / 8) is between 10 and 11; a few paths go deeper.
    assert!((12 + 10..12 + 20).contains(&tree.stats().deepest_level), "{:?}", tree.stats());
    let before = tree.clone();
    hasher.take();
    for (number, key) in crowd().into_iter().enumerate().step_by(97) {
        tree.upsert(key, value(20_000 + number as u64));
        let hashes = hasher.take();
        assert!(hashes <= 2 + 12 + 20, "{hashes} hashes");
        tree.remove(key);
        let hashes = hasher.take();
        assert!(hashes <= 2 + 12 + 20, "{hashes} hashes");
        tree.upsert(key, value(number as u64));
        hasher.take();
    }
    assert_eq!(tree.root(), before.root());
    let key = crowd()[4711];
    tree.upsert(key, value(30_000));
    hasher.take();
    let differences: Vec<_> = tree.diff(&before).unwrap().map(|found| *found.key).collect();
    assert_eq!(differences, [key]);
    assert_eq!(hasher.take(), 0, "a difference is found without a hash");
}

#[test]
fn keys_with_long_shared_prefixes_are_kept() {
    // 256 key hashes that differ only in their last eight bits: only a broken hash function could
    // produce them.
    let mut tree = Tree::new(Placed);
    for number in 0..=255 {
        tree.upsert(place("", number), value(number));
    }
    assert_eq!(tree.stats().deepest_level, 253);
    assert_eq!(tree.iter().count(), 256);
    for number in 0..=255 {
        assert_eq!(tree.remove(place("", number)), Some(value(number)));
    }
    assert!(tree.is_empty());
}

#[test]
fn keys_with_one_hash_are_one_key() {
    // No collision of a real hash is known. Even with a collision, the tree would remain
    // consistent.
    let mut tree: Tree<Vec<u8>, _> = Tree::new(Placed);
    let short = b"hashes to a place".to_vec();
    let place = tree.key_hash(&short).as_bytes().to_vec();
    tree.upsert(short.clone(), value(1));
    assert_eq!(tree.upsert(place.clone(), value(2)), Some(value(1)));
    assert_eq!(tree.len(), 1);
    assert_eq!(tree.iter().next().unwrap().key, short, "the tree keeps the first key");
    assert_eq!(tree.remove(&place), Some(value(2)));
}
