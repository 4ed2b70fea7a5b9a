//! Digests, paths and parameters: small values, each with its laws.

use engram_merkle::generate::{depth, digest, edits, path};
use engram_merkle::{
    AnyHasher, BaseDepth, Digest, Edit, Hasher, Key, ParseDigestError, Path, Sha256, Tree,
};
use proptest::prelude::*;

proptest! {
    #[test]
    fn prop_a_digest_is_read_as_it_was_printed(digest in digest()) {
        let text = digest.to_string();
        prop_assert_eq!(text.parse(), Ok(digest));
        prop_assert_eq!(text.to_uppercase().parse(), Ok(digest));
        prop_assert_eq!(Digest::from(<[u8; 32]>::from(digest)), digest);
    }

    #[test]
    fn prop_digests_order_as_their_bytes_and_as_their_texts(a in digest(), b in digest(), equal in 0..=32_usize) {
        // Random digests differ in the first byte: let some agree for longer.
        let mut bytes = *b.as_bytes();
        bytes[..equal].copy_from_slice(&a.as_bytes()[..equal]);
        let b = Digest::from(bytes);
        prop_assert_eq!(a.cmp(&b), a.as_bytes().cmp(b.as_bytes()));
        prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
    }

    #[test]
    fn prop_parsing_a_digest_is_total(text in "[0-9a-fg é]{60,68}") {
        if let Ok(digest) = text.parse::<Digest>() {
            prop_assert_eq!(digest.to_string(), text);
        }
    }

    #[test]
    fn prop_a_key_hash_lies_below_one_child_of_each_node_above_it(key_hash in digest(), level in 0..256_u16) {
        let above = Path::of(&key_hash, level).unwrap();
        let children = above.children().unwrap();
        prop_assert!(above.contains(&key_hash));
        prop_assert_eq!(children.iter().filter(|child| child.contains(&key_hash)).count(), 1);
        for child in children {
            prop_assert_eq!(child.level(), level + 1);
            prop_assert_eq!(child.ancestor(level), Some(above));
        }
    }

    #[test]
    fn prop_descendants_are_the_children_of_children(path in path()) {
        let mut below = vec![path];
        for _ in 0..4 {
            below = below.iter().filter_map(Path::children).flatten().collect();
        }
        let named: Vec<_> = (0..=15).filter_map(|nibble| path.descendant(nibble)).collect();
        prop_assert_eq!(named, below);
        prop_assert_eq!(path.descendant(16), None);
    }

    #[test]
    fn prop_a_path_prints_its_bits(path in path()) {
        let text = path.to_string();
        prop_assert_eq!(text.len(), usize::from(path.level()));
        let mut walked = Path::ROOT;
        for bit in text.bytes() {
            walked = walked.children().unwrap()[usize::from(bit - b'0')];
        }
        prop_assert_eq!(walked, path);
    }

    /// The tree beside the map it is, for whatever keys and depths.
    #[test]
    fn prop_a_tree_is_a_map(depth in depth(), batches in prop::collection::vec(edits(200, 0..300), 1..4)) {
        let mut tree = Tree::with_depth(Sha256, depth);
        let mut map = std::collections::BTreeMap::new();
        for edits in batches {
            for edit in &edits {
                match edit.clone() {
                    Edit::Upsert(key, value) => drop(map.insert(key, value)),
                    Edit::Remove(key) => drop(map.remove(&key)),
                }
            }
            tree.update(edits);
            prop_assert_eq!(tree.len(), map.len());
            for (key, value) in &map {
                prop_assert_eq!(tree.get(key.as_bytes()), Some(*value));
            }
        }
    }
}

#[test]
fn a_text_that_is_no_digest_is_refused_with_the_place() {
    let parse = |text: &str| text.parse::<Digest>().unwrap_err();
    assert_eq!(parse(""), ParseDigestError::Length { found: 0 });
    assert_eq!(parse(&"0".repeat(65)), ParseDigestError::Length { found: 65 });
    assert_eq!(parse(&format!("{}x", "0".repeat(63))), ParseDigestError::Digit { position: 63 });
    assert_eq!(parse(&format!("+{}", "0".repeat(63))), ParseDigestError::Digit { position: 0 });
    // 64 bytes, but not 64 characters.
    assert_eq!(parse(&format!("é{}", "0".repeat(62))), ParseDigestError::Digit { position: 0 });
}

#[test]
fn levels_end_at_256() {
    let key_hash = Digest::from([0xff; 32]);
    assert_eq!(Path::of(&key_hash, 257), None);
    let last = Path::of(&key_hash, 256).unwrap();
    assert_eq!((last.children(), last.descendant(0), last.ancestor(257)), (None, None, None));
    assert_eq!(Path::of(&key_hash, 253).unwrap().descendant(0), None);
}

#[test]
fn parameters_are_chosen_by_name_and_number() {
    for hasher in AnyHasher::ALL {
        assert_eq!(hasher.name().parse(), Ok(*hasher));
    }
    assert!("SHA256".parse::<AnyHasher>().unwrap_err().to_string().contains("\"sha256\""));
    for depth in BaseDepth::ALL {
        assert_eq!(BaseDepth::try_from(depth.levels()), Ok(depth));
        assert_eq!(depth.slots(), 1 << depth.levels());
    }
    assert!(BaseDepth::try_from(0).unwrap_err().to_string().contains("not 0"));
}

#[test]
fn keys_are_their_bytes_whatever_holds_them() {
    fn root<K: Key>(key: K) -> Digest {
        let mut tree = Tree::new(Sha256);
        tree.upsert(key, Digest::from([1; 32]));
        tree.root()
    }
    let roots = [
        root("key"),
        root(String::from("key")),
        root(Box::<str>::from("key")),
        root(std::rc::Rc::<str>::from("key")),
        root(std::sync::Arc::<str>::from("key")),
        root(*b"key"),
        root(&b"key"[..]),
        root(b"key".to_vec()),
        root(Box::<[u8]>::from(*b"key")),
        root(std::rc::Rc::<[u8]>::from(*b"key")),
        root(std::sync::Arc::<[u8]>::from(*b"key")),
    ];
    assert!(roots.iter().all(|root| *root == roots[0]));
}
