//! Checks the bytes that nodes of different releases exchange. A change to them requires a new
//! version.

use crate::common::ids::pattern_ids;
use engram_merkle::descent::{Descent, Request, Response, TagKey};
use engram_merkle::{AnyHasher, Digest, Tree};

/// The tree of the first `count` real ids, each with its number as its value.
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
                "7fe3edc5cf92ba467f592e16736b110870d626d36f73f09b27f98eed94b12460",
                "c9587135349b54f73666689c115460d7b815b8e32a2867bda17138ba02a4ea70",
                "53df190b5bcc781ff797dbadcf4d2e315f2df4f9ae3251aedbe7f85c388bc0fd",
            ],
        ),
        (
            AnyHasher::Blake3,
            [
                "87d0fc3153fcf1fc98b303e3f2d7859288280e460f19f86a19b202b54f9a43ba",
                "b47f0ca379294b301cb4b786ce3a76115c9caf678a47b002ebf475d90595e6af",
                "c115b865d084169a649cea7306e41e77008f7284bcee8cd96bca05a939d4ec3d",
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
    // The prefix holds the version, one entry, twelve levels and no sibling. The key hash and the
    // value follow.
    let prefix = "0101000c0000";
    let key_hash = "07fbc6ca7157e88c26d9b8ba9f48089cf215854329a545c8a8a6ed12a78e4b15";
    assert_eq!(hex, format!("{prefix}{key_hash}{:064}", 0));
}

#[test]
fn the_messages_of_a_descent_are_golden() {
    let key = TagKey::of([1; 8], [2; 8]);
    let (mut here, there) = (tree(AnyHasher::Sha256, 40), tree(AnyHasher::Sha256, 40));
    here.remove(pattern_ids(1)[0].as_bytes());
    let mut descent = Descent::new(&here, key);
    let mut messages = Vec::new();
    while let Some(request) = descent.next_request() {
        let response = there.answer(&request, key);
        messages.push((request.to_bytes(), response.to_bytes()));
        assert_eq!(Request::from_bytes(&request.to_bytes()), Ok(request));
        assert_eq!(Response::from_bytes(&response.to_bytes()).as_ref(), Ok(&response));
        descent.handle(response).unwrap();
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let messages: Vec<_> = messages.iter().map(|(ask, tell)| (hex(ask), hex(tell))).collect();
    // A request consists of the count and, for each node, the number of nibbles and the nibbles,
    // padded to whole bytes.
    let asked = ["010000", "01000100"];
    assert_eq!(messages.iter().map(|(ask, _)| ask).collect::<Vec<_>>(), asked);
    let told: Vec<_> = messages.iter().map(|(_, tell)| tell.as_str()).collect();
    // A response consists of the count and the nodes. Form 0 is the mask of the children, followed by their tags. Form
    // 1 is the number of entries, followed by the first 8 bytes of the key hash and the tag of each entry.
    let golden = [
        "010000bfffd9c89d887924d75534dd5f821538a30d02c7113f637bcabf9a69b625083b5ee5ac4c5361347b61dce0b57fdfab",
        "010001020005fa7b022c2056e6180c5207fbc6ca7157e88cbe1fab",
    ];
    assert_eq!(told, golden);
}
