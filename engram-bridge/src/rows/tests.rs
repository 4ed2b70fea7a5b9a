use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::content::{self, Content, Introducer};
use crate::deletions::{Floor, Since};
use crate::record::Body;
use crate::{Confidence, SemanticPattern, Timestamp};
use engram_gossip_net::NodeId;
use engram_vclock::{Actor, Dot, VectorClock};

fn owner() -> Owner {
    Owner { node: [1; 32], hash: "sha256".to_owned(), depth: 12, dimension: 768 }
}

fn life() -> Life {
    let seal = Seal { place: "p@1:2".to_owned(), boot: "b".to_owned() };
    Life { incarnation: 7, lease: 1_024, closed: true, seal }
}

fn recorded() -> (Record, Option<Digest>) {
    let [a, b] = [0xaa, 0xbb].map(|byte| Actor { node: [byte; 32], incarnation: 1 });
    let mut record = Record::new();
    record.submit(Dot::new(a, 3), Body::Content(Digest::from([1; 32]))).unwrap();
    let buried = [Digest::from([2; 32])];
    record.submit(Dot::new(b, 9), Body::Tombstone(buried.into())).unwrap();
    (record, Some(Digest::from([1; 32])))
}

fn floor() -> Floor {
    let actor = Actor { node: [0xaa; 32], incarnation: 3 };
    let covered = [(NodeId::from([1; 32]), 7), (NodeId::from([2; 32]), 0)];
    let floor = VectorClock::from_sorted([(actor, 9)]).unwrap();
    Floor { covered: covered.into_iter().collect(), floor }
}

fn since() -> Since {
    Since { moment: 8, at: Timestamp::from_nanoseconds(1_740_839_569) }
}

fn space() -> SpaceId {
    SpaceId::new("default").unwrap()
}

/// A row of one kind: its key, its bytes, and whether others are a row of that kind, too.
struct Row {
    key: Vec<u8>,
    bytes: Vec<u8>,
    is_read: fn(&[u8], &[u8]) -> bool,
}

/// Every kind of row.
fn rows() -> [Row; 6] {
    let root = Root { root: Digest::from([5; 32]), count: 6 };
    let (record, submitted) = recorded();
    let id = key(&space(), b"pattern_7");
    let record = encode_record(&id, &record, submitted.as_ref());
    let since = encode_since(&id, since());
    let row = |key, bytes, is_read| Row { key, bytes, is_read };
    [
        row(OWNER.to_vec(), owner().encode(), |_, bytes| Owner::decode(bytes).is_some()),
        row(LIFE.to_vec(), life().encode(), |_, bytes| Life::decode(bytes).is_some()),
        row(Root::key(&space()), root.encode(&space()), |key, bytes| {
            Root::decode(key, bytes).is_some()
        }),
        row(id.clone(), record, |key, bytes| decode_record(key, bytes).is_some()),
        row(floor_key(&space()), encode_floor(&space(), &floor()), |key, bytes| {
            decode_floor(key, bytes).is_some_and(|(_, floor)| floor.is_some())
        }),
        row(id, since, |key, bytes| decode_since(key, bytes).is_some()),
    ]
}

/// Changing one of these means that older stores can no longer be read: it needs a new schema.
#[test]
fn golden_rows() {
    let digests = rows().map(|Row { key, bytes, .. }| {
        hash(&AnyHasher::Sha256, b"testrows", &[key, bytes].concat()).to_string()
    });
    assert_eq!(digests, GOLDEN);
}

const GOLDEN: [&str; 6] = [
    "ddfa16bc50a3c0e6390272fae823c50705d350ebde73f0d35b7ad423a455ed76",
    "9bdb3804b9360dfb7f93a9b718e66073425db87c7ca95b997aa99e65d89f3f7a",
    "3e39f0f6e1b37046427da89b2375b5274e7d58fef89d58f532140185c53f8d56",
    "2f40cda10f6d042d9c3a720f21bd3c2dc2e94585ee5abcbd6547410c1084276b",
    "adffe409d554a378416a63496a3a0923857fb84cecb4153f8471fd53d970b7d5",
    "55413e00f2c90d1474a73dd3f8ac1ceac8e29060c421a23c8a1ec75bae2440dc",
];

#[test]
fn rows_round_trip() {
    let [owned, lived, _, record, floored, waited] = rows();
    assert_eq!(Owner::decode(&owned.bytes), Some(owner()));
    assert_eq!(Life::decode(&lived.bytes), Some(life()));
    let found = decode_record(&record.key, &record.bytes).unwrap();
    assert_eq!((found.record, found.last_submitted), recorded());
    assert_eq!(decode_floor(&floored.key, &floored.bytes), Some((space(), Some(floor()))));
    assert_eq!(decode_since(&waited.key, &waited.bytes), Some(since()));
}

#[test]
fn a_flipped_bit_a_cut_and_another_key_are_noticed() {
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
    let [_, _, _, record, floored, waited] = rows();
    assert!(!(record.is_read)(b"another", &record.bytes));
    assert!(!(waited.is_read)(b"another", &waited.bytes));
    assert_eq!(decode_floor(b"rootdefault", &floored.bytes), None);
    // A damaged floor still says of which space it is, so that the space can be doubted.
    let cut = &floored.bytes[..floored.bytes.len() - 1];
    assert_eq!(decode_floor(&floored.key, cut), Some((space(), None)));
}

/// A content of each origin.
fn contents() -> [Content; 3] {
    let engine = Content::new(&Arc::new(pattern()), 3, &AnyHasher::Sha256).unwrap();
    let from = |peer: Option<NodeId>| {
        let introducer = Introducer::Peer(peer.map(Arc::new));
        let wire = content::to_wire(&pattern());
        Content::from_wire(wire, 3, &AnyHasher::Sha256, introducer).unwrap()
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
fn contents_round_trip_with_their_origin_and_are_as_they_were() {
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
    "c44b6575ece33d054eac79fdc7d4d54efc38f8bc01b094821f06f7723942c189",
    "bbfa16a70f5e329c1d133431b6de722ddbb42f48d9b5cba9070a8a618ff7a5e8",
    "90101da8000577b6c93efcca8d72e41bee33abea95cee0971dea5d097dac2a0a",
];

#[test]
fn what_is_read_of_a_damaged_content_is_the_content() {
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
    /// The check is there against accidents: whoever writes it can write anything behind it.
    #[test]
    fn prop_a_row_with_a_right_check_never_panics(body in vec(any::<u8>(), 0..256)) {
        for Row { key, is_read, .. } in rows() {
            is_read(&key, &checked(&key, body.clone()));
        }
    }

    /// As above, but nearly right.
    #[test]
    fn prop_a_damaged_row_with_a_right_check_never_panics(
        which in 0..rows().len(), edits in vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let Row { key, bytes, is_read } = &rows()[which];
        let mut body = unchecked(key, bytes).unwrap().to_vec();
        for (at, byte) in edits {
            let at = at % body.len();
            body[at] = byte;
        }
        is_read(key, &checked(key, body));
    }

    /// Whoever writes the digest, too, gets a content only in the one form that it has.
    #[test]
    fn prop_a_content_with_a_right_digest_never_panics(
        edits in vec((any::<usize>(), any::<u8>()), 0..4),
    ) {
        let mut body = content::encode(&pattern());
        for (at, byte) in edits {
            let at = at % body.len();
            body[at] = byte;
        }
        let row = [&[SOME_PEER][..], &body].concat();
        if let Some(found) = read_content(&hash(&AnyHasher::Sha256, content::TAG, &body), &row) {
            prop_assert_eq!(encode_content(&found), row);
        }
    }
}
