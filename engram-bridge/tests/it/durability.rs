//! The durable state, and its recovery at the start of a node.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use engram_bridge::ConsolidationCacheSource::Scheduler;
use engram_bridge::durable::{
    Batch, MemoryStateStore, OnRow, OpenError, Recovery, StateStore, StorageError, Table,
};
use engram_bridge::replica::{Citations, Submitted};
use engram_bridge::spaces::SubmitError;
use engram_bridge::sync::SpaceView;
use engram_bridge::{SemanticPattern, Space, Store};
use engram_gossip_proto::{Rejection, View};
use engram_merkle::AnyHasher;
use engram_vclock::Dot;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::*;

fn live_dots(space: &Arc<Space>) -> BTreeSet<Dot> {
    records(space).values().flat_map(dots).map(|(dot, _)| dot).collect()
}

fn full() -> StorageError {
    StorageError::Full { place: "memory".to_owned(), reason: "simulated failure".to_owned() }
}

/// Creates a node with patterns of its own and of a peer, a withdrawn pattern, a forgotten pattern,
/// and a conflict.
fn eventful(kept: &MemoryStateStore) -> Store {
    let store = open(1, kept.clone()).unwrap();
    let own = only_space(&store);
    own.submit(&snapshot((0..5).map(|n| pattern(&format!("own_{n}"), n)).collect()), Scheduler)
        .unwrap();
    let peer = only_space(&crate::common::store(2, 4));
    for n in 0..3 {
        peer.submit_pattern(&pattern(&format!("theirs_{n}"), n)).unwrap();
    }
    peer.submit_pattern(&pattern("own_0", 9)).unwrap();
    deliver(everything(&peer), &own);
    assert!(own.withdraw("own_1").unwrap());
    assert!(own.forget("own_2").unwrap());
    own.resolve(&pattern("theirs_1", 8), Citations::AsGiven).unwrap();
    store
}

#[test]
fn restart_restores_the_stored_state() {
    let kept = MemoryStateStore::new();
    let before = eventful(&kept);
    assert_eq!(*before.recovery(), Recovery::New);
    let (shown, held) = (fingerprint(&only_space(&before)), records(&only_space(&before)));
    drop(before);

    let after = open(1, kept).unwrap();
    let space = only_space(&after);
    assert_eq!(*after.recovery(), Recovery::Loaded { records: 8 });
    assert_eq!((fingerprint(&space), records(&space)), (shown, held));
    // The last submissions and the suppressed contents are also stored.
    for (id, content, submitted) in [
        ("own_0", 0, Submitted::Unchanged),
        ("own_1", 1, Submitted::Unchanged),
        ("own_2", 2, Submitted::Suppressed),
        ("own_3", 3, Submitted::Unchanged),
    ] {
        assert_eq!(space.submit_pattern(&pattern(id, content)), Ok(submitted), "{id}");
    }
    assert_eq!(after.write_stats().written, 0);
}

#[test]
fn no_version_is_used_twice_over_restarts() {
    let kept = MemoryStateStore::new();
    let mut used = BTreeSet::new();
    for start in 0..4_u8 {
        let store = open(1, kept.clone()).unwrap();
        let space = only_space(&store);
        for n in 0..3 {
            let before = live_dots(&space);
            space.submit_pattern(&pattern(&format!("p_{n}"), 10 * start + n)).unwrap();
            let fresh: Vec<Dot> = live_dots(&space).difference(&before).copied().collect();
            assert!(fresh.iter().all(|dot| used.insert(*dot)) && fresh.len() == 1, "{fresh:?}");
        }
        let record = &records(&space)["p_0"];
        assert_eq!((record.parts.len(), record.parts[0].dots.len()), (1, 1));
    }
}

/// An older copy of the store is restored after a peer has received the later writes.
#[test]
fn a_restored_copy_loses_no_later_write() {
    let (kept, peer) = (MemoryStateStore::new(), only_space(&store(2, 4)));
    let say = |space: &Arc<Space>, content| space.submit_pattern(&pattern("p", content)).unwrap();
    let space = only_space(&open(1, kept.clone()).unwrap());
    say(&space, 1);
    let copy = kept.copy();
    say(&space, 2);
    deliver(everything(&space), &peer);

    let restored = only_space(&open(1, copy).unwrap());
    assert_eq!(say(&restored, 3), Submitted::Written);
    deliver(everything(&peer), &restored);
    deliver(everything(&restored), &peer);
    assert_eq!(fingerprint(&peer), fingerprint(&restored));
    let view = peer.view().patterns;
    assert!(view[0].source_episodes.contains(&"episode-3".to_owned()), "{view:?}");
}

/// The disk is lost, and the engine submits before the first contact: the node's earlier writes are
/// unknown, and its next submission replaces them.
#[test]
fn the_next_write_replaces_that_of_a_lost_disk() {
    let peer = only_space(&store(2, 4));
    let say = |space: &Arc<Space>, content| space.submit_pattern(&pattern("p", content)).unwrap();
    let space = only_space(&open(1, MemoryStateStore::new()).unwrap());
    assert_eq!(say(&space, 1), Submitted::Written);
    deliver(everything(&space), &peer);
    let store = open(1, MemoryStateStore::new()).unwrap();
    let space = only_space(&store);
    assert_eq!(say(&space, 2), Submitted::Written);
    deliver(everything(&peer), &space);
    assert_eq!(live_dots(&space).len(), 1, "the later version covers the earlier one");
    assert_eq!(say(&space, 2), Submitted::Unchanged);
    deliver(everything(&space), &peer);
    assert_eq!(fingerprint(&peer), fingerprint(&space));
}

#[test]
fn a_change_that_cannot_be_stored_never_happened() {
    let kept = MemoryStateStore::new();
    let store = eventful(&kept);
    let space = only_space(&store);
    let (before, version) = (fingerprint(&space), *space.view_version().borrow());
    kept.fail(Some(full()));
    let submitted = space.submit(&snapshot(vec![pattern("p", 1)]), Scheduler).unwrap_err();
    assert_eq!((submitted.changed, submitted.error), (0, full()));
    assert!(space.submit_pattern(&pattern("p", 1)).is_err());
    assert!(space.resolve(&pattern("own_0", 5), Citations::AsGiven).is_err());
    assert_eq!(space.withdraw("own_0"), Err(SubmitError::Storage(full())));
    assert_eq!(space.forget("own_0"), Err(SubmitError::Storage(full())));
    let peer = only_space(&crate::common::store(3, 4));
    peer.submit_pattern(&pattern("q", 1)).unwrap();
    let receipt = SpaceView::pin(&space).apply(everything(&peer));
    assert_eq!(receipt.rejected, [("q".to_owned(), Rejection::StorageUnavailable)]);
    assert_eq!((receipt.applied, receipt.stale), (0, 0));
    assert_eq!((fingerprint(&space), *space.view_version().borrow()), (before, version));
    let stats = store.write_stats();
    assert_eq!((stats.storage_failures, stats.storage_failure), (6, Some(full())));
    // Reads still succeed, and so does a submission that changes nothing.
    assert_eq!(space.submit_pattern(&pattern("own_3", 3)), Ok(Submitted::Unchanged));

    kept.fail(None);
    assert_eq!(space.submit_pattern(&pattern("p", 1)), Ok(Submitted::Written));
    deliver(everything(&peer), &space);
    let stats = store.write_stats();
    assert_eq!((stats.storage_failures, stats.storage_failure), (6, None));
    let shown = fingerprint(&space);
    assert_eq!(fingerprint(&only_space(&open(1, kept.copy()).unwrap())), shown);
}

/// A state store that reads the space in the middle of every commit, as a session or a query would.
struct Onlooker {
    kept: MemoryStateStore,
    space: Arc<Mutex<Weak<Space>>>,
    seen: Arc<Mutex<Vec<u64>>>,
}

impl StateStore for Onlooker {
    fn scan(&self, row: &mut OnRow<'_>) -> Result<(), StorageError> {
        self.kept.scan(row)
    }
    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        if let Some(space) = self.space.lock().unwrap().upgrade() {
            assert_eq!(space.view().patterns.len() as u64, SpaceView::pin(&space).summary().count);
            self.seen.lock().unwrap().push(space.visible_len());
        }
        self.kept.commit(batch)
    }
    fn set_aside(&self) -> Result<String, StorageError> {
        self.kept.set_aside()
    }
    fn backup(&self, to: &Path) -> Result<(), StorageError> {
        self.kept.backup(to)
    }
}

#[test]
fn readers_see_durable_changes_and_wait_for_none() {
    let (watched, seen) = (Arc::<Mutex<Weak<Space>>>::default(), Arc::<Mutex<Vec<u64>>>::default());
    let onlooker =
        Onlooker { kept: MemoryStateStore::new(), space: watched.clone(), seen: seen.clone() };
    let store = open(1, onlooker).unwrap();
    let space = only_space(&store);
    *watched.lock().unwrap() = Arc::downgrade(&space);
    for n in 0..3 {
        space.submit_pattern(&pattern(&format!("p_{n}"), n)).unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), [0, 1, 2]);
}

#[test]
fn a_batch_is_one_commit() {
    let kept = MemoryStateStore::new();
    let store = open(1, kept.clone()).unwrap();
    let (space, before) = (only_space(&store), kept.commits());
    let many = snapshot((0..200).map(|n| pattern(&format!("p_{n}"), n as u8)).collect());
    space.submit(&many, Scheduler).unwrap();
    assert_eq!(kept.commits() - before, 1);
    space.submit(&many, Scheduler).unwrap();
    assert_eq!(kept.commits() - before, 1, "unchanged patterns are not written");
}

/// One commit holds at most 2,048 operations. More operations are committed in parts, and the next
/// call stores a part that failed.
#[test]
fn many_operations_share_commits() {
    const MANY: usize = 2_048;
    let kept = MemoryStateStore::new();
    let store = open(1, kept.clone()).unwrap();
    let (space, before) = (only_space(&store), kept.commits());
    let all = snapshot((0..=MANY).map(|n| pattern(&format!("p_{n:04}"), 1)).collect());
    space.submit(&all, Scheduler).unwrap();
    assert_eq!(kept.commits() - before, 2);
    let ids: Vec<String> = all.patterns.iter().map(|pattern| pattern.id.clone()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(space.forget_all(ids[..MANY].iter().copied()), Ok(MANY));
    assert_eq!(kept.commits() - before, 3);
    assert_eq!(space.visible_len(), 1);
    assert_eq!(store.write_stats().stored_records, Some(MANY as u64 + 1));

    let before = kept.commits();
    space.submit(&snapshot(large_patterns(40)), Scheduler).unwrap();
    assert_eq!(kept.commits() - before, 7, "six patterns of 204 kB each exceed 1 MiB");

    let node: engram_gossip_net::NodeId = [1; 32].into();
    space
        .submit(&snapshot(all.patterns.iter().map(|p| pattern(&p.id, 2)).collect()), Scheduler)
        .unwrap();
    kept.fail_after(1, full());
    let failed = space.withdraw_node(&node).unwrap_err();
    assert_eq!((failed.changed, &failed.error), (MANY, &SubmitError::Storage(full())));
    let said = failed.to_string();
    assert!(
        said.contains("; 2048 patterns were changed before, but the rest was not; free"),
        "{said}"
    );
    let left = space.visible_len();
    // Of 2,089 patterns the first commit withdrew 2,048.
    assert_eq!(left, 41);
    kept.fail(None);
    assert_eq!(space.withdraw_node(&node), Ok(left as usize));
}

fn large_patterns(count: usize) -> Vec<Arc<SemanticPattern>> {
    let large = |n: usize| {
        let mut pattern = (*pattern(&format!("large_{n}"), n as u8)).clone();
        pattern.source_episodes = (0..1_000).map(|n| format!("{n:0>200}")).collect();
        Arc::new(pattern)
    };
    (0..count).map(large).collect()
}

#[test]
fn large_waiting_patterns_are_stored_in_parts() {
    let kept = MemoryStateStore::new();
    let store = open(1, kept.clone()).unwrap();
    let space = only_space(&store);
    assert!(space.await_contact());
    space.submit(&snapshot(large_patterns(8)), Scheduler).unwrap();
    let before = kept.commits();
    space.take_in().unwrap();
    assert_eq!(kept.commits() - before, 3, "two parts, and the mark that the wait is over");
    assert_eq!(space.visible_len(), 8);
}

#[test]
fn damaged_rows_come_back_from_peers() {
    let kept = MemoryStateStore::new();
    let before = eventful(&kept);
    let (shown, others) = (fingerprint(&only_space(&before)), everything(&only_space(&before)));
    drop(before);
    // Flip one bit of a record, one of a content beside its record, and one of a content in its own
    // row.
    for (table, nth) in [(Table::Contents, 1), (Table::Records, 2), (Table::Records, 4)] {
        let mut rows = 0;
        kept.spoil(|of, _, value| {
            rows += usize::from(of == table);
            if of == table && rows == nth {
                let at = if nth == 4 { value.len() - 1 } else { 20 };
                value[at] ^= 4;
            }
            true
        });
    }
    let store = open(1, kept.clone()).unwrap();
    let space = only_space(&store);
    let Recovery::Repaired { records, rows, lost } = store.recovery().clone() else {
        panic!("{:?}", store.recovery())
    };
    assert_eq!(lost.len() as u64, 8 - records);
    // If a content's own row is damaged, its record is also dropped.
    assert_eq!((records, rows), (5, 4), "{lost:?}");
    assert_ne!(space.root().to_string(), shown.0);
    deliver(others, &space);
    assert_eq!(fingerprint(&space), shown);
    // The store is sound again.
    drop((store, space));
    let store = open(1, kept).unwrap();
    assert_eq!(*store.recovery(), Recovery::Loaded { records: 8 });
    assert_eq!(fingerprint(&only_space(&store)), shown);
}

#[test]
fn a_lost_row_is_noticed_and_comes_back() {
    let kept = MemoryStateStore::new();
    let before = eventful(&kept);
    let (shown, others) = (fingerprint(&only_space(&before)), everything(&only_space(&before)));
    drop(before);
    kept.spoil(|table, key, _| !(table == Table::Records && key.ends_with(b"own_3")));
    let store = open(1, kept).unwrap();
    assert!(matches!(store.recovery(), Recovery::Repaired { records: 7, .. }));
    deliver(others, &only_space(&store));
    assert_eq!(fingerprint(&only_space(&store)), shown);
}

#[test]
fn a_store_without_an_owner_is_set_aside() {
    let kept = MemoryStateStore::new();
    drop(eventful(&kept));
    kept.spoil(|_, key, _| !key.starts_with(b"owner"));
    let store = open(1, kept.clone()).unwrap();
    let Recovery::SetAside { place, .. } = store.recovery() else {
        panic!("{:?}", store.recovery())
    };
    assert_eq!((place.as_str(), only_space(&store).summary().count), ("nowhere", 0));
    drop(store);
    assert_eq!(*open(1, kept).unwrap().recovery(), Recovery::Loaded { records: 0 });
}

/// Without any row about the node and its spaces, the records may be those of another node.
#[test]
fn records_without_any_other_row_are_set_aside() {
    let kept = MemoryStateStore::new();
    drop(eventful(&kept));
    kept.spoil(|table, _, _| table != Table::Meta);
    let store = open(1, kept.clone()).unwrap();
    assert!(matches!(store.recovery(), Recovery::SetAside { .. }), "{:?}", store.recovery());
    assert_eq!(only_space(&store).summary().count, 0);
    drop(store);
    assert_eq!(*open(1, kept).unwrap().recovery(), Recovery::Loaded { records: 0 });
}

/// Either of the two rows of the owner can replace the other.
#[test]
fn one_of_two_owner_rows_is_enough() {
    for lost in [&b"owner"[..], b"owner copy"] {
        let kept = MemoryStateStore::new();
        drop(eventful(&kept));
        kept.spoil(|_, key, _| key != lost);
        let store = open(1, kept.clone()).unwrap();
        let repaired = Recovery::Repaired { records: 8, lost: vec![], rows: 1 };
        assert_eq!(*store.recovery(), repaired);
        drop(store);
        assert_eq!(*open(1, kept).unwrap().recovery(), Recovery::Loaded { records: 8 });
    }
}

#[test]
fn a_store_of_other_rules_is_not_touched() {
    let kept = MemoryStateStore::new();
    drop(eventful(&kept));
    let commits = kept.commits();
    let foreign = open(2, kept.clone()).unwrap_err();
    assert_eq!(foreign, OpenError::Foreign { found: [1; 32].into() });
    let (mut config, environment) = parts(1, 4);
    config.hash = AnyHasher::Blake3;
    let other = Store::open(config, environment, Arc::new(kept.clone())).unwrap_err();
    assert!(
        other.to_string().contains("sha256") && other.to_string().contains("blake3"),
        "{other}"
    );
    // Schemas below 6 are those of earlier versions, and 7 is a future one.
    for schema in [1, 2, 5, 7] {
        kept.spoil(|_, key, value| {
            if key.starts_with(b"owner") {
                value[0] = schema;
            }
            true
        });
        let other = open(1, kept.clone()).unwrap_err();
        assert_eq!(other, OpenError::Schema { found: schema.into(), known: 6 });
        assert!(other.to_string().contains("run the version that wrote it"));
    }
    assert_eq!(kept.commits(), commits);
}

/// An operation at a node that sometimes restarts.
#[derive(Clone, Debug)]
enum Op {
    Submit(u8, u8),
    Withdraw(u8),
    Forget(u8),
    Resolve(u8, u8),
    Receive(u8, u8),
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    let (id, content) = (0..4_u8, 0..4_u8);
    prop_oneof![
        4 => (id.clone(), content.clone()).prop_map(|(id, content)| Op::Submit(id, content)),
        1 => id.clone().prop_map(Op::Withdraw),
        1 => id.clone().prop_map(Op::Forget),
        1 => (id.clone(), content.clone()).prop_map(|(id, content)| Op::Resolve(id, content)),
        2 => (id, content).prop_map(|(id, content)| Op::Receive(id, content)),
        2 => Just(Op::Restart),
    ]
}

proptest! {
    /// A node that restarts at any time shows the same patterns as one that never restarts.
    #[test]
    fn prop_a_restart_changes_nothing(history in vec(op(), 0..40)) {
        let mut kept = MemoryStateStore::new();
        let (mut node, steady) = (open(1, kept.clone()).unwrap(), store(1, 4));
        for op in history {
            let peer = only_space(&store(2, 4));
            for space in [only_space(&node), only_space(&steady)] {
                let id = |id: u8| format!("pattern_{id}");
                match op {
                    Op::Submit(of, content) => {
                        space.submit_pattern(&pattern(&id(of), content)).unwrap();
                    }
                    Op::Withdraw(of) => _ = space.withdraw(&id(of)).unwrap(),
                    Op::Forget(of) => _ = space.forget(&id(of)).unwrap(),
                    Op::Resolve(of, content) => {
                        space.resolve(&pattern(&id(of), content), Citations::AsGiven).unwrap();
                    }
                    Op::Receive(of, content) => {
                        peer.submit_pattern(&pattern(&id(of), content)).unwrap();
                        let mut delivery = everything(&peer);
                        // Attribute each content to a separate node, all under the same version.
                        for record in &mut delivery.records {
                            let part = &mut record.parts[0];
                            (part.node, part.entry, part.dots[0].0) = ([3 + content; 32], 7, 7);
                        }
                        SpaceView::pin(&space).apply(delivery);
                    }
                    Op::Restart => {}
                }
            }
            if let Op::Restart = op {
                let before = (fingerprint(&only_space(&node)), records(&only_space(&node)));
                kept = kept.copy();
                node = open(1, kept.clone()).unwrap();
                let sound = matches!(node.recovery(), Recovery::New | Recovery::Loaded { .. });
                prop_assert!(sound);
                let after = (fingerprint(&only_space(&node)), records(&only_space(&node)));
                prop_assert_eq!(before, after);
            }
        }
        prop_assert_eq!(bytes(&only_space(&node)), bytes(&only_space(&steady)));
    }
}
