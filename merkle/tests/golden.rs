//! Bytes that nodes of different releases exchange: changing one needs a new version.

#[path = "common/ids.rs"]
mod ids;

use engram_merkle::{AnyHasher, Digest, Tree};
use ids::pattern_ids;

/// The tree of the first `count` real ids, each with its number as value.
fn tree(hasher: AnyHasher, count: usize) -> Tree<String, AnyHasher> {
    let value = |number: u64| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        Digest::from(bytes)
    };
    let mut tree = Tree::new(hasher);
    tree.extend(pattern_ids(count).into_iter().zip((0..).map(value)));
    tree
}

#[test]
fn roots_of_real_ids_are_golden() {
    let golden = [
        (
            AnyHasher::Sha256,
            [
                "06add49ff025e4fb22a686d8d39f1613c62b49f21529b9145d255f3c66626402",
                "d4ae7cb34d69028676a5d3b0c65cf0ea9341311d0ef41e2a2d0f68ec4b314f7f",
                "01f1f5ba70f601afaeabdb7a889783e8c3d60c2849a58d3dc16668aa56da3ca8",
            ],
        ),
        (
            AnyHasher::Blake3,
            [
                "cbb54a66215f0ecca9884b5fe67701b87842fe432d64a08cd2167bf3e4b3f7e8",
                "d63a3d9d2b2e6f4f31388516ea03fde76e2b3c2ff8b30f0c30a1d1493593032d",
                "e1a76953d629fb703b1014cb5562bf7eb547d65f559b41e5c7d7c92074918381",
            ],
        ),
    ];
    for (hasher, expected) in golden {
        let roots = [0, 1, 1_000].map(|count| tree(hasher, count).root().to_string());
        assert_eq!(roots, expected, "{hasher:?}");
    }
}

#[test]
fn the_proof_of_a_single_entry_is_golden() {
    let bytes = tree(AnyHasher::Sha256, 1).prove(pattern_ids(1)[0].as_bytes()).to_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // Version, one entry, twelve levels, no sibling; the key hash; the value.
    let prefix = "0101000c0000";
    let key_hash = "07fbc6ca7157e88c26d9b8ba9f48089cf215854329a545c8a8a6ed12a78e4b15";
    assert_eq!(hex, format!("{prefix}{key_hash}{:064}", 0));
}
