use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::record::Body;
use engram_vclock::{Actor, Dot};

fn owner() -> Owner {
    Owner { node: [1; 32], hash: "sha256".to_owned(), depth: 12, dimension: 768 }
}

fn life() -> Life {
    let seal = Seal { place: "p@1:2".to_owned(), boot: "b".to_owned() };
    Life { incarnation: 7, lease: 1_024, closed: true, seal }
}

fn row() -> (Record, Option<Digest>) {
    let [a, b] = [0xaa, 0xbb].map(|byte| Actor { node: [byte; 32], incarnation: 1 });
    let mut record = Record::new();
    record.submit(Dot::new(a, 3), Body::Content(Digest::from([1; 32]))).unwrap();
    let buried = [Digest::from([2; 32])];
    record.submit(Dot::new(b, 9), Body::Tombstone(buried.into())).unwrap();
    (record, Some(Digest::from([1; 32])))
}

/// Every kind of row, by its key.
fn rows() -> [(Vec<u8>, Vec<u8>); 4] {
    let space = SpaceId::new("default").unwrap();
    let root = Root { root: Digest::from([5; 32]), count: 6 };
    let (record, submitted) = row();
    let (root_key, id) = (Root::key(&space), key(&space, b"pattern_7"));
    let record = encode_record(&id, &record, submitted.as_ref());
    [
        (OWNER.to_vec(), owner().encode()),
        (LIFE.to_vec(), life().encode()),
        (root_key, root.encode(&space)),
        (id, record),
    ]
}

/// Whether the bytes are a row of that kind.
fn is_read(key: &[u8], bytes: &[u8]) -> bool {
    match key {
        OWNER => Owner::decode(bytes).is_some(),
        LIFE => Life::decode(bytes).is_some(),
        key if Root::space(key).is_some() => Root::decode(key, bytes).is_some(),
        key => decode_record(key, bytes).is_some(),
    }
}

/// Changing one of these means that older stores can no longer be read: it needs a new schema.
#[test]
fn golden_rows() {
    let digests = rows().map(|(key, bytes)| {
        hash(&AnyHasher::Sha256, b"testrows", &[key, bytes].concat()).to_string()
    });
    assert_eq!(digests, GOLDEN);
}

const GOLDEN: [&str; 4] = [
    "ddfa16bc50a3c0e6390272fae823c50705d350ebde73f0d35b7ad423a455ed76",
    "9bdb3804b9360dfb7f93a9b718e66073425db87c7ca95b997aa99e65d89f3f7a",
    "3e39f0f6e1b37046427da89b2375b5274e7d58fef89d58f532140185c53f8d56",
    "2f40cda10f6d042d9c3a720f21bd3c2dc2e94585ee5abcbd6547410c1084276b",
];

#[test]
fn rows_round_trip() {
    let [owned, lived, ..] = rows();
    assert_eq!(Owner::decode(&owned.1), Some(owner()));
    assert_eq!(Life::decode(&lived.1), Some(life()));
    let (key, bytes) = &rows()[3];
    let found = decode_record(key, bytes).unwrap();
    assert_eq!((found.record, found.last_submitted), row());
}

#[test]
fn a_flipped_bit_a_cut_and_another_key_are_noticed() {
    for (key, bytes) in rows() {
        assert!(is_read(&key, &bytes));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_read(&key, &flipped), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(!is_read(&key, &bytes[..len]), "{len} bytes");
        }
    }
    let (_, bytes) = &rows()[3];
    assert!(decode_record(b"another", bytes).is_none());
}

proptest! {
    /// The check is there against accidents: whoever writes it can write anything behind it.
    #[test]
    fn prop_a_row_with_a_right_check_never_panics(body in vec(any::<u8>(), 0..256)) {
        for (key, _) in rows() {
            is_read(&key, &checked(&key, body.clone()));
        }
    }

    /// As above, but nearly right.
    #[test]
    fn prop_a_damaged_row_with_a_right_check_never_panics(
        which in 0..4_usize, edits in vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let (key, bytes) = rows()[which].clone();
        let mut body = unchecked(&key, &bytes).unwrap().to_vec();
        for (at, byte) in edits {
            let at = at % body.len();
            body[at] = byte;
        }
        is_read(&key, &checked(&key, body));
    }
}
