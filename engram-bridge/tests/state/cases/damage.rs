//! Damaged rows, and commits that take effect but report a failure.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use engram_bridge::ConsolidationCacheSource::Scheduler;
use engram_bridge::durable::{
    Batch, MemoryStateStore, OnRow, Recovery, StateStore, StorageError, Table,
};
use engram_bridge::replica::Submitted;
use engram_bridge::sync::SpaceView;
use engram_bridge::{ConsolidationSnapshot, Store};
use engram_gossip_proto::View;

use super::{converge, live};
use crate::support::{everything, only_space, open, pattern, space, store, store_config, ticking};

/// Damages the pattern "b3" of a node that also holds deletions: `spoil` changes its rows in
/// `table`. The node loses `rows` rows, and must receive the pattern from its peer again. If `rows`
/// exceeds 1, the pattern has two versions.
fn damaged(rows: u64, table: Table, spoil: impl Fn(&mut Vec<u8>)) {
    let disk = MemoryStateStore::new();
    let (one, peer) = (open(1, &disk), store(2));
    for value in 0..5 {
        only_space(&one).submit_pattern(&pattern(&format!("a{value}"), value)).unwrap();
        only_space(&peer).submit_pattern(&pattern(&format!("b{value}"), value)).unwrap();
    }
    if rows > 1 {
        only_space(&one).submit_pattern(&pattern("b3", 7)).unwrap();
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
            spoil(value);
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
    assert_eq!(*open(1, &disk.copy()).recovery(), Recovery::Loaded { records: 12 });
}

#[test]
fn a_damaged_record_comes_back_from_a_peer() {
    damaged(1, Table::Records, |row| row[40] ^= 1);
}

#[test]
fn a_damaged_content_comes_back_from_a_peer() {
    damaged(1, Table::Records, |row| *row.last_mut().unwrap() ^= 1);
}

/// The pattern has two versions, each in a row of its own. If one row is damaged, the record and
/// the other version are also dropped.
#[test]
fn one_damaged_content_is_fetched_from_a_peer() {
    damaged(2, Table::Contents, |row| {
        row[40] ^= u8::from(row.windows(9).any(|part| part == b"episode-7"));
    });
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

/// A store whose commits, while `fails` is true, take effect but report a failure, as if the final
/// sync failed.
#[derive(Default)]
struct FailingStore {
    rows: MemoryStateStore,
    fails: AtomicBool,
    /// The number of records in the last batch.
    records: AtomicUsize,
}

impl StateStore for FailingStore {
    fn scan(&self, row: &mut OnRow<'_>) -> Result<(), StorageError> {
        self.rows.scan(row)
    }
    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        let records = batch.edits().iter().filter(|edit| edit.table == Table::Records).count();
        self.records.store(records, Ordering::Relaxed);
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

/// Returns a node that stored a write of "p", and its disk, which also holds failed changes to "p"
/// and "q".
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

/// After failed commits, the store does not know which rows are on the disk. One commit rewrites at
/// most 2,048 of them, so that it stays short; the next commits rewrite the others.
#[test]
fn many_rows_in_doubt_are_written_again_in_parts() {
    const LIMIT: usize = 2_048;
    let disk = Arc::new(FailingStore::default());
    let one = Store::open(store_config(1), ticking(), Arc::clone(&disk) as Arc<_>).unwrap();
    let space = only_space(&one);
    let all: Vec<_> = (0..LIMIT + 7).map(|n| pattern(&format!("p{n:04}"), 1)).collect();
    disk.fails.store(true, Ordering::Relaxed);
    for part in all.chunks(LIMIT) {
        let patterns = part.to_vec();
        let part = ConsolidationSnapshot { patterns, ..ConsolidationSnapshot::default() };
        assert!(space.submit(&part, Scheduler).is_err());
    }
    disk.fails.store(false, Ordering::Relaxed);
    assert_eq!(disk.rows.usage().records, Some(7), "the last commit took effect");
    for (id, again) in [("q", LIMIT), ("r", 7), ("s", 0)] {
        space.submit_pattern(&pattern(id, 1)).unwrap();
        assert_eq!(disk.records.load(Ordering::Relaxed), 1 + again, "{id}");
    }
    assert_eq!(open(1, &disk.rows.copy()).recovery(), &Recovery::Loaded { records: 3 });
}
