//! Compares the descent with other methods that find the same differences.

use std::collections::BTreeMap;

use engram_gossip_proto::sim::Random;
use engram_merkle::descent::{Descent, TagKey};
use engram_merkle::{Digest, Sha256, Tree};
use merkle_search_tree::MerkleSearchTree;
use merkle_search_tree::diff::{PageRange, diff};
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use riblt::{RatelessIBLT, UnmanagedRatelessIBLT};

use super::Weight;

/// The state of each record, by the id of the record.
type Entries = BTreeMap<[u8; 32], [u8; 32]>;

/// Measures the bytes that each method needs to find which of `entries` entries differ.
pub(super) fn weigh(entries: usize, counts: &[usize]) -> Vec<Weight> {
    let mut random = Random::new(entries as u64);
    let mut draw = || {
        let mut bytes = [0; 32];
        bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&random.bits().to_le_bytes()));
        bytes
    };
    let here: Entries = (0..entries).map(|_| (draw(), draw())).collect();
    let mut weights = Vec::new();
    for &count in counts {
        let mut there = here.clone();
        there.values_mut().step_by(entries / count).take(count).for_each(|state| *state = draw());
        let (ours, trips) = by_descent(&here, &there);
        let input = |trips: usize| format!("{count} of {entries}, {trips} round trips");
        let (size, unit) = (ours as f64, "bytes");
        weights.push(Weight::beside("descent", input(trips), size, unit, size));
        let (bytes, trips) = by_negentropy(&here, &there);
        weights.push(Weight::beside("negentropy", input(trips), bytes as f64, unit, size));
        let bytes = by_search_tree(&here, &there);
        weights.push(Weight::beside("search-tree", input(1), bytes as f64, unit, size));
        // The bytes of a sketch do not depend on the number of entries, but its time does.
        if entries <= 100_000 {
            for (name, bytes) in [
                ("riblt-short", by_sketch::<11>(&here, &there)),
                ("riblt", by_sketch::<32>(&here, &there)),
            ] {
                weights.push(Weight::beside(name, input(1), bytes as f64, unit, size));
            }
        }
    }
    weights
}

/// The descent of engram-merkle: bytes and round trips.
fn by_descent(here: &Entries, there: &Entries) -> (usize, usize) {
    let tree = |entries: &Entries| {
        let mut tree = Tree::new(Sha256);
        tree.extend(entries.iter().map(|(id, state)| (*id, Digest::from(*state))));
        tree
    };
    let (here, there, key) = (tree(here), tree(there), TagKey::of([1; 8], [2; 8]));
    let (mut descent, mut bytes, mut trips) = (Descent::new(&here, key), 0, 0);
    while let Some(request) = descent.next_request() {
        let response = there.answer(&request, key);
        bytes += request.to_bytes().len() + response.to_bytes().len();
        trips += 1;
        descent.handle(response).expect("the other side follows the protocol");
    }
    (bytes, trips)
}

/// Returns the bytes and round trips that range-based reconciliation takes.
fn by_negentropy(here: &Entries, there: &Entries) -> (usize, usize) {
    let storage = |entries: &Entries| {
        let mut storage = NegentropyStorageVector::with_capacity(entries.len());
        for (id, state) in entries {
            // The sets of negentropy have no values, so each element combines the id and the state.
            let id: [u8; 32] = std::array::from_fn(|at| id[at] ^ state[at]);
            storage.insert(0, Id::from_byte_array(id)).expect("the storage is not sealed yet");
        }
        storage.seal().expect("the storage is sealed once");
        storage
    };
    let (here, there) = (storage(here), storage(there));
    let mut client = Negentropy::borrowed(&here, 0).expect("no limit is a valid limit");
    let mut server = Negentropy::borrowed(&there, 0).expect("no limit is a valid limit");
    let mut query = client.initiate().expect("the client begins once");
    let (mut have, mut need, mut bytes, mut trips) = (Vec::new(), Vec::new(), 0, 0);
    loop {
        let answer = server.reconcile(&query).expect("the client sends valid messages");
        bytes += query.len() + answer.len();
        trips += 1;
        let next = client.reconcile_with_ids(&answer, &mut have, &mut need);
        match next.expect("the server sends valid messages") {
            Some(next) => query = next,
            None => return (bytes, trips),
        }
    }
}

/// Minimum bytes of the pages of a Merkle search tree that one side sends to the other for
/// comparison: two keys of 32 bytes and a hash of 16 per page.
fn by_search_tree(here: &Entries, there: &Entries) -> usize {
    let tree = |entries: &Entries| {
        let mut tree = MerkleSearchTree::default();
        entries.iter().for_each(|(id, state)| tree.upsert(*id, state));
        tree.root_hash();
        tree
    };
    let (here, there) = (tree(here), tree(there));
    let [local, peer]: [Vec<PageRange<'_, [u8; 32]>>; 2] = [&here, &there]
        .map(|tree| tree.serialise_page_ranges().expect("the root was just computed"));
    let len = peer.len() * (2 * 32 + 16);
    assert!(!diff(local, peer).is_empty(), "the trees differ");
    len
}

/// An element of the set that a sketch encodes.
#[derive(Clone, Debug)]
struct Element<const N: usize>([u8; N]);

impl<const N: usize> riblt::Symbol for Element<N> {
    const BYTE_ARRAY_LENGTH: usize = N;

    fn encode_to_bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    fn decode_from_bytes(bytes: &Vec<u8>) -> Self {
        Self(bytes.as_slice().try_into().expect("elements have a fixed length"))
    }
}

/// A rateless sketch: minimum bytes of the coded symbols from which the other side finds all
/// differences. An element of 11 bytes has six bytes of a key and a tag of five bytes.
fn by_sketch<const N: usize>(here: &Entries, there: &Entries) -> usize {
    /// Bytes of the checksum and of the count of a coded symbol.
    const BESIDE: usize = 8 + 1;
    let sketch = |entries: &Entries| {
        let element = |(id, state): (&[u8; 32], &[u8; 32])| {
            // The first half of the element identifies the record, the second its state.
            let bytes = |at: usize| if at < N.div_ceil(2) { id[at] } else { state[at] };
            Element::<N>(std::array::from_fn(bytes))
        };
        RatelessIBLT::new(entries.iter().map(element).collect::<Vec<_>>())
    };
    let (mut here, mut there) = (sketch(here), sketch(there));
    let mut suffices = |symbols: usize| {
        let mut received = UnmanagedRatelessIBLT::new();
        (0..symbols).for_each(|at| received.add_coded_symbol(&there.get_coded_symbol(at)));
        let mut difference = here.collapse(&received);
        difference.peel_all_symbols();
        difference.is_empty()
    };
    let mut enough = 1;
    while !suffices(enough) {
        enough *= 2;
    }
    let mut few = enough / 2;
    while enough - few > 1 {
        let middle = few.midpoint(enough);
        *(if suffices(middle) { &mut enough } else { &mut few }) = middle;
    }
    enough * (N + BESIDE)
}
