//! The state in a file: what becomes of it when the file is cut, altered, copied or full.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use engram_bridge::{
    ConsolidationCacheSource::Scheduler, Doubt, OpenError, Opening, RedbStateStore, StorageError,
    Store,
};
use tempfile::TempDir;

use crate::common::*;

fn kept(folder: &Path) -> RedbStateStore {
    RedbStateStore::new(folder.join("state"))
}

/// A node that has left fifty patterns, two of them deleted, and what it showed.
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
fn a_node_goes_on_where_it_was() {
    let folder = folder();
    let before = left(folder.path());
    for _ in 0..2 {
        let store = open(1, kept(folder.path())).unwrap();
        assert_eq!(*store.opening(), Opening::Resumed { records: 50 });
        assert_eq!(shown(&store), before);
    }
}

#[test]
fn two_nodes_in_one_folder_are_refused_and_the_first_goes_on() {
    let folder = folder();
    let store = open(1, kept(folder.path())).unwrap();
    let second = open(1, kept(folder.path())).unwrap_err();
    assert!(matches!(second, OpenError::Storage(StorageError::InUse { .. })), "{second:?}");
    assert!(second.to_string().contains("in use by another process"), "{second}");
    only_space(&store).submit_pattern(&pattern("p", 1)).unwrap();
}

#[test]
fn a_copied_folder_and_a_restored_file_begin_a_new_life() {
    let (original, copy) = (folder(), folder());
    let before = left(original.path());
    let state = original.path().join("state");
    fs::create_dir(copy.path().join("state")).unwrap();
    for file in ["state.redb", "seal"] {
        fs::copy(state.join(file), copy.path().join("state").join(file)).unwrap();
    }
    let store = open(1, kept(copy.path())).unwrap();
    let moved = Opening::Doubted { records: 50, doubt: Doubt::Moved };
    assert_eq!((store.opening(), shown(&store)), (&moved, before.clone()));

    // An older state of the file, in its very place, after the node was started again.
    let older = fs::read(state.join("state.redb")).unwrap();
    let store = open(1, kept(original.path())).unwrap();
    only_space(&store).submit_pattern(&pattern("lost", 1)).unwrap();
    drop(store);
    fs::write(state.join("state.redb"), older).unwrap();
    let store = open(1, kept(original.path())).unwrap();
    assert_eq!((store.opening(), shown(&store)), (&moved, before));
}

#[test]
fn a_backup_of_a_running_node_is_restored_by_starting_on_it() {
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
    let moved = Opening::Doubted { records: 50, doubt: Doubt::Moved };
    assert_eq!((restored.opening(), shown(&restored)), (&moved, before));
    // What was written since comes from the peers, and is not mistaken for what is written now.
    let space = only_space(&restored);
    space.submit_pattern(&pattern("p_7", 99)).unwrap();
    deliver(written_since, &space);
    let texts: BTreeMap<_, _> =
        space.view().patterns.iter().map(|p| (p.id.clone(), p.source_episodes.clone())).collect();
    assert_eq!(texts["p_7"], ["episode-99", "shared"]);
    assert!(texts.contains_key("later"));
}

/// Spoils the file in many ways. Whatever is found afterwards: no panic, and nothing that was not
/// written; what is gone is said.
#[test]
fn a_cut_or_altered_file_is_noticed_and_never_believed() {
    let folder = folder();
    let before = left(folder.path());
    let file = folder.path().join("state/state.redb");
    let (whole, seal) =
        (fs::read(&file).unwrap(), fs::read(folder.path().join("state/seal")).unwrap());
    let mut random = 7_u64;
    let mut below = |limit: usize| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % limit
    };
    let (mut aside, mut intact) = (0, 0);
    for round in 0..40 {
        let mut spoilt = whole.clone();
        match round % 3 {
            0 => spoilt.truncate(below(whole.len())),
            1 => spoilt[below(whole.len())] ^= 1 << below(8),
            _ => {
                let at = below(whole.len() - 4_096);
                spoilt[at..at + 4_096].fill(0);
            }
        }
        let other = folder.path().join(format!("spoilt-{round}"));
        fs::create_dir(&other).unwrap();
        fs::write(other.join("state.redb"), &spoilt).unwrap();
        fs::write(other.join("seal"), &seal).unwrap();
        let store = open(1, RedbStateStore::new(&other)).unwrap();
        match store.opening() {
            Opening::Doubted { doubt: Doubt::Unreadable { aside: to, .. }, records: 0 } => {
                assert_eq!(fs::read(to).unwrap().len(), spoilt.len(), "the evidence is kept");
                aside += 1;
            }
            // It is a copy, so whatever is found is in doubt; what the file does not use may change.
            Opening::Doubted { doubt: Doubt::Moved, records: 50 } => {
                assert_eq!(shown(&store), before);
                intact += 1;
            }
            Opening::Doubted { .. } => {}
            other => panic!("round {round}: {other:?}"),
        }
        only_space(&store).submit_pattern(&pattern("p", 1)).unwrap();
    }
    assert!(aside > 0 && intact > 0, "{aside} {intact}");
}

#[test]
fn a_path_that_cannot_be_used_is_named() {
    let folder = folder();
    fs::write(folder.path().join("state"), "no folder").unwrap();
    let error = open(1, kept(folder.path())).unwrap_err().to_string();
    assert!(error.contains("state") && error.contains("check the path"), "{error}");
}
