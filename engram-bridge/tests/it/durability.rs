//! What outlives a process, and what a node makes of what it finds.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use engram_bridge::{
    Batch, ConsolidationCacheSource::Scheduler, Doubt, MemoryStateStore, OpenError, Opening, Seal,
    Space, StateStore, StorageError, Store, Submitted, Table,
};
use engram_gossip_proto::{Actor, Dot, Rejection, View};
use engram_merkle::AnyHasher;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::*;

fn dots(space: &Arc<Space>) -> BTreeSet<Dot> {
    let records = records(space);
    records.values().flat_map(|record| record.siblings.iter().map(|(dot, _)| *dot)).collect()
}

/// The incarnations under which `node` wrote what is live in the space.
fn lives(space: &Arc<Space>, node: u8) -> BTreeSet<u64> {
    let of_node = |dot: &Dot| (dot.actor.node == [node; 32]).then_some(dot.actor.incarnation);
    dots(space).iter().filter_map(of_node).collect()
}

fn full() -> StorageError {
    StorageError::Full { place: "memory".to_owned(), reason: "a test says so".to_owned() }
}

/// A node with own and foreign patterns, a withdrawn and a forgotten one, and a conflict.
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
    own.resolve(&pattern("theirs_1", 8)).unwrap();
    store
}

#[test]
fn a_node_goes_on_where_it_was() {
    let kept = MemoryStateStore::new();
    let before = eventful(&kept);
    assert_eq!(*before.opening(), Opening::New);
    let (shown, held) = (fingerprint(&only_space(&before)), records(&only_space(&before)));
    drop(before);

    let after = open(1, kept).unwrap();
    let space = only_space(&after);
    assert_eq!(*after.opening(), Opening::Resumed { records: 8 });
    assert_eq!((fingerprint(&space), records(&space)), (shown, held));
    // What was submitted last is remembered, and so is what was forgotten.
    for (id, content) in [("own_0", 0), ("own_1", 1), ("own_2", 2), ("own_3", 3)] {
        let submitted = space.submit_pattern(&pattern(id, content)).unwrap();
        assert_eq!(submitted, Submitted::Unchanged, "{id}");
    }
    assert_eq!(after.written(), 0);
}

#[test]
fn no_dot_is_used_twice_by_a_life_that_goes_on() {
    let kept = MemoryStateStore::new();
    let mut used = BTreeSet::new();
    for start in 0..4_u8 {
        let store = open(1, kept.clone()).unwrap();
        let space = only_space(&store);
        for n in 0..3 {
            let before = dots(&space);
            space.submit_pattern(&pattern(&format!("p_{n}"), 10 * start + n)).unwrap();
            let fresh: Vec<Dot> = dots(&space).difference(&before).copied().collect();
            assert!(fresh.iter().all(|dot| used.insert(*dot)) && fresh.len() == 1, "{fresh:?}");
        }
        assert_eq!(lives(&space, 1).len(), 1, "nothing was in doubt");
    }
}

#[test]
fn a_copy_of_the_store_begins_a_new_life() {
    let kept = MemoryStateStore::new();
    drop(eventful(&kept));
    for copied in [kept.copy(), kept.copy()] {
        let store = open(1, copied).unwrap();
        assert_eq!(*store.opening(), Opening::Doubted { records: 8, doubt: Doubt::Moved });
        let space = only_space(&store);
        let before = lives(&space, 1);
        space.submit_pattern(&pattern("new", 1)).unwrap();
        assert_eq!(lives(&space, 1).difference(&before).count(), 1);
    }
}

/// The machine lost its power between two starts: what a disk had promised may be gone.
#[derive(Clone)]
struct Rebooted(MemoryStateStore, &'static str);

impl StateStore for Rebooted {
    fn scan(
        &mut self,
        table: Table,
        row: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), StorageError> {
        self.0.scan(table, row)
    }
    fn commit(&mut self, batch: &Batch) -> Result<(), StorageError> {
        self.0.commit(batch)
    }
    fn seal(&self) -> Seal {
        Seal { boot: self.1.to_owned(), ..self.0.seal() }
    }
    fn renew_seal(&mut self) -> Result<Seal, StorageError> {
        self.0.renew_seal()?;
        Ok(self.seal())
    }
    fn set_aside(&mut self) -> Result<String, StorageError> {
        self.0.set_aside()
    }
    fn backup(&mut self, to: &Path) -> Result<(), StorageError> {
        self.0.backup(to)
    }
}

#[test]
fn after_a_loss_of_power_only_a_closed_store_is_trusted() {
    let kept = MemoryStateStore::new();
    let open = |boot| open(1, Rebooted(kept.clone(), boot)).unwrap();
    let store = open("monday");
    only_space(&store).submit_pattern(&pattern("p", 1)).unwrap();
    store.close().unwrap();
    let store = open("tuesday");
    assert_eq!(*store.opening(), Opening::Resumed { records: 1 });
    // A change takes the note back that it was closed.
    store.close().unwrap();
    only_space(&store).submit_pattern(&pattern("p", 2)).unwrap();
    assert_eq!(*open("tuesday").opening(), Opening::Resumed { records: 1 });
    let doubted = Opening::Doubted { records: 1, doubt: Doubt::PowerLost };
    assert_eq!(*open("wednesday").opening(), doubted);
    // Where starts of the machine have no names, every crash is in doubt.
    assert!(matches!(*open("").opening(), Opening::Doubted { .. }));
}

/// The disk is lost, and the engine speaks before the peers do: what the lost life wrote is not known
/// yet, so it is not superseded. The same word again is no news; the next other one ends both.
#[test]
fn what_a_lost_life_wrote_ends_with_the_next_other_word_of_its_node() {
    let peer = only_space(&store(2, 4));
    let say = |space: &Arc<Space>, content| space.submit_pattern(&pattern("p", content)).unwrap();
    let (lost, kept) = (MemoryStateStore::new(), MemoryStateStore::new());
    let space = only_space(&open(1, lost).unwrap());
    assert_eq!(say(&space, 1), Submitted::Written);
    deliver(everything(&space), &peer);
    let store = open(1, kept).unwrap();
    let space = only_space(&store);
    assert_eq!(say(&space, 2), Submitted::Written);
    deliver(everything(&peer), &space);
    assert_eq!((dots(&space).len(), lives(&space, 1).len()), (2, 2));
    let shown = fingerprint(&space);
    assert_eq!((say(&space, 2), store.written()), (Submitted::Unchanged, 1));
    assert_eq!(fingerprint(&space), shown);
    assert_eq!((say(&space, 3), store.written()), (Submitted::Written, 2));
    assert_eq!((dots(&space).len(), lives(&space, 1).len()), (1, 1));
    deliver(everything(&space), &peer);
    assert_eq!(fingerprint(&peer), fingerprint(&space));
}

#[test]
fn what_cannot_be_stored_has_not_happened() {
    let kept = MemoryStateStore::new();
    let store = eventful(&kept);
    let space = only_space(&store);
    let (before, version) = (fingerprint(&space), *space.view_version().borrow());
    kept.fail(Some(full()));
    assert_eq!(space.submit(&snapshot(vec![pattern("p", 1)]), Scheduler), Err(full()));
    assert!(space.submit_pattern(&pattern("p", 1)).is_err());
    assert!(space.resolve(&pattern("own_0", 5)).is_err());
    assert_eq!(space.withdraw("own_0"), Err(full()));
    assert_eq!(space.forget("own_0"), Err(full()));
    let peer = only_space(&crate::common::store(3, 4));
    peer.submit_pattern(&pattern("q", 1)).unwrap();
    let receipt = space.pin().apply(everything(&peer));
    assert_eq!(receipt.rejected, [("q".to_owned(), Rejection::OverLimit)]);
    assert_eq!((receipt.applied, receipt.stale), (0, 0));
    assert_eq!((fingerprint(&space), *space.view_version().borrow()), (before, version));
    let stats = store.write_stats();
    assert_eq!((stats.storage_failures, stats.storage_failure), (6, Some(full())));
    // What is there is served on, and what is no news needs no disk.
    assert_eq!(space.submit_pattern(&pattern("own_3", 3)), Ok(Submitted::Unchanged));

    kept.fail(None);
    assert_eq!(space.submit_pattern(&pattern("p", 1)), Ok(Submitted::Written));
    deliver(everything(&peer), &space);
    let stats = store.write_stats();
    assert_eq!((stats.storage_failures, stats.storage_failure), (6, None));
    let shown = fingerprint(&space);
    assert_eq!(fingerprint(&only_space(&open(1, kept).unwrap())), shown);
}

/// Looks at the space in the middle of every commit, as a session or a query would.
struct Onlooker {
    kept: MemoryStateStore,
    space: Arc<Mutex<Weak<Space>>>,
    seen: Arc<Mutex<Vec<u64>>>,
}

impl StateStore for Onlooker {
    fn scan(
        &mut self,
        table: Table,
        row: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), StorageError> {
        self.kept.scan(table, row)
    }
    fn commit(&mut self, batch: &Batch) -> Result<(), StorageError> {
        if let Some(space) = self.space.lock().unwrap().upgrade() {
            assert_eq!(space.view().patterns.len() as u64, space.pin().summary().count);
            self.seen.lock().unwrap().push(space.visible_len());
        }
        self.kept.commit(batch)
    }
    fn seal(&self) -> Seal {
        self.kept.seal()
    }
    fn renew_seal(&mut self) -> Result<Seal, StorageError> {
        self.kept.renew_seal()
    }
    fn set_aside(&mut self) -> Result<String, StorageError> {
        self.kept.set_aside()
    }
    fn backup(&mut self, to: &Path) -> Result<(), StorageError> {
        self.kept.backup(to)
    }
}

#[test]
fn nobody_sees_what_is_not_durable_and_nobody_who_reads_waits_for_it() {
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
    assert_eq!(kept.commits() - before, 1, "what is no news is not written");
}

#[test]
fn damaged_rows_are_left_out_and_come_back_from_peers() {
    let kept = MemoryStateStore::new();
    let before = eventful(&kept);
    let (shown, others) = (fingerprint(&only_space(&before)), everything(&only_space(&before)));
    drop(before);
    // One bit of one content and of one record.
    for (table, nth) in [(Table::Contents, 1), (Table::Records, 2)] {
        let mut rows = 0;
        kept.spoil(|of, _, value| {
            rows += usize::from(of == table);
            if of == table && rows == nth {
                value[20] ^= 4;
            }
            true
        });
    }
    let store = open(1, kept.clone()).unwrap();
    let space = only_space(&store);
    let Opening::Doubted { records, doubt: Doubt::Damaged { rows } } = *store.opening() else {
        panic!("{:?}", store.opening())
    };
    // The record of the damaged content is left out with it.
    assert!((5..8).contains(&records) && (2..=3).contains(&rows), "{records} {rows}");
    assert_ne!(space.root().to_string(), shown.0);
    deliver(others, &space);
    assert_eq!(fingerprint(&space), shown);
    // The store is sound again.
    drop((store, space));
    let store = open(1, kept).unwrap();
    assert_eq!(*store.opening(), Opening::Resumed { records: 8 });
    assert_eq!(fingerprint(&only_space(&store)), shown);
}

/// See [`MemoryStateStore::spoil`].
type Spoil = fn(Table, &[u8], &mut Vec<u8>) -> bool;

#[test]
fn a_lost_row_or_an_older_lease_is_doubt() {
    let lost: [Spoil; 3] = [
        |table, key, _| !(table == Table::Records && key.ends_with(b"own_3")),
        |table, key, _| !(table == Table::Meta && key == b"life"),
        |table, key, life| {
            if table == Table::Meta && key == b"life" {
                life[0] ^= 1;
            }
            true
        },
    ];
    for lose in lost {
        let kept = MemoryStateStore::new();
        drop(eventful(&kept));
        kept.spoil(lose);
        let store = open(1, kept).unwrap();
        let doubted =
            matches!(*store.opening(), Opening::Doubted { doubt: Doubt::Inconsistent, .. });
        assert!(doubted, "{:?}", store.opening());
    }
}

#[test]
fn a_store_that_does_not_say_whose_it_is_is_put_aside() {
    let kept = MemoryStateStore::new();
    drop(eventful(&kept));
    kept.spoil(|_, key, _| key != b"owner");
    let store = open(1, kept).unwrap();
    let Opening::Doubted { records: 0, doubt: Doubt::Unreadable { aside, .. } } = store.opening()
    else {
        panic!("{:?}", store.opening())
    };
    assert_eq!(aside, "nowhere");
}

#[test]
fn the_store_of_a_newer_version_of_another_node_or_of_other_rules_is_not_touched() {
    let kept = MemoryStateStore::new();
    drop(eventful(&kept));
    let commits = kept.commits();
    let foreign = open(2, kept.clone()).unwrap_err();
    assert_eq!(foreign, OpenError::Foreign { found: [1; 32].into() });
    let (mut config, environment) = parts(1, 4);
    config.hash = AnyHasher::Blake3;
    let other = Store::open(config, environment, Box::new(kept.clone())).unwrap_err();
    assert!(
        other.to_string().contains("sha256") && other.to_string().contains("blake3"),
        "{other}"
    );
    kept.spoil(|_, key, value| {
        if key == b"owner" {
            value[0] = 2;
        }
        true
    });
    let newer = open(1, kept.clone()).unwrap_err();
    assert_eq!(newer, OpenError::Newer { found: 2, known: 1 });
    assert!(newer.to_string().contains("install the newer version"));
    assert_eq!(kept.commits(), commits);
}

/// What happens at a node that is ended now and then.
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
    /// A node that is ended at any time is the node that was not, but for the names of its dots.
    #[test]
    fn prop_a_restart_changes_nothing(history in vec(op(), 0..40)) {
        let kept = MemoryStateStore::new();
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
                        space.resolve(&pattern(&id(of), content)).unwrap();
                    }
                    Op::Receive(of, content) => {
                        // A life of its own, so that no dot names two writes.
                        let mut delivery = {
                            peer.submit_pattern(&pattern(&id(of), content)).unwrap();
                            everything(&peer)
                        };
                        let actor = Actor { node: [2; 32], incarnation: u64::from(content) };
                        for record in &mut delivery.records {
                            record.siblings.iter_mut().for_each(|(dot, _)| dot.actor = actor);
                            record.context.iter_mut().for_each(|entry| entry.0 = actor);
                        }
                        space.pin().apply(delivery);
                    }
                    Op::Restart => {}
                }
            }
            if let Op::Restart = op {
                let before = (fingerprint(&only_space(&node)), records(&only_space(&node)));
                node = open(1, kept.clone()).unwrap();
                let doubted = matches!(node.opening(), Opening::Doubted { .. });
                prop_assert!(!doubted);
                let after = (fingerprint(&only_space(&node)), records(&only_space(&node)));
                prop_assert_eq!(before, after);
            }
        }
        prop_assert_eq!(bytes(&only_space(&node)), bytes(&only_space(&steady)));
    }
}
