//! The state in a file that is cut, altered, copied or full.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use engram_bridge::{
    ConsolidationCacheSource::Scheduler, OpenError, Recovery, RedbStateStore, StorageError, Store,
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
fn a_node_goes_on_with_its_file() {
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

/// The file may be a copy at any path, and an older one: a start resumes no identity.
#[test]
fn a_copied_and_an_older_file_are_as_good_as_any() {
    let (original, copy, peer) = (folder(), folder(), only_space(&store(2, 4)));
    let before = left(original.path());
    let state = original.path().join("state");
    fs::create_dir(copy.path().join("state")).unwrap();
    fs::copy(state.join("state.redb"), copy.path().join("state/state.redb")).unwrap();
    let copied = open(1, kept(copy.path())).unwrap();
    assert_eq!((copied.recovery(), shown(&copied)), (&Recovery::Loaded { records: 50 }, before));

    // An older state of the file in its very place, after a peer took what was written since.
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
    // Later writes come back from the peers, and new ones differ from them.
    let space = only_space(&restored);
    space.submit_pattern(&pattern("p_7", 99)).unwrap();
    deliver(written_since, &space);
    let texts: BTreeMap<_, _> =
        space.view().patterns.iter().map(|p| (p.id.clone(), p.source_episodes.clone())).collect();
    assert_eq!(texts["p_7"], ["episode-99", "shared"]);
    assert!(texts.contains_key("later"));
}

/// Damages the file in many ways: the node starts, shows nothing that was not written, and names
/// the loss.
#[test]
fn a_damaged_file_is_noticed_and_never_believed() {
    let folder = folder();
    let before = left(folder.path());
    let file = folder.path().join("state/state.redb");
    let whole = fs::read(&file).unwrap();
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
        let store = open(1, RedbStateStore::new(&other)).unwrap();
        match store.recovery() {
            Recovery::SetAside { place, .. } => {
                assert_eq!(fs::read(place).unwrap().len(), spoilt.len(), "the evidence is kept");
                aside += 1;
            }
            // A byte that the file does not use may change.
            Recovery::Loaded { records: 50 } => {
                assert_eq!(shown(&store), before);
                intact += 1;
            }
            Recovery::Repaired { records, .. } => assert!(*records < 50),
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
