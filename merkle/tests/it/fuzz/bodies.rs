//! The bodies of the fuzz targets: plain functions, which `cargo test` runs over the committed
//! corpus and `cargo fuzz` over generated inputs. They must not panic.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use engram_merkle::descent::{Descent, MAX_PATHS, Request, Response, Seen, TagKey};
use engram_merkle::{BaseDepth, Digest, Proof, ProofError, Sha256, Tree};

use crate::common::{Placed, place, value};

/// The name and the body of a target.
type Target = (&'static str, fn(&[u8]));

/// Every target.
pub(crate) const ALL: [Target; 4] = [
    ("descent_request", request),
    ("descent_response", response),
    ("descent", descent),
    ("proof", proof),
];

/// The maximum number of nodes in a descent: more than the two trees below need.
const LIMIT: u64 = 500;

static TREES: LazyLock<[Tree<[u8; 32], Placed>; 2]> = LazyLock::new(|| [tree(0), tree(1)]);

/// A tree with scattered entries, with 20 entries whose key hashes share a long prefix, and with 20
/// entries at one place. The trees of both sides differ in all three parts, and each has a key that
/// the other lacks.
fn tree(side: u64) -> Tree<[u8; 32], Placed> {
    let mut entries = BTreeMap::new();
    for n in 0..100_u64 {
        let bits = format!("{:064b}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        entries.insert(place(&bits, n), value(n + side * u64::from(n % 20 == 3)));
    }
    for n in 0..20_u64 {
        let bits = format!("{}{n:05b}", "01".repeat(29));
        entries.insert(place(&bits, n), value(n + side * u64::from(n == 7)));
        entries.insert(place(&"10".repeat(32), n), value(n + side * u64::from(n == 9)));
    }
    let only = format!("1{side}11{:060b}", 0);
    entries.insert(place(&only, 1_000), value(1));
    let mut tree = Tree::new(Placed);
    tree.extend(entries);
    tree
}

pub(crate) fn key() -> TagKey {
    TagKey::of([0x5e; 8], [0xa1; 8])
}

/// Decodes arbitrary bytes as a request. If they decode, the request encodes to the same bytes, and
/// the answer survives a round trip.
pub(crate) fn request(input: &[u8]) {
    let Ok(request) = Request::from_bytes(input) else { return };
    assert_eq!(request.to_bytes(), input, "two encodings of one request");
    let answer = TREES[0].answer(&request, key());
    assert_eq!(answer.seen().len(), request.paths().len());
    assert_eq!(Response::from_bytes(&answer.to_bytes()), Ok(answer));
}

/// Decodes arbitrary bytes as a response. If they decode, the response encodes to the same bytes,
/// and a descent that asked for one node refuses a response for any other number of nodes.
pub(crate) fn response(input: &[u8]) {
    let Ok(response) = Response::from_bytes(input) else { return };
    assert_eq!(response.to_bytes(), input, "two encodings of one response");
    assert!(response.seen().len() <= MAX_PATHS);
    let mut descent = Descent::new(&TREES[0], key()).with_limit(LIMIT);
    assert!(descent.next_request().is_some());
    let is_one = response.seen().len() == 1;
    assert!(is_one || descent.handle(response).is_err(), "the number of nodes is not checked");
}

/// Runs a whole descent, in which the input changes the responses. The descent ends within its
/// limit, and finds all differences if no response was changed.
pub(crate) fn descent(mut input: &[u8]) {
    let mut descent = Descent::new(&TREES[0], key()).with_limit(LIMIT);
    let (mut asked, mut forged) = (0, false);
    while let Some(request) = descent.next_request() {
        asked += request.paths().len() as u64;
        assert!(asked <= LIMIT, "{asked} nodes");
        let mut bytes = TREES[1].answer(&request, key()).to_bytes();
        forged |= forge(&mut bytes, &mut input);
        let Ok(response) = Response::from_bytes(&bytes) else { return };
        if descent.handle(response).is_err() {
            assert!(forged, "an honest answer was refused");
            assert!(!descent.is_finished() && descent.next_request().is_none());
            return;
        }
    }
    assert!(descent.is_finished());
    let found = std::iter::from_fn(|| descent.next_difference()).count();
    assert!(forged || found == DIFFERENCES, "{found} differences");
}

/// The number of differences between the two trees: five scattered values, one below the long
/// prefix, one at the shared place, and on each side one key that the other lacks.
const DIFFERENCES: usize = 9;

/// Changes a response according to the next bytes of the input. Returns whether it may have changed
/// the response.
fn forge(response: &mut Vec<u8>, input: &mut &[u8]) -> bool {
    let Some((&how, rest)) = input.split_first() else { return false };
    *input = rest;
    match how {
        0..100 => return false,
        // Changes one byte.
        100..180 => {
            let Some((&[high, low, byte], rest)) = input.split_first_chunk() else { return false };
            *input = rest;
            let at = usize::from(u16::from_be_bytes([high, low])) % response.len();
            response[at] ^= byte;
        }
        // Replaces the response with the next bytes of the input.
        180..220 => {
            let (head, rest) = input.split_at(input.len().min(usize::from(how) - 150));
            *response = head.to_vec();
            *input = rest;
        }
        // Replaces the contents of every node with sixteen children that have false tags, or with
        // an empty listing.
        _ => {
            let seen = Response::from_bytes(response).expect("an honest response decodes");
            let len = seen.seen().len() as u16;
            let opens = matches!(seen.seen().first(), Some(Seen::Children(_)));
            let node = [&[0, 0xff, 0xff][..], &[how; 48]].concat();
            let node = if opens { node } else { vec![1, 0, 0] };
            *response = [&len.to_le_bytes()[..], &node.repeat(len.into())].concat();
        }
    }
    true
}

/// Decodes arbitrary bytes as a proof. If they decode, the proof encodes to the same bytes, and does not verify under
/// an arbitrary root.
pub(crate) fn proof(input: &[u8]) {
    let Ok(proof) = Proof::from_bytes(input) else { return };
    assert_eq!(proof.to_bytes(), input);
    let root = Digest::from([1; 32]);
    let verified = proof.verify(&Sha256, BaseDepth::default(), &root, b"key");
    assert_eq!(verified, Err(ProofError::WrongRoot));
}
