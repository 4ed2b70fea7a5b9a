use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::engram::pattern::{Confidence, SemanticPattern};
use crate::engram::timestamp::Timestamp;
use crate::replica::content;
use engram_vclock::Dot;

const SHAPE: Shape = Shape { dimension: 3, precision: Precision::F32 };

fn owner() -> Owner {
    Owner {
        node: [1; 32],
        hash: "sha256".to_owned(),
        depth: 12,
        dimension: 768,
        precision: Precision::F32,
    }
}

fn recorded() -> (Record, Option<Digest>) {
    let mut record = Record::default();
    record.siblings.submit(Dot::new([0xaa; 32], 3), Digest::from([1; 32])).unwrap();
    record.siblings.withdraw(Dot::new([0xbb; 32], 9)).unwrap();
    _ = record.suppression.suppress(Digest::from([2; 32]));
    (record, Some(Digest::from([1; 32])))
}

fn space() -> SpaceId {
    SpaceId::new("default").unwrap()
}

/// An example of one kind of row, and the decoder of that kind.
struct Row {
    key: Vec<u8>,
    bytes: Vec<u8>,
    is_read: fn(&[u8], &[u8]) -> bool,
}

/// A row of each kind that has a checksum.
fn rows() -> [Row; 5] {
    let root = StoredRoot { root: Digest::from([5; 32]), count: 6 };
    let (record, submitted) = recorded();
    let id = key(&space(), b"pattern_7");
    let record = encode_record(&id, &record, submitted.as_ref(), None);
    let generated = encode_generated(&space(), Timestamp::from_nanoseconds(7));
    let row = |key, bytes, is_read| Row { key, bytes, is_read };
    [
        row(OWNERS[0].to_vec(), owner().encode(OWNERS[0]), |key, bytes| {
            Owner::decode(key, bytes).is_some()
        }),
        row(root_key(&space()), encode_root(&space(), &root), |key, bytes| {
            decode_root(key, bytes).is_some()
        }),
        row(settled_key(&space()), encode_settled(&space()), is_settled),
        row(generated_key(&space()), generated, |key, bytes| {
            decode_generated(key, bytes).is_some()
        }),
        row(id, record, |key, bytes| read_record(key, bytes).is_some()),
    ]
}

fn read_record(key: &[u8], bytes: &[u8]) -> Option<(StoredRow, Option<Content>)> {
    decode_record(key, bytes, &AnyHasher::Sha256, &mut Names::new())
}

/// Changing one of these values makes older stores unreadable, so it requires a new schema number.
#[test]
fn golden_rows() {
    let digests = rows().map(|Row { key, bytes, .. }| {
        hash(&AnyHasher::Sha256, b"testrows", &[key, bytes].concat()).to_string()
    });
    assert_eq!(digests, GOLDEN);
}

const GOLDEN: [&str; 5] = [
    "6b956c1b3af92f308111bc7a6a44f642210e381e6cf4c2e7e83c1030efaabd39",
    "3e39f0f6e1b37046427da89b2375b5274e7d58fef89d58f532140185c53f8d56",
    "ea12d3dc8e8167c66a91a6fe8576a93e06996a861b7aea68f4b4f423d837c303",
    "188164b0019f8f6a1b50f76dc2240946b69f774a286b5541927ab7eab19c15e9",
    "98407d782b8c129711b8f17d252797f8f9bd3c65d26ce6318dbb1beb27a0348e",
];

#[test]
fn rows_round_trip() {
    let [owned, _, _, _, record] = rows();
    assert_eq!(Owner::decode(&owned.key, &owned.bytes), Some(owner()));
    let (found, beside) = read_record(&record.key, &record.bytes).unwrap();
    assert_eq!((found.record, found.last_submitted), recorded());
    assert!(beside.is_none());
}

#[test]
fn damaged_and_moved_rows_are_noticed() {
    for Row { key, bytes, is_read } in rows() {
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
    let [_, _, _, _, record] = rows();
    assert!(!(record.is_read)(b"another", &record.bytes));
}

/// A content of each origin.
fn contents() -> [Content; 3] {
    let engine = Content::new(&Arc::new(pattern()), SHAPE, &AnyHasher::Sha256).unwrap();
    let from = |peer: Option<NodeId>| {
        let introducer = Introducer::Peer(peer.map(Arc::new));
        let wire = content::to_wire(&pattern());
        let digest = content::wire_digest(&wire, &AnyHasher::Sha256);
        Content::from_wire(wire, digest, SHAPE, introducer).unwrap()
    };
    [engine, from(None), from(Some(NodeId::from([9; 32])))]
}

fn pattern() -> SemanticPattern {
    SemanticPattern {
        id: "pattern_7".to_owned(),
        embedding: Arc::from([0.5, -0.25, 0.0]),
        source_episodes: vec!["a".to_owned(), "b".to_owned()],
        strength: 1.5,
        schema_confidence: Confidence::CERTAIN,
        last_consolidated: Timestamp::from_nanoseconds(1_740_839_569),
    }
}

fn read_content(digest: &Digest, bytes: &[u8]) -> Option<Content> {
    decode_content(digest.as_bytes(), bytes, &AnyHasher::Sha256, &mut Names::new())
}

#[test]
fn contents_round_trip_with_their_origin() {
    let digests = contents().map(|content| {
        let bytes = encode_content(&content);
        let found = read_content(&content.digest(), &bytes).unwrap();
        assert_eq!(found.pattern(), content.pattern());
        assert_eq!(found.introducer(), content.introducer());
        hash(&AnyHasher::Sha256, b"testrows", &bytes).to_string()
    });
    assert_eq!(digests, GOLDEN_CONTENTS);
}

const GOLDEN_CONTENTS: [&str; 3] = [
    "351a9e5238a97cf1b8b55a7b13dedeedc239890337075c6a573e2ae2034dbf0c",
    "146d8dcc85a43b1f3e5710c620c71f976b9c8cda1f1561f37948d3833ca29c9c",
    "39bd43adf572cb00b28dc1780714fcc981085fc427f749db3d439d91e011b0e3",
];

/// A record with one live content beside it: its key, its row, and the length of the row without the content.
fn with_content(content: &Content) -> (Vec<u8>, Vec<u8>, usize) {
    let (mut record, key) = (Record::default(), key(&space(), b"pattern_7"));
    record.siblings.submit(Dot::new([0xaa; 32], 3), content.digest()).unwrap();
    let alone = encode_record(&key, &record, None, None).len();
    let row = encode_record(&key, &record, None, Some(content));
    (key, row, alone)
}

#[test]
fn a_content_lies_beside_its_record() {
    let digests = contents().map(|content| {
        let (key, row, alone) = with_content(&content);
        assert_eq!(row[alone..], encode_content(&content));
        let (_, found) = read_record(&key, &row).unwrap();
        let found = found.unwrap();
        assert_eq!(found.pattern(), content.pattern());
        assert_eq!(found.introducer(), content.introducer());
        hash(&AnyHasher::Sha256, b"testrows", &[key, row].concat()).to_string()
    });
    assert_eq!(digests, GOLDEN_BESIDE);
}

const GOLDEN_BESIDE: [&str; 3] = [
    "9295a1b115e487d99f37030a62408358bec923e7a814f98087b58310027ac698",
    "d884d4a0d49d1ea6c3e8b6da5c1acc6a07623eaaa45e3acb14b9e734a635d556",
    "0d7c99af183c15a3b0d776e1a38478f73f032965f80efdbe6ae47fb74255a8f6",
];

/// A damaged row is rejected, or decodes with another origin or without its content.
#[test]
fn a_damaged_row_reads_as_no_other_content() {
    for content in contents() {
        let (key, row, alone) = with_content(&content);
        let (whole, _) = read_record(&key, &row).unwrap();
        for bit in 0..row.len() * 8 {
            let mut flipped = row.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Some((found, beside)) = read_record(&key, &flipped) {
                assert!(bit / 8 >= alone, "bit {bit}");
                assert_eq!(found.record, whole.record);
                assert_eq!(beside.unwrap().pattern(), content.pattern(), "bit {bit}");
            }
        }
        for len in 0..row.len() {
            let read = read_record(&key, &row[..len]);
            assert_eq!(read.is_some(), len == alone, "{len} bytes");
            assert!(read.is_none_or(|(_, beside)| beside.is_none()));
        }
        // Under another key the row is rejected, but its content still reveals its id.
        assert!(read_record(b"another", &row).is_none());
        assert_eq!(id_beside(&row, &AnyHasher::Sha256).as_deref(), Some("pattern_7"));
    }
}

#[test]
fn a_damaged_row_never_reads_as_another_content() {
    for content in contents() {
        let bytes = encode_content(&content);
        let intact = |damaged: &[u8]| {
            let found = read_content(&content.digest(), damaged);
            found.is_none_or(|found| found.pattern() == content.pattern())
        };
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(intact(&flipped), "bit {bit}");
        }
        assert!(
            (0..bytes.len()).all(|len| read_content(&content.digest(), &bytes[..len]).is_none())
        );
        assert!(read_content(&Digest::from([1; 32]), &bytes).is_none());
    }
}

proptest! {
    /// A checksum proves nothing about the bytes before it, since anybody can compute it.
    #[test]
    fn prop_any_checked_row_never_panics(body in vec(any::<u8>(), 0..256)) {
        for Row { key, is_read, .. } in rows() {
            is_read(&key, &checked(&key, body.clone()));
        }
    }

    /// Nearly valid rows cause no panic either, and a decoded record encodes to the same bytes.
    #[test]
    fn prop_damaged_checked_row_never_panics(
        which in 0..rows().len(), edits in vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let Row { key, bytes, is_read } = &rows()[which];
        let mut body = unchecked(key, bytes).unwrap().to_vec();
        for (at, byte) in edits {
            let at = at % body.len().max(1);
            body.get_mut(at).into_iter().for_each(|old| *old = byte);
        }
        let row = checked(key, body);
        is_read(key, &row);
        if let Some((found, _)) = read_record(key, &row).filter(|_| which == rows().len() - 1) {
            let submitted = found.last_submitted.as_ref();
            let again = encode_record(key, &found.record, submitted, None);
            prop_assert_eq!(again, row);
        }
    }

    /// A decoded content encodes to the same bytes, even if the digest was computed over altered ones.
    #[test]
    fn prop_content_with_valid_digest_never_panics(
        edits in vec((any::<usize>(), any::<u8>()), 0..4),
    ) {
        let mut body = canonical::encode(&pattern());
        for (at, byte) in edits {
            let at = at % body.len();
            body[at] = byte;
        }
        let row = [&[SOME_PEER][..], &body].concat();
        if let Some(found) = read_content(&hash(&AnyHasher::Sha256, canonical::TAG, &body), &row) {
            prop_assert_eq!(encode_content(&found), row);
        }
    }
}
