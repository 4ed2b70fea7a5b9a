//! Flips bits of a store, truncates it, and clears or removes parts of it: the node starts, names
//! the dropped records whose ids it can read, shows only written patterns, and is complete again
//! after one session.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use engram_bridge::ConsolidationCacheSource::Scheduler;
use engram_bridge::Store;
use engram_bridge::durable::{MemoryStateStore, Recovery, RedbStateStore, StateStore, Table};

use crate::common::*;

/// The number of records in the store: a withdrawn pattern, a forgotten pattern, a conflict, and
/// other patterns.
const RECORDS: u64 = 8;

/// Fills a node's store. Returns a peer with the same state.
fn left(kept: impl StateStore + 'static) -> Store {
    let (node, peer) = (open(1, kept).unwrap(), store(2, 4));
    only_space(&peer).submit_pattern(&pattern("p_0", 9)).unwrap();
    let patterns = (0..RECORDS).map(|n| pattern(&format!("p_{n}"), n as u8)).collect();
    only_space(&node).submit(&snapshot(patterns), Scheduler).unwrap();
    assert!(sync(&node, &peer));
    only_space(&node).withdraw("p_1").unwrap();
    only_space(&node).forget("p_2").unwrap();
    assert!(sync(&node, &peer));
    peer
}

/// The number of damaged stores with each outcome.
#[derive(Default, Debug)]
struct Found {
    intact: u32,
    repaired: u32,
    set_aside: u32,
}

impl Found {
    /// Starts a node on a damaged store, and syncs it once with the peer.
    fn start(&mut self, kept: impl StateStore + 'static, peer: &Store, damage: &str) {
        let node = open(1, kept).unwrap_or_else(|error| panic!("{damage}: {error}"));
        let all = records(&only_space(peer));
        let held = records(&only_space(&node));
        assert!(held.iter().all(|(id, record)| all[id] == *record), "{damage}: a foreign record");
        match node.recovery() {
            Recovery::Loaded { records } => {
                assert_eq!(*records, RECORDS, "{damage}");
                self.intact += 1;
            }
            Recovery::Repaired { records, lost, rows } => {
                assert_eq!(*records, held.len() as u64, "{damage}");
                assert!(*rows > 0, "{damage}");
                let named: BTreeSet<&String> = lost.iter().map(|(_, id)| id).collect();
                // A deletion whose key is damaged leaves no trace of its id, and a removed row may
                // leave none.
                let is_deletion = |id: &String| dots(&all[id]).next().is_none();
                let is_gone = damage.starts_with("the row");
                let missing = all.keys().filter(|id| !held.contains_key(*id));
                let unnamed =
                    missing.filter(|id| !named.contains(*id) && !is_deletion(id) && !is_gone);
                assert_eq!(unnamed.collect::<Vec<_>>(), Vec::<&String>::new(), "{damage}");
                self.repaired += 1;
            }
            Recovery::SetAside { reason, .. } => {
                assert!(held.is_empty() && !reason.is_empty(), "{damage}");
                self.set_aside += 1;
            }
            other => panic!("{damage}: {other:?}"),
        }
        assert!(sync(&node, peer), "{damage}: one session is not enough");
        assert_eq!(fingerprint(&only_space(&node)), fingerprint(&only_space(peer)), "{damage}");
    }
}

/// The length in bytes of the header of a redb file. The header locates all other parts.
const HEADER: usize = 320;

/// Damages the header of the file at every byte, and the rest at every `step`-th byte; also
/// truncates the file, and clears its pages.
fn damage_file(step: usize) -> Found {
    // Each trial writes and syncs the file, which is slow on a disk: use an in-memory file system
    // if there is one.
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    };
    let original = folder.path().join("original");
    let peer = left(RedbStateStore::new(&original));
    let whole = fs::read(original.join("state.redb")).unwrap();
    let mut found = Found::default();
    let mut trial = |bytes: &[u8], damage: &str| {
        let place = folder.path().join("damaged");
        fs::create_dir(&place).unwrap();
        fs::write(place.join("state.redb"), bytes).unwrap();
        found.start(RedbStateStore::new(&place), &peer, damage);
        // The store itself is sound again.
        let again = open(1, RedbStateStore::new(&place)).unwrap();
        assert_eq!(*again.recovery(), Recovery::Loaded { records: RECORDS }, "{damage}");
        drop(again);
        fs::remove_dir_all(place).unwrap();
    };
    for at in (0..HEADER).chain((HEADER..whole.len()).step_by(step)) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        trial(&flipped, &format!("byte {at} of {} is flipped", whole.len()));
        if at % step == 0 {
            trial(&whole[..at], &format!("{at} bytes of {} are left", whole.len()));
        }
    }
    for at in (0..whole.len()).step_by(4_096.max(step)) {
        let mut cleared = whole.clone();
        let end = whole.len().min(at + 4_096);
        cleared[at..end].fill(0);
        trial(&cleared, &format!("the page at byte {at} of {} is zeroed", whole.len()));
    }
    found
}

#[test]
fn a_file_may_be_damaged_at_any_byte() {
    let found = damage_file(2_003);
    // A change to a byte that the file does not use has no effect.
    assert!(found.intact > 0 && found.set_aside > 0, "{found:?}");
}

#[test]
#[ignore = "takes minutes"]
fn a_file_may_be_damaged_at_every_byte() {
    println!("{:?}", damage_file(1));
}

/// Removes each row, flips a bit in each byte of its key and its value, and truncates its value to
/// each length.
fn damage_rows() -> Found {
    let kept = MemoryStateStore::new();
    let peer = left(kept.clone());
    let mut rows = Vec::new();
    kept.scan(&mut |table, key, value| rows.push((table, key.to_vec(), value.to_vec()))).unwrap();
    let mut found = Found::default();
    let mut trial =
        |table: Table, key: &[u8], changed: Option<(Vec<u8>, Vec<u8>)>, damage: &str| {
            let damaged = kept.copy();
            let mut batch = engram_bridge::durable::Batch::default();
            batch.remove(table, key.to_vec());
            if let Some((key, value)) = changed {
                batch.put(table, key, value);
            }
            damaged.commit(&batch).unwrap();
            damaged.close();
            found.start(damaged.clone(), &peer, &format!("{damage} of {table:?} {key:02x?}"));
            let again = open(1, damaged).unwrap();
            assert_eq!(*again.recovery(), Recovery::Loaded { records: RECORDS }, "{damage}");
        };
    for (table, key, value) in &rows {
        // A lost row of the owner is written again, and a space that has lost its first-contact
        // mark waits again for a first contact: no data is lost in either case.
        trial(*table, key, None, "the row");
        for at in 0..value.len() {
            let mut flipped = value.clone();
            flipped[at] ^= 1 << (at % 8);
            trial(*table, key, Some((key.clone(), flipped)), &format!("byte {at}"));
            trial(*table, key, Some((key.clone(), value[..at].to_vec())), &format!("{at} bytes"));
        }
        for at in 0..key.len() {
            let mut flipped = key.clone();
            flipped[at] ^= 1 << (at % 8);
            trial(*table, key, Some((flipped, value.clone())), &format!("key byte {at}"));
        }
    }
    found
}

#[test]
fn a_row_may_be_damaged_at_every_byte() {
    let found = damage_rows();
    assert!(found.repaired > 0 && found.set_aside == 0, "{found:?}");
}
