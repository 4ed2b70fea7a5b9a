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
                "b0d9e14ac31d9311d2100b3d523cab95d8222e06e664c4c41ea0140b0fcb1945",
                "d4d92341447735bca4cf5a57e8c87a0077d7749807c03bda70ae2746363e7043",
                "f4e5f87f7b33ce83fd2c73ee898517ad52a01445f77d496161088a6dbb73039b",
            ],
        ),
        (
            AnyHasher::Blake3,
            [
                "2d0c419fb452ce7283e92e5e43fe76772cb256375743c207c535477934886913",
                "672e4902c77e46027e0cfbe1fa768bdcf87c2399b4e0d8dcfd151ed99a9be6d6",
                "bf57c1e5299e1f57141fbbebaedf9c229e19170aaa4422e080f05e992f228707",
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
