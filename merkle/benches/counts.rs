//! Counts hashes and allocations, which do not depend on the machine or its load. Prints one JSON object per line.
//!
//! `cargo bench -p engram-merkle --bench counts`

#[path = "../tests/it/common/ids.rs"]
mod ids;

use std::alloc::System;
use std::cell::Cell;

use engram_merkle::{Digest, HEADER_LEN, Hasher, Sha256, Tree};
use ids::{pattern_ids, splitmix64};
use merkle_search_tree::MerkleSearchTree;
use rs_merkle::MerkleTree;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CHANGES: u64 = 1_000;

thread_local! {
    static HASHES: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    HASHES.set(HASHES.get() + 1);
}

/// SHA-256 that counts its calls, for the two crates that compute all hashes with a function of the caller.
#[derive(Clone)]
struct Counted;

impl Hasher for Counted {
    fn name(&self) -> &'static str {
        Sha256.name()
    }

    fn hash(&self, header: &[u8; HEADER_LEN], body: &[u8]) -> Digest {
        count();
        Sha256.hash(header, body)
    }
}

impl rs_merkle::Hasher for Counted {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        count();
        rs_merkle::algorithms::Sha256::hash(data)
    }
}

fn main() {
    for entries in [10_000, 100_000] {
        let ids = pattern_ids(entries);
        let (mut tree, built) = counted(|| {
            let mut tree = Tree::new(Counted);
            tree.extend(ids.iter().map(|id| (id.as_str(), Digest::from([1; 32]))));
            tree
        });
        built.report("build", "engram-merkle", entries, 1);
        let (_, built) = counted(|| {
            // rs_merkle expects hashes as leaves; here, they are the hashes of the ids.
            let leaf = |id: &String| <Counted as rs_merkle::Hasher>::hash(id.as_bytes());
            MerkleTree::<Counted>::from_leaves(&ids.iter().map(leaf).collect::<Vec<_>>()).root()
        });
        built.report("build", "rs_merkle", entries, 1);
        // rs_merkle cannot change a leaf in place: a change rebuilds the tree.
        built.report("change", "rs_merkle", entries, 1);

        let changed = || (0..CHANGES).map(|n| splitmix64(n) as usize % entries);
        let (_, changes) = counted(|| {
            for (at, n) in changed().zip(0_u64..) {
                let mut value = [2; 32];
                value[..8].copy_from_slice(&n.to_be_bytes());
                tree.upsert(ids[at].as_str(), Digest::from(value));
            }
        });
        changes.report("change", "engram-merkle", entries, CHANGES);

        let mut peer = MerkleSearchTree::default();
        ids.iter().for_each(|id| peer.upsert(id.as_str(), &[1_u8; 32]));
        let _ = peer.root_hash();
        let (_, changes) = counted(|| {
            for (at, n) in changed().zip(0_u64..) {
                let mut value = [2_u8; 32];
                value[..8].copy_from_slice(&n.to_be_bytes());
                peer.upsert(ids[at].as_str(), &value);
                let _ = peer.root_hash();
            }
        });
        // merkle-search-tree hashes its pages internally, so its hashes cannot be counted.
        Counts { hashes: None, ..changes }.report("change", "merkle-search-tree", entries, CHANGES);
    }
}

struct Counts {
    hashes: Option<u64>,
    allocations: usize,
    bytes: usize,
}

fn counted<T>(work: impl FnOnce() -> T) -> (T, Counts) {
    let (region, before) = (Region::new(ALLOCATOR), HASHES.get());
    let made = work();
    let change = region.change();
    let allocations = change.allocations + change.reallocations;
    let hashes = Some(HASHES.get() - before);
    (made, Counts { hashes, allocations, bytes: change.bytes_allocated })
}

impl Counts {
    fn report(&self, what: &str, who: &str, entries: usize, times: u64) {
        let per = |count: u64| count as f64 / times as f64;
        let hashes =
            self.hashes.map_or_else(|| "null".to_string(), |hashes| format!("{:.2}", per(hashes)));
        println!(
            "{{\"what\":\"{what}\",\"who\":\"{who}\",\"entries\":{entries},\"hashes\":{hashes},\
             \"allocations\":{:.2},\"bytes_allocated\":{:.0}}}",
            per(self.allocations as u64),
            per(self.bytes as u64),
        );
    }
}
