//! Tests the small types (digests, paths, keys and parameters), and the tree as a map.

use engram_merkle::generate::{depth, digest, edits, path};
use engram_merkle::{
    AnyHasher, BaseDepth, Digest, Edit, Hasher, Key, ParseDigestError, Path, PathError, Sha256,
    Tree,
};
use proptest::prelude::*;

proptest! {
    #[test]
    fn prop_digest_text_round_trips(digest in digest()) {
        let text = digest.to_string();
        prop_assert_eq!(text.parse(), Ok(digest));
        prop_assert_eq!(text.to_uppercase().parse(), Ok(digest));
        prop_assert_eq!(Digest::from(<[u8; 32]>::from(digest)), digest);
    }

    #[test]
    fn prop_digests_order_like_bytes_and_text(a in digest(), b in digest(), equal in 0..=32_usize) {
        // Random digests usually differ in the first byte, so `b` gets a prefix of `a`.
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
    fn prop_key_hash_is_below_one_child_per_node(key_hash in digest(), level in 0..256_u16) {
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
    fn prop_a_path_reads_back_from_its_bytes(path in path(), other in path()) {
        prop_assert_eq!(Path::from_bytes(&path.to_bytes()), Ok(path));
        prop_assert_eq!(path.cmp(&other), path.to_bytes().cmp(&other.to_bytes()));
    }

    #[test]
    fn prop_bytes_are_a_path_in_one_form_only(bits in digest(), level in 0..300_u16, cut in 0..=Path::LEN) {
        let mut bytes = [bits.as_bytes(), &level.to_be_bytes()[..]].concat();
        match Path::from_bytes(&bytes) {
            Ok(path) => prop_assert_eq!(path.to_bytes().to_vec(), bytes.clone()),
            Err(PathError::Level { found }) => prop_assert!(found == level && level > 256),
            Err(error) => prop_assert_eq!(error, PathError::LooseBits),
        }
        bytes.truncate(cut);
        let is_whole = cut == Path::LEN;
        prop_assert_eq!(Path::from_bytes(&bytes) == Err(PathError::Length { found: cut }), !is_whole);
    }

    #[test]
    fn prop_values_survive_every_serde_format(digest in digest(), path in path()) {
        let text = serde_json::to_string(&(digest, path)).unwrap();
        prop_assert!(text.contains(&digest.to_string()));
        prop_assert_eq!(serde_json::from_str::<(Digest, Path)>(&text).unwrap(), (digest, path));
        let bytes = postcard::to_allocvec(&(digest, path)).unwrap();
        prop_assert!(bytes.len() <= 32 + 2 + 32);
        prop_assert_eq!(postcard::from_bytes::<(Digest, Path)>(&bytes).unwrap(), (digest, path));
    }

    #[test]
    fn prop_retain_removes_what_one_by_one_would(edits in edits(40, 0..100), kept in any::<u8>()) {
        let mut tree = Tree::new(Sha256);
        tree.update(edits);
        let mut twin = tree.clone();
        let is_kept = |value: &Digest| value.as_bytes()[0] & kept != 0;
        let gone: Vec<_> = tree.iter().filter(|entry| !is_kept(&entry.value)).cloned().collect();
        tree.retain(|_, value| is_kept(value));
        gone.iter().for_each(|entry| _ = twin.remove(entry.key.as_bytes()));
        prop_assert_eq!((&tree, tree.len()), (&twin, twin.len()));
        tree.clear();
        prop_assert_eq!((tree.root(), tree.len()), (Tree::<String, _>::new(Sha256).root(), 0));
        prop_assert_eq!(tree.iter().count(), 0);
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

    /// Compares a tree of any depth with a map, after each batch of edits.
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
fn invalid_digest_text_is_refused_by_position() {
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
fn key_types_with_equal_bytes_are_equal() {
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

#[test]
fn a_path_with_bits_below_its_level_is_refused() {
    let loose = serde_json::to_string(&(0_u16, Digest::from([1; 32]))).unwrap();
    assert!(serde_json::from_str::<Path>(&loose).unwrap_err().to_string().contains("bits below"));
    assert!(serde_json::from_str::<Digest>("\"abc\"").is_err());
}

#[test]
fn integers_paths_and_shared_bytes_are_keys() {
    fn placed<K: Key>(key: K) -> Digest {
        let mut tree = Tree::new(Sha256);
        tree.upsert(key.clone(), Digest::EMPTY);
        assert!(tree.contains_key(key.as_bytes()));
        assert!(!tree.contains_key("another"));
        tree.root()
    }
    assert_eq!(placed(7_u64), placed([0, 0, 0, 0, 0, 0, 0, 7]));
    assert_eq!(placed(-1_i16), placed([0xff, 0xff]));
    assert_eq!(placed(std::path::PathBuf::from("a/b")), placed("a/b"));
    assert_eq!(placed(bytes::Bytes::from_static(b"ab")), placed("ab"));
}

#[test]
fn differences_can_be_read_twice_and_printed() {
    let mut left = Tree::new(Sha256);
    left.extend((0..100_u32).map(|n| (n, Digest::EMPTY)));
    let right = Tree::new(Sha256);
    let mut diff = left.diff(&right).unwrap();
    let first = diff.next();
    let rest = diff.clone();
    assert_eq!(first.into_iter().chain(diff).count(), 100);
    assert_eq!(rest.count(), 99);
    assert!(format!("{:?}", left.diff(&right).unwrap()).starts_with("Diff"));
}
