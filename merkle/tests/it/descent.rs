//! A descent finds the same differences as a comparison of the two trees.

use std::collections::BTreeMap;

use crate::common::ids::pattern_ids;
use crate::common::value;
use engram_merkle::descent::{
    Descent, DescentError, Holder, Line, MAX_LINES, MAX_PATHS, MessageError, RemoteDifference,
    Request, Response, Seen, TagKey,
};
use engram_merkle::{BaseDepth, Difference, Digest, Path, Sha256, Tree};
use proptest::prelude::*;

type Trees = [Tree<String, Sha256>; 2];

fn key() -> TagKey {
    TagKey::of([3; 8], [9; 8])
}

/// The result and the cost of a descent.
struct Walked {
    found: BTreeMap<Path, Holder>,
    round_trips: usize,
    bytes: usize,
}

/// Runs a descent, and encodes and decodes every message.
fn descend(trees: &Trees) -> Walked {
    descend_under(key(), trees)
}

fn descend_under(key: TagKey, [here, there]: &Trees) -> Walked {
    let mut descent = Descent::new(here, key);
    let mut walked = Walked { found: BTreeMap::new(), round_trips: 0, bytes: 0 };
    while let Some(request) = descent.next_request() {
        assert_eq!(descent.next_request(), None, "one request at a time");
        let request = request.to_bytes();
        let response = there.answer(&Request::from_bytes(&request).unwrap(), key).to_bytes();
        descent.handle(Response::from_bytes(&response).unwrap()).unwrap();
        walked.round_trips += 1;
        walked.bytes += request.len() + response.len();
    }
    assert!(descent.is_finished());
    while let Some(RemoteDifference { path, holder }) = descent.next_difference() {
        assert_eq!(walked.found.insert(path, holder), None, "{path} was found twice");
    }
    walked
}

/// Finds the same differences by comparing the two trees in memory.
fn compare([here, there]: &Trees) -> BTreeMap<Path, Holder> {
    let place = |difference: Difference<'_, String>| {
        let holder = match (difference.left, difference.right) {
            (Some(_), Some(_)) => Holder::Both,
            (Some(_), None) => Holder::Here,
            (None, _) => Holder::There,
        };
        (Path::of(&difference.key_hash, 64).unwrap(), holder)
    };
    here.diff(there).unwrap().map(place).collect()
}

fn built(
    entries: impl IntoIterator<Item = (usize, u64)>,
    depth: BaseDepth,
) -> Tree<String, Sha256> {
    let mut tree = Tree::with_depth(Sha256, depth);
    tree.extend(entries.into_iter().map(|(id, n)| (format!("id-{id}"), value(n))));
    tree
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn prop_a_descent_finds_what_a_comparison_finds(
        common in 0..2_000_usize,
        ours in proptest::collection::vec((0..3_000_usize, 0..3_u64), 0..200),
        theirs in proptest::collection::vec((0..3_000_usize, 0..3_u64), 0..200),
        shallow in any::<bool>(),
    ) {
        let depth = if shallow { BaseDepth::Four } else { BaseDepth::default() };
        let all = |own: &[(usize, u64)]| {
            built((0..common).map(|id| (id, 9)).chain(own.iter().copied()), depth)
        };
        let trees = [all(&ours), all(&theirs)];
        let mut found = descend(&trees).found;
        if found != compare(&trees) {
            // The tags of two digests may be equal under one key, but hardly under two.
            found = descend_under(TagKey::of([4; 8], [9; 8]), &trees).found;
        }
        prop_assert_eq!(found, compare(&trees));
    }
}

#[test]
fn round_trips_do_not_grow_with_differences() {
    let ids = pattern_ids(10_000);
    let mut here = Tree::new(Sha256);
    here.extend(ids.iter().cloned().zip((0..).map(value)));
    let changed = |count: usize| {
        let mut there = here.clone();
        there.extend(ids.iter().step_by(10_000 / count).map(|id| (id.clone(), value(1 << 20))));
        [here.clone(), there]
    };
    for (count, bytes) in [(1, 270), (100, 9_800)] {
        let trees = changed(count);
        let walked = descend(&trees);
        assert_eq!(walked.found, compare(&trees));
        assert_eq!(walked.found.len(), count);
        assert!(walked.round_trips <= 4, "{} round trips", walked.round_trips);
        assert!(walked.bytes <= bytes, "{} bytes for {count}", walked.bytes);
    }
    let equal = descend(&[here.clone(), here.clone()]);
    assert_eq!((equal.found.len(), equal.round_trips), (0, 1));
}

#[test]
fn empty_side_learns_every_entry() {
    let full = built((0..5_000).map(|id| (id, 1)), BaseDepth::default());
    let empty = Tree::new(Sha256);
    for (trees, holder) in
        [([empty.clone(), full.clone()], Holder::There), ([full, empty], Holder::Here)]
    {
        let found = descend(&trees).found;
        assert_eq!(found.len(), 5_000);
        assert!(found.values().all(|found| *found == holder));
    }
}

fn opened() -> (Descent<String, Sha256>, Request) {
    let mut descent = Descent::new(&built((0..100).map(|id| (id, 1)), BaseDepth::default()), key());
    let request = descent.next_request().unwrap();
    (descent, request)
}

/// Builds a response by decoding hand-encoded bytes.
fn response(seen: &[Seen]) -> Response {
    let mut bytes = Vec::from((seen.len() as u16).to_le_bytes());
    for seen in seen {
        match seen {
            Seen::Children(children) => {
                let mask = (0..16).filter(|n| children[*n].is_some()).fold(0u16, |m, n| m | 1 << n);
                bytes.push(0);
                bytes.extend(mask.to_le_bytes());
                bytes.extend(children.iter().flatten().flatten());
            }
            Seen::Entries(lines) => {
                bytes.push(1);
                bytes.extend((lines.len() as u16).to_le_bytes());
                lines.iter().for_each(|line| bytes.extend([&line.key[..], &line.tag].concat()));
            }
        }
    }
    Response::from_bytes(&bytes).unwrap()
}

#[test]
fn mismatched_response_is_refused_by_cause() {
    let line = |first| Line { key: [first; 8], tag: [0; 3] };
    let (mut descent, _) = opened();
    let count = descent.handle(response(&[]));
    assert_eq!(count, Err(DescentError::Count { asked: 1, answered: 0 }));
    let (mut descent, _) = opened();
    let long: Vec<_> = (0..13).map(line).collect();
    assert_eq!(descent.handle(response(&[Seen::Entries(long)])), Err(DescentError::Form));
    let (mut descent, _) = opened();
    let mut children = [None; 16];
    children[2] = Some([1; 3]);
    descent.handle(response(&[Seen::Children(children)])).unwrap();
    assert_eq!(descent.next_request().unwrap().paths().len(), 1);
    let foreign = response(&[Seen::Entries(vec![line(0x30)])]);
    assert_eq!(descent.handle(foreign), Err(DescentError::ForeignEntry));
    assert_eq!(
        descent.handle(response(&[])),
        Err(DescentError::Count { asked: 0, answered: 0 }),
        "nothing was asked for"
    );
}

#[test]
fn a_failed_descent_is_not_finished() {
    let (mut descent, _) = opened();
    assert!(descent.handle(response(&[])).is_err());
    assert!(!descent.is_finished() && descent.next_request().is_none());

    let tree = built((0..100).map(|id| (id, 1)), BaseDepth::default());
    let mut descent = Descent::new(&tree, key()).with_limit(0);
    assert_eq!(
        descent.next_request().unwrap().paths().len(),
        1,
        "a descent begins with a request for the root"
    );
    let children = Seen::Children([Some([1; 3]); 16]);
    assert_eq!(descent.handle(response(&[children])), Err(DescentError::Limit { limit: 1 }));
    assert!(!descent.is_finished());
}

#[test]
fn invented_children_stop_at_the_limit() {
    let mut descent = Descent::new(&Tree::<String, _>::new(Sha256), key()).with_limit(5_000);
    let (mut asked, mut tag) = (0, 0u32);
    let error = loop {
        let request = descent.next_request().unwrap();
        assert!(request.paths().len() <= MAX_PATHS);
        asked += request.paths().len();
        let mut seen = || {
            tag += 1;
            let [a, b, c, _] = tag.to_le_bytes();
            Seen::Children([Some([a, b, c]); 16])
        };
        let seen: Vec<_> = request.paths().iter().map(|_| seen()).collect();
        if let Err(error) = descent.handle(response(&seen)) {
            break error;
        }
    };
    assert_eq!((error, asked), (DescentError::Limit { limit: 5_000 }, 5_000));
}

#[test]
fn children_below_the_last_level_are_refused() {
    let mut descent = Descent::new(&Tree::<String, _>::new(Sha256), key());
    let mut children = [None; 16];
    children[0] = Some([1; 3]);
    for _ in 0..16 {
        assert_eq!(descent.next_request().unwrap().paths().len(), 1);
        descent.handle(response(&[Seen::Children(children)])).unwrap();
    }
    assert_eq!(descent.next_request().unwrap().paths()[0].level(), 64);
    assert_eq!(descent.handle(response(&[Seen::Children(children)])), Err(DescentError::Form));
}

#[test]
fn damaged_and_oversized_messages_are_refused() {
    let tree = built((0..500).map(|id| (id, 1)), BaseDepth::default());
    let mut descent = Descent::new(&built([], BaseDepth::default()), key());
    let mut samples = Vec::new();
    while let Some(request) = descent.next_request() {
        let answer = tree.answer(&request, key());
        samples.push((request.to_bytes(), answer.to_bytes()));
        descent.handle(answer).unwrap();
    }
    for (request, answer) in &samples {
        for cut in 0..request.len() {
            assert!(Request::from_bytes(&request[..cut]).is_err());
        }
        for cut in 0..answer.len() {
            assert!(Response::from_bytes(&answer[..cut]).is_err());
        }
        assert_eq!(Request::from_bytes(&[request, &[0][..]].concat()), Err(MessageError::Length));
        assert_eq!(Response::from_bytes(&[answer, &[0][..]].concat()), Err(MessageError::Length));
    }
    let many = |count: usize| [&(count as u16).to_le_bytes()[..], &vec![0; count]].concat();
    assert_eq!(Request::from_bytes(&many(MAX_PATHS)).unwrap().paths().len(), MAX_PATHS);
    let (found, limit) = (MAX_PATHS + 1, MAX_PATHS);
    let too_many = MessageError::TooMany { found, limit };
    assert_eq!(Request::from_bytes(&many(MAX_PATHS + 1)), Err(too_many));
    let listing = |count: usize| {
        [&[1, 0, 1][..], &(count as u16).to_le_bytes(), &vec![0; 11 * count]].concat()
    };
    assert!(Response::from_bytes(&listing(MAX_LINES)).is_ok());
    let too_many = MessageError::TooMany { found: MAX_LINES + 1, limit: MAX_LINES };
    assert_eq!(Response::from_bytes(&listing(MAX_LINES + 1)), Err(too_many));
    // A node deeper than 64 bits, and one with bits beyond its level.
    for wrong in [&[1, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &[1, 0, 1, 0x12]] {
        assert_eq!(Request::from_bytes(wrong), Err(MessageError::Invalid));
    }
    assert_eq!(Response::from_bytes(&[1, 0, 2, 0, 0]), Err(MessageError::Invalid));
}

#[test]
fn a_difference_in_any_byte_of_a_value_is_found() {
    for byte in 0..32 {
        let tree = |with: u8| {
            let mut value = [7; 32];
            value[byte] ^= with;
            let mut tree = built((0..200).map(|id| (id, 1)), BaseDepth::default());
            tree.upsert("other".to_owned(), Digest::from(value));
            tree
        };
        assert_eq!(descend(&[tree(0), tree(1)]).found.len(), 1, "byte {byte}");
    }
}
