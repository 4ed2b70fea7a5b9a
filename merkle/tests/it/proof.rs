//! Proofs verify for their key and root, and everything else is refused.

use crate::common::ids::pattern_ids;
use crate::common::naive::Naive;
use crate::common::{Placed, place, value};
use crate::fuzz;
use engram_merkle::{BaseDepth, Blake3, Digest, Hasher, Proof, ProofError, Sha256, Tree};
use proptest::prelude::*;

fn tree(count: usize) -> Tree<String, Sha256> {
    let mut tree = Tree::new(Sha256);
    tree.extend(pattern_ids(count).into_iter().zip((0..).map(value)));
    tree
}

fn verify<H: Hasher>(tree: &Tree<impl engram_merkle::Key, H>, key: &[u8]) -> Option<Digest> {
    let proof = tree.prove(key);
    let bytes = proof.to_bytes();
    assert_eq!(Proof::from_bytes(&bytes).as_ref(), Ok(&proof));
    proof.verify(tree.hasher(), tree.depth(), &tree.root(), key).unwrap()
}

#[test]
fn proves_presence_and_absence_at_every_size() {
    for count in [0, 1, 2, 8, 9, 100, 1000, 10_000] {
        let tree = tree(count);
        for (number, id) in (0..).zip(pattern_ids(count)).step_by(1 + count / 50) {
            assert_eq!(verify(&tree, id.as_bytes()), Some(value(number)));
        }
        for absent in ["", "pattern_", "pattern_0", "a much longer key that is not there"] {
            assert_eq!(verify(&tree, absent.as_bytes()), None);
        }
    }
}

#[test]
fn proves_in_full_slots_to_the_last_level() {
    for depth in BaseDepth::ALL {
        let mut tree = Tree::with_depth(Placed, depth);
        tree.extend((0..40).map(|number| (place("", number), value(number))));
        for number in 0..40 {
            assert_eq!(verify(&tree, &place("", number)), Some(value(number)));
        }
        assert_eq!(verify(&tree, &place("", 41)), None);
        assert_eq!(verify(&tree, &place("1", 1)), None);
    }
}

#[test]
fn proof_is_valid_for_one_key_root_and_scheme() {
    let mut tree = tree(1000);
    let ids = pattern_ids(1000);
    let (root, key) = (tree.root(), ids[0].as_bytes());
    let proof = tree.prove(key);
    let default = BaseDepth::default();
    let wrong_root = Err(ProofError::WrongRoot);
    for id in &ids[1..] {
        assert_eq!(proof.verify(&Sha256, default, &root, id.as_bytes()), wrong_root);
    }
    assert_eq!(proof.verify(&Sha256, BaseDepth::Eight, &root, key), wrong_root);
    assert_eq!(proof.verify(&Blake3, default, &root, key), wrong_root);
    assert_eq!(proof.verify(&Sha256, default, &Digest::EMPTY, key), wrong_root);
    tree.upsert(ids[999].clone(), value(5000));
    assert_eq!(proof.verify(&Sha256, default, &tree.root(), key), wrong_root);
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let tree = tree(300);
    let id = &pattern_ids(1)[0];
    let check = |bytes: &[u8]| {
        let proof = Proof::from_bytes(bytes)?;
        proof.verify(&Sha256, BaseDepth::default(), &tree.root(), id.as_bytes())
    };
    for key in [id.as_bytes(), b"absent"] {
        let bytes = tree.prove(key).to_bytes();
        let good = key == id.as_bytes();
        assert_eq!(check(&bytes).is_ok(), good);
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&bytes).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(check(&bytes[..len]).is_err(), "{len} bytes");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(check(&longer), Err(ProofError::Length { .. })));
    }
}

#[test]
fn each_error_names_its_cause() {
    let bytes = tree(300).prove(b"absent").to_bytes();
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        Proof::from_bytes(&bytes).unwrap_err()
    };
    assert_eq!(with(0, 2), ProofError::Version { found: 2 });
    assert!(matches!(with(1, 9), ProofError::Limits { entries: 9, .. }));
    assert!(matches!(with(2, 1), ProofError::Limits { levels, .. } if levels > 256));
    assert!(matches!(with(3, 0), ProofError::Limits { levels: 0, .. }));
    assert_eq!(Proof::from_bytes(&[1]), Err(ProofError::Length { expected: 4, found: 1 }));
    // Four bytes that announce 65,535 levels and 255 entries are refused before any allocation.
    assert!(matches!(Proof::from_bytes(&[1, 255, 255, 255]), Err(ProofError::Limits { .. })));
    assert!(matches!(Proof::from_bytes(&[1, 8, 1, 0]), Err(ProofError::Length { .. })));
}

#[test]
fn only_the_canonical_form_is_read() {
    let empty = |map: u8, siblings: &[u8]| [&[1, 0, 0, 4, map], siblings].concat();
    assert!(Proof::from_bytes(&empty(0, &[])).is_ok());
    let not_canonical = Err(ProofError::NotCanonical);
    assert_eq!(Proof::from_bytes(&empty(0b0000_1000, &[7; 32])), not_canonical, "padding");
    assert_eq!(Proof::from_bytes(&empty(0b1000_0000, &[0; 32])), not_canonical, "empty sibling");
    let lines = |first: u8, second: u8| {
        let line = |key: u8| [[key; 32], [9; 32]].concat();
        [&[1, 2, 0, 1, 0][..], &line(first), &line(second)].concat()
    };
    assert!(Proof::from_bytes(&lines(1, 2)).is_ok());
    assert_eq!(Proof::from_bytes(&lines(2, 1)), not_canonical, "order");
    assert_eq!(Proof::from_bytes(&lines(1, 1)), not_canonical, "the same key twice");
}

#[test]
fn a_proof_leads_to_the_root_of_the_twin() {
    let mut twin = Naive::new(Sha256, 12);
    for (number, id) in (0..).zip(pattern_ids(100)) {
        twin.upsert(id.as_bytes(), value(number));
    }
    let id = &pattern_ids(1)[0];
    let proof = tree(100).prove(id.as_bytes());
    let found = proof.verify(&Sha256, BaseDepth::default(), &twin.root(), id.as_bytes());
    assert_eq!(found, Ok(Some(value(0))));
}

proptest! {
    #[test]
    fn prop_decoding_is_total(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz::bodies::proof(&bytes);
    }

    #[test]
    fn prop_decoding_of_nearly_a_proof_is_total(
        entries in 0..20_u8, levels in 0..300_u16,
        map in prop::collection::vec(prop::num::u8::ANY, 0..40),
        digests in 0..40_usize, tail in 0..3_usize,
    ) {
        let [high, low] = levels.to_be_bytes();
        let mut bytes = vec![1, entries, high, low];
        bytes.extend(map);
        bytes.resize(bytes.len() + digests * 32 + tail, 0x55);
        fuzz::bodies::proof(&bytes);
    }
}
