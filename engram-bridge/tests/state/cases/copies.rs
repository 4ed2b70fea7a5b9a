//! Older copies of a store, and clones.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use engram_bridge::Store;
use engram_bridge::durable::{MemoryStateStore, Recovery};
use engram_bridge::replica::Submitted;

use super::{converge, live};
use crate::session::sync;
use crate::support::{environment, only_space, open, pattern, store, store_config};

#[test]
fn a_restored_backup_loses_no_later_write() {
    let disk = MemoryStateStore::new();
    let (one, peer) = (open(1, &disk), store(2));
    for value in 0..10 {
        only_space(&one).submit_pattern(&pattern(&format!("p{value}"), value)).unwrap();
    }
    let backup = disk.copy();
    for value in 10..110 {
        only_space(&one).submit_pattern(&pattern(&format!("p{}", value % 10), value)).unwrap();
    }
    assert!(sync(&one, &peer));
    drop(one);

    let one = open(1, &backup);
    assert_eq!(*one.recovery(), Recovery::Loaded { records: 10 });
    let submitted = only_space(&one).submit_pattern(&pattern("p5", 200)).unwrap();
    assert_eq!(submitted, Submitted::Written);
    converge(&[&one, &peer]);
    for space in [only_space(&one), only_space(&peer)] {
        assert_eq!(live(&space, "p5"), ["episode-200"]);
        assert_eq!(live(&space, "p4"), ["episode-104"]);
    }
    assert_eq!(one.write_stats().reissued, 0);
}

/// The store of node 1 on `disk`, with a clock that shows `time`.
fn at(disk: &MemoryStateStore, time: &Arc<AtomicI64>) -> Arc<Store> {
    let time = Arc::clone(time);
    let environment = environment(move || time.load(Ordering::Relaxed), || 0);
    let store = Store::open(store_config(1), environment, Arc::new(disk.clone()));
    Arc::new(store.unwrap())
}

const BEGIN: i64 = 1_893_456_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

/// Sets a machine, clock included, back to a time before it wrote three patterns that its peer
/// holds. The machine writes `writes` patterns before it meets its peer again.
fn set_back(writes: u8) {
    let (disk, time) = (MemoryStateStore::new(), Arc::new(AtomicI64::new(BEGIN)));
    let (one, peer) = (at(&disk, &time), store(2));
    only_space(&one).submit_pattern(&pattern("p", 1)).unwrap();
    assert!(sync(&one, &peer));
    let copy = disk.copy();
    time.store(BEGIN + SECOND, Ordering::Relaxed);
    for (id, value) in [("q", 2), ("r", 3), ("s", 4)] {
        only_space(&one).submit_pattern(&pattern(id, value)).unwrap();
    }
    assert!(sync(&one, &peer));
    drop(one);

    time.store(BEGIN + SECOND, Ordering::Relaxed);
    let one = at(&copy, &time);
    for (id, value) in [("q", 12), ("r", 13), ("s", 14)].into_iter().take(writes.into()) {
        let submitted = only_space(&one).submit_pattern(&pattern(id, value)).unwrap();
        assert_eq!(submitted, Submitted::Written);
    }
    converge(&[&one, &peer]);
    // The same versions were used twice, so both values remain live until the engine submits again.
    for (id, lost, kept) in
        [("q", 2, 12), ("r", 3, 13), ("s", 4, 14)].into_iter().take(writes.into())
    {
        let both = [format!("episode-{kept}"), format!("episode-{lost}")];
        assert_eq!(live(&only_space(&peer), id), both);
        let again = only_space(&one).submit_pattern(&pattern(id, kept + 10)).unwrap();
        assert_eq!(again, Submitted::Written);
    }
    converge(&[&one, &peer]);
    for (id, value) in [("q", 22), ("r", 23), ("s", 24)].into_iter().take(writes.into()) {
        assert_eq!(live(&only_space(&peer), id), [format!("episode-{value}")]);
    }
}

#[test]
fn a_machine_set_back_that_wrote_less() {
    set_back(1);
}

#[test]
fn a_machine_set_back_that_wrote_as_much() {
    set_back(3);
}

#[test]
fn a_machine_set_back_may_write_new_patterns() {
    let disk = MemoryStateStore::new();
    let (one, peer) = (open(1, &disk), store(2));
    only_space(&one).submit_pattern(&pattern("p", 1)).unwrap();
    let copy = disk.copy();
    for value in 0..5 {
        only_space(&one).submit_pattern(&pattern(&format!("lost-{value}"), value)).unwrap();
    }
    only_space(&one).forget("lost-0").unwrap();
    assert!(sync(&one, &peer));

    let one = open(1, &copy);
    for value in 0..5 {
        only_space(&one).submit_pattern(&pattern(&format!("new-{value}"), value)).unwrap();
    }
    converge(&[&one, &peer]);
    assert_eq!(only_space(&peer).visible_len(), 10);
}

#[test]
fn writes_of_clones_all_arrive() {
    let disk = MemoryStateStore::new();
    let (one, peer) = (open(1, &disk), store(2));
    only_space(&one).submit_pattern(&pattern("p", 1)).unwrap();
    assert!(sync(&one, &peer));
    let clone = open(1, &disk.copy());
    for value in 0..4 {
        let id = format!("p{value}");
        only_space(&one).submit_pattern(&pattern(&id, value)).unwrap();
        only_space(&clone).submit_pattern(&pattern(&id, value + 50)).unwrap();
        sync(&one, &peer);
        sync(&clone, &peer);
    }
    for _ in 0..3 {
        sync(&one, &peer);
        sync(&clone, &peer);
    }
    assert_eq!((one.root(), clone.root()), (peer.root(), peer.root()));
    for value in 0..4 {
        let both = [format!("episode-{value}"), format!("episode-{}", value + 50)];
        assert_eq!(live(&only_space(&peer), &format!("p{value}")), both);
    }
    // Reissued writes show an operator that two processes write under one key.
    assert!(one.write_stats().reissued > 0);
}
