//! The state in a file: restarts, exclusive use, copies, backups and compaction.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use engram_bridge::ConsolidationCacheSource::Scheduler;
use engram_bridge::Store;
use engram_bridge::durable::{OpenError, Recovery, RedbStateStore, StorageError};
use engram_bridge::spaces::SubmitError;
use tempfile::TempDir;

use crate::common::*;

fn kept(folder: &Path) -> RedbStateStore {
    RedbStateStore::new(folder.join("state"))
}

/// Fills the store of a node with fifty patterns, two of them deleted. Returns its fingerprint.
fn left(folder: &Path) -> (String, Vec<u8>) {
    let store = open(1, kept(folder)).unwrap();
    let space = only_space(&store);
    let patterns = (0..50).map(|n| pattern(&format!("p_{n}"), n));
    space.submit(&snapshot(patterns.collect()), Scheduler).unwrap();
    space.forget("p_3").unwrap();
    space.withdraw("p_4").unwrap();
    fingerprint(&space)
}

fn shown(store: &Store) -> (String, Vec<u8>) {
    fingerprint(&only_space(store))
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn restart_restores_the_state_file() {
    let folder = folder();
    let before = left(folder.path());
    for _ in 0..2 {
        let store = open(1, kept(folder.path())).unwrap();
        assert_eq!(*store.recovery(), Recovery::Loaded { records: 50 });
        assert_eq!(shown(&store), before);
    }
}

#[test]
fn a_folder_serves_one_node_at_a_time() {
    let folder = folder();
    let store = open(1, kept(folder.path())).unwrap();
    let second = open(1, kept(folder.path())).unwrap_err();
    assert!(matches!(second, OpenError::Storage(StorageError::InUse { .. })), "{second:?}");
    assert!(second.to_string().contains("in use by another process"), "{second}");
    only_space(&store).submit_pattern(&pattern("p", 1)).unwrap();
}

#[test]
fn a_closed_store_is_free_at_once() {
    let folder = folder();
    let first = open(1, kept(folder.path())).unwrap();
    only_space(&first).submit_pattern(&pattern("p", 1)).unwrap();
    first.close().unwrap();
    let second = open(1, kept(folder.path())).unwrap();
    assert_eq!(shown(&second), shown(&first));
    second.close().unwrap();
    // A later change does not open the closed file again.
    let late = only_space(&first).submit_pattern(&pattern("q", 2)).unwrap_err();
    assert_eq!(late, SubmitError::Storage(StorageError::Stopped));
    assert_eq!(first.compact(), Err(StorageError::Stopped));
    open(1, kept(folder.path())).unwrap();
}

/// A copy at another path and an older file open without special steps.
#[test]
fn copied_and_older_files_open_normally() {
    let (original, copy, peer) = (folder(), folder(), only_space(&store(2, 4)));
    let before = left(original.path());
    let state = original.path().join("state");
    fs::create_dir(copy.path().join("state")).unwrap();
    fs::copy(state.join("state.redb"), copy.path().join("state/state.redb")).unwrap();
    let copied = open(1, kept(copy.path())).unwrap();
    assert_eq!((copied.recovery(), shown(&copied)), (&Recovery::Loaded { records: 50 }, before));

    // Restore an older state of the file at the same path, after a peer has received the later
    // writes.
    let older = fs::read(state.join("state.redb")).unwrap();
    let store = open(1, kept(original.path())).unwrap();
    only_space(&store).submit_pattern(&pattern("p_7", 98)).unwrap();
    only_space(&store).submit_pattern(&pattern("later", 1)).unwrap();
    deliver(everything(&only_space(&store)), &peer);
    drop(store);
    fs::write(state.join("state.redb"), older).unwrap();
    let store = open(1, kept(original.path())).unwrap();
    let space = only_space(&store);
    space.submit_pattern(&pattern("p_7", 99)).unwrap();
    deliver(everything(&peer), &space);
    deliver(everything(&space), &peer);
    assert_eq!(fingerprint(&peer), fingerprint(&space));
    let view: BTreeMap<_, _> =
        space.view().patterns.iter().map(|p| (p.id.clone(), p.source_episodes.clone())).collect();
    assert!(view.contains_key("later"));
    assert!(view["p_7"].contains(&"episode-99".to_owned()));
}

#[test]
fn a_backup_is_restored_by_starting_on_it() {
    let folder = folder();
    let before = left(folder.path());
    let store = open(1, kept(folder.path())).unwrap();
    let backup = folder.path().join("backup");
    store.backup(&backup).unwrap();
    assert!(store.backup(&backup).is_err(), "a backup overwrites nothing");
    only_space(&store).submit_pattern(&pattern("later", 1)).unwrap();
    let written_since = everything(&only_space(&store));
    drop(store);

    let restored = open(1, RedbStateStore::new(&backup)).unwrap();
    let loaded = Recovery::Loaded { records: 50 };
    assert_eq!((restored.recovery(), shown(&restored)), (&loaded, before));
    // The writes after the backup come back from the peers, and a new write is not affected by
    // them.
    let space = only_space(&restored);
    space.submit_pattern(&pattern("p_7", 99)).unwrap();
    deliver(written_since, &space);
    let texts: BTreeMap<_, _> =
        space.view().patterns.iter().map(|p| (p.id.clone(), p.source_episodes.clone())).collect();
    assert_eq!(texts["p_7"], ["episode-99", "shared"]);
    assert!(texts.contains_key("later"));
}

#[test]
fn a_path_that_cannot_be_used_is_named() {
    let folder = folder();
    fs::write(folder.path().join("state"), "no folder").unwrap();
    let error = open(1, kept(folder.path())).unwrap_err().to_string();
    assert!(error.contains("state") && error.contains("check the path"), "{error}");
}

/// A mostly unused file is compacted when it is opened, and on request.
#[test]
fn a_sparse_file_is_compacted() {
    let folder = folder();
    let large = |n: u8| {
        let mut pattern = (*pattern(&format!("large_{n}"), n)).clone();
        pattern.source_episodes = (0..1_000).map(|episode| format!("{episode:0>200}")).collect();
        Arc::new(pattern)
    };
    let size = |store: &Store| store.write_stats().stored_bytes.unwrap();
    for on_demand in [true, false] {
        let mut store = open(1, kept(folder.path())).unwrap();
        let space = only_space(&store);
        space.submit(&snapshot((0..120).map(large).collect()), Scheduler).unwrap();
        assert_eq!(space.withdraw_node(&[1; 32].into()), Ok(120));
        let full = size(&store);
        assert!(full > 24 << 20, "{full}");
        match on_demand {
            true => store.compact().unwrap(),
            false => {
                drop((store, space));
                store = open(1, kept(folder.path())).unwrap();
            }
        }
        assert!(size(&store) < 2 << 20, "{} of {full}", size(&store));
        // The table of records has as many rows as the space has records.
        let records = only_space(&store).stats().records;
        assert_eq!((records, store.write_stats().stored_records), (120, Some(120)));
        let again = snapshot((0..120).map(large).collect());
        assert_eq!(only_space(&store).submit(&again, Scheduler).unwrap().unchanged, 120);
        if on_demand {
            fs::remove_dir_all(folder.path().join("state")).unwrap();
        }
    }
}
