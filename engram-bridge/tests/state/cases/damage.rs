//! Damaged rows, and commits that report the wrong outcome.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engram_bridge::Store;
use engram_bridge::durable::{Batch, MemoryStateStore, Recovery, StateStore, StorageError, Table};
use engram_bridge::replica::Submitted;
use engram_bridge::sync::SpaceView;
use engram_gossip_proto::View;

use super::{converge, live};
use crate::support::{everything, only_space, open, pattern, space, store, store_config, ticking};

/// After deletions, a node loses a pattern and `rows` rows to one damaged row of `table`. Its peer
/// must restore the pattern.
fn damaged(table: Table, rows: u64) {
    let disk = MemoryStateStore::new();
    let (one, peer) = (open(1, &disk), store(2));
    for value in 0..5 {
        only_space(&one).submit_pattern(&pattern(&format!("a{value}"), value)).unwrap();
        only_space(&peer).submit_pattern(&pattern(&format!("b{value}"), value)).unwrap();
    }
    only_space(&one).submit_pattern(&pattern("gone-a", 9)).unwrap();
    only_space(&peer).submit_pattern(&pattern("gone-b", 9)).unwrap();
    converge(&[&one, &peer]);
    only_space(&one).forget("gone-a").unwrap();
    only_space(&peer).forget("gone-b").unwrap();
    converge(&[&one, &peer]);
    drop(one);

    disk.spoil(|of, key, value| {
        let of_pattern = match of {
            Table::Records => key.ends_with(b"b3"),
            _ => value.windows(2).any(|part| part == b"b3"),
        };
        if of == table && of_pattern {
            let middle = value.len() / 2;
            value[middle] ^= 1;
        }
        true
    });
    let one = open(1, &disk);
    let lost = vec![(space(), "b3".to_owned())];
    assert_eq!(*one.recovery(), Recovery::Repaired { records: 11, lost, rows });
    assert_eq!(only_space(&one).visible_len(), 9);
    let receipt = SpaceView::pin(&only_space(&one)).apply(everything(&only_space(&peer)));
    assert_eq!((receipt.applied, receipt.rejected), (1, vec![]));
    converge(&[&one, &peer]);
    assert_eq!(only_space(&one).visible_len(), 10);
    assert_eq!(*open(1, &disk).recovery(), Recovery::Loaded { records: 12 });
}

#[test]
fn a_damaged_record_comes_back_from_a_peer() {
    damaged(Table::Records, 1);
}

#[test]
fn a_damaged_content_comes_back_from_a_peer() {
    // The record that names the content is dropped with it.
    damaged(Table::Contents, 2);
}

#[test]
fn a_lost_row_comes_back_from_a_peer() {
    let disk = MemoryStateStore::new();
    let (one, peer) = (open(1, &disk), store(2));
    for value in 0..5 {
        only_space(&one).submit_pattern(&pattern(&format!("a{value}"), value)).unwrap();
    }
    converge(&[&one, &peer]);
    drop(one);
    disk.spoil(|table, key, _| table != Table::Records || !key.ends_with(b"a3"));
    let one = open(1, &disk);
    assert!(matches!(one.recovery(), Recovery::Repaired { records: 4, .. }), "{}", one.recovery());
    converge(&[&one, &peer]);
    assert_eq!(only_space(&one).visible_len(), 5);
}

/// A store whose commits take effect but report a failure, as if the final sync failed.
#[derive(Default)]
struct FailingStore {
    rows: MemoryStateStore,
    fails: AtomicBool,
}

impl StateStore for FailingStore {
    fn scan(&self, table: Table, row: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StorageError> {
        self.rows.scan(table, row)
    }
    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        self.rows.commit(batch)?;
        match self.fails.load(Ordering::Relaxed) {
            true => Err(StorageError::Failed { place: "disk".into(), reason: "EIO".into() }),
            false => Ok(()),
        }
    }
    fn set_aside(&self) -> Result<String, StorageError> {
        self.rows.set_aside()
    }
    fn backup(&self, to: &Path) -> Result<(), StorageError> {
        self.rows.backup(to)
    }
}

/// A node with a stored write of "p", and with failed changes of "p" and "q" on its disk.
fn after_failed_commits() -> (Arc<Store>, MemoryStateStore) {
    let disk = Arc::new(FailingStore::default());
    let one = Store::open(store_config(1), ticking(), Arc::clone(&disk) as Arc<_>).unwrap();
    let space = only_space(&one);
    space.submit_pattern(&pattern("p", 1)).unwrap();
    disk.fails.store(true, Ordering::Relaxed);
    assert!(space.submit_pattern(&pattern("p", 2)).is_err());
    assert!(space.submit_pattern(&pattern("q", 2)).is_err());
    disk.fails.store(false, Ordering::Relaxed);
    (Arc::new(one), disk.rows.clone())
}

#[test]
fn a_failed_commit_hides_no_later_one() {
    let (one, disk) = after_failed_commits();
    let peer = store(2);
    only_space(&peer).submit_pattern(&pattern("p", 3)).unwrap();
    assert_eq!(SpaceView::pin(&only_space(&one)).apply(everything(&only_space(&peer))).applied, 1);
    drop(one);
    let one = open(1, &disk);
    assert_eq!(one.recovery(), &Recovery::Loaded { records: 1 });
    assert_eq!(live(&only_space(&one), "p"), ["episode-1", "episode-3"]);
}

#[test]
fn unchanged_write_stores_after_failed_commit() {
    let (one, disk) = after_failed_commits();
    let unchanged = only_space(&one).submit_pattern(&pattern("p", 1));
    assert_eq!(unchanged, Ok(Submitted::Unchanged));
    drop(one);
    let one = open(1, &disk);
    assert_eq!(one.recovery(), &Recovery::Loaded { records: 1 });
    assert_eq!(live(&only_space(&one), "p"), ["episode-1"]);
}
