//! Deletions that leave: never before everybody has them, and never so that anything comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use engram_bridge::{Environment, MemoryStateStore, Opening, Space, Store, StoreConfig, Timestamp};
use engram_gossip_net::NodeId;
use engram_gossip_proto::{Delivery, Rejection, View as _};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::common::*;

const NODES: usize = 4;

/// Something that happens.
#[derive(Clone, Debug)]
enum Op {
    Submit {
        node: usize,
        id: u8,
    },
    Withdraw {
        node: usize,
        id: u8,
    },
    Forget {
        node: usize,
        id: u8,
    },
    Sync {
        one: usize,
        other: usize,
    },
    Reap {
        node: usize,
    },
    /// The process ends and starts again.
    Restart {
        node: usize,
    },
    /// As above, on a copy of the disk, which is doubtful.
    Move {
        node: usize,
    },
    /// Everything that a node has is under way.
    Send {
        node: usize,
    },
    /// What is under way arrives, however late.
    Arrive {
        node: usize,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let (node, id) = (0..NODES, 0..3_u8);
    prop_oneof![
        4 => (node.clone(), id.clone()).prop_map(|(node, id)| Op::Submit { node, id }),
        1 => (node.clone(), id.clone()).prop_map(|(node, id)| Op::Withdraw { node, id }),
        3 => (node.clone(), id).prop_map(|(node, id)| Op::Forget { node, id }),
        9 => (node.clone(), 1..NODES)
            .prop_map(|(one, by)| Op::Sync { one, other: (one + by) % NODES }),
        6 => node.clone().prop_map(|node| Op::Reap { node }),
        1 => node.clone().prop_map(|node| Op::Restart { node }),
        1 => node.clone().prop_map(|node| Op::Move { node }),
        1 => node.clone().prop_map(|node| Op::Send { node }),
        2 => node.prop_map(|node| Op::Arrive { node }),
    ]
}

/// Whether deletions leave, and when.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reaping {
    /// Everything is kept for ever: how it has to look in the end.
    Never,
    /// As it ships.
    Covered,
    /// A deliberate mistake: as if nobody else were in the roster.
    Early,
}

struct Cluster {
    reaping: Reaping,
    disks: Vec<MemoryStateStore>,
    stores: Vec<Store>,
    under_way: Vec<Delivery>,
    submitted: u8,
}

fn config(node: usize) -> StoreConfig {
    StoreConfig { grace: Duration::ZERO, ..parts(node as u8, 4).0 }
}

fn id(node: usize) -> NodeId {
    NodeId::from([node as u8; 32])
}

impl Cluster {
    fn new(reaping: Reaping) -> Self {
        let disks: Vec<_> = (0..NODES).map(|_| MemoryStateStore::new()).collect();
        let opened = |(node, disk): (usize, &MemoryStateStore)| boot(node, disk);
        let stores = disks.iter().enumerate().map(opened).collect();
        Self { reaping, disks, stores, under_way: Vec::new(), submitted: 0 }
    }

    fn space(&self, node: usize) -> Arc<Space> {
        only_space(&self.stores[node])
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Submit { node, id } => {
                self.submitted += 1;
                let pattern = pattern(&format!("p_{id}"), self.submitted);
                self.space(node).submit_pattern(&pattern).unwrap();
            }
            Op::Withdraw { node, id } => {
                self.space(node).withdraw(&format!("p_{id}")).unwrap();
            }
            Op::Forget { node, id } => _ = self.space(node).forget(&format!("p_{id}")).unwrap(),
            Op::Sync { one, other } => _ = self.sync(one, other),
            Op::Reap { node } => _ = self.reap(node),
            Op::Restart { node } => self.boot(node),
            Op::Move { node } => {
                self.disks[node] = self.disks[node].copy();
                self.boot(node);
            }
            Op::Send { node } => {
                let sent = everything(&self.space(node));
                self.under_way.push(sent);
            }
            Op::Arrive { node } => {
                if let Some(delivery) = self.under_way.pop() {
                    self.space(node).pin().apply(delivery);
                }
            }
        }
    }

    fn boot(&mut self, node: usize) {
        self.stores[node] = boot(node, &self.disks[node]);
    }

    /// As the transport does it: when both ended equal, both take note.
    fn sync(&self, one: usize, other: usize) -> bool {
        let equal = sync(&self.stores[one], &self.stores[other]);
        if equal {
            let root = self.space(one).root();
            self.space(one).note_equal(id(other), root).unwrap();
            self.space(other).note_equal(id(one), root).unwrap();
        }
        equal
    }

    fn reap(&self, node: usize) -> usize {
        let everybody: Vec<_> = (0..NODES).filter(|other| *other != node).map(id).collect();
        match self.reaping {
            Reaping::Never => 0,
            Reaping::Covered => self.space(node).reap(&everybody).unwrap(),
            Reaping::Early => self.space(node).reap(&[]).unwrap(),
        }
    }

    /// Lets everybody talk with everybody until nothing changes any more.
    fn settle(&self) -> Result<(), String> {
        for _ in 0..8 {
            let mut news = 0;
            for one in 0..NODES {
                for other in 0..one {
                    news += usize::from(!self.sync(one, other));
                }
            }
            news += (0..NODES).map(|node| self.reap(node)).sum::<usize>();
            if news == 0 {
                return Ok(());
            }
        }
        Err("the nodes never come to rest".to_owned())
    }
}

/// No life is ever named twice.
static LIVES: AtomicU64 = AtomicU64::new(1);

fn boot(node: usize, disk: &MemoryStateStore) -> Store {
    let life = || LIVES.fetch_add(1, Ordering::Relaxed);
    let environment = Environment::new(|| Timestamp::from_nanoseconds(7), life);
    Store::open(config(node), environment, Box::new(disk.clone())).unwrap()
}

/// Plays `ops` with deletions that leave, and with such that stay: the same has to be seen in the end.
fn play(ops: &[Op], reaping: Reaping) -> Result<(), String> {
    let (mut cluster, mut keeping) = (Cluster::new(reaping), Cluster::new(Reaping::Never));
    for op in ops {
        cluster.apply(op);
        keeping.apply(op);
    }
    keeping.settle()?;
    cluster.settle()?;
    let wanted = bytes(&keeping.space(0));
    for node in 0..NODES {
        let space = cluster.space(node);
        if bytes(&space) != wanted {
            return Err(format!("node {node} shows something else"));
        }
        if space.root() != cluster.space(0).root() {
            return Err(format!("node {node} has another root"));
        }
        let left = (space.waiting_deletions(), space.summary().count - space.visible_len());
        if left != (0, 0) {
            return Err(format!("node {node} keeps {left:?} deletions"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order, with restarts, doubtful disks and messages that are late:
    /// what is seen is what would be seen if every deletion were kept for ever, and none is kept.
    #[test]
    fn prop_deletions_leave_and_nothing_comes_back(ops in vec(op(), 1..120)) {
        let played = play(&ops, Reaping::Covered);
        prop_assert!(played.is_ok(), "{:?}", played);
    }
}

/// The property above can fail.
#[test]
fn an_early_reap_is_noticed() {
    let mut runner = TestRunner::deterministic();
    let ops = vec(op(), 1..120);
    let failed = (0..60).any(|_| {
        let ops = ops.new_tree(&mut runner).unwrap().current();
        play(&ops, Reaping::Early).is_err()
    });
    assert!(failed, "nobody noticed that deletions left before everybody had them");
}

/// Three nodes that all show a pattern.
fn agreed() -> Vec<Store> {
    let stores: Vec<_> =
        (0..3).map(|node| Store::new(config(node), parts(node as u8, 4).1)).collect();
    only_space(&stores[2]).submit_pattern(&pattern("p", 1)).unwrap();
    assert!(sync(&stores[2], &stores[0]) && sync(&stores[0], &stores[1]));
    stores
}

/// One session, of which both sides take note.
fn meet(stores: &[Store], one: usize, other: usize) {
    assert!(sync(&stores[one], &stores[other]));
    let root = only_space(&stores[one]).root();
    only_space(&stores[one]).note_equal(id(other), root).unwrap();
    only_space(&stores[other]).note_equal(id(one), root).unwrap();
}

#[test]
fn one_node_that_reaps_causes_no_traffic() {
    let stores = agreed();
    let space = only_space(&stores[0]);
    space.forget("p").unwrap();
    meet(&stores, 0, 1);
    assert_eq!(space.reap(&[id(1), id(2)]).unwrap(), 0, "node 2 does not have it");
    assert_eq!((space.held_up_by(&id(1)), space.held_up_by(&id(2))), (0, 1));
    meet(&stores, 0, 2);
    assert_eq!(space.reap(&[id(1), id(2)]).unwrap(), 1);
    assert_eq!(space.summary().count, 0, "what was reaped is in no root");
    // The others learn of it, and then there is nothing to say, though nobody else reaps.
    meet(&stores, 0, 1);
    meet(&stores, 1, 2);
    let generations = || stores.iter().map(|store| only_space(store).summary().generation);
    let before: Vec<_> = generations().collect();
    for _ in 0..100 {
        meet(&stores, 0, 1);
        meet(&stores, 1, 2);
        meet(&stores, 2, 0);
    }
    assert!(generations().eq(before));
    assert_eq!(space.reap(&[id(1), id(2)]).unwrap(), 1, "everybody knows, so it is gone");
    assert_eq!(space.waiting_deletions(), 0);
    assert!(sync(&stores[0], &stores[1]), "those that still remember bring nothing back");
    assert_eq!(space.waiting_deletions(), 0);
}

#[test]
fn an_evicted_node_holds_nothing_up_and_brings_nothing_back() {
    let stores = agreed();
    let [a, b, gone] = [0, 1, 2].map(|node| only_space(&stores[node]));
    // Known as a member, then evicted while it is away.
    a.reap(&[id(1), id(2)]).unwrap();
    b.reap(&[id(0), id(2)]).unwrap();
    a.forget("p").unwrap();
    for _ in 0..3 {
        meet(&stores, 0, 1);
        a.reap(&[id(1)]).unwrap();
        b.reap(&[id(0)]).unwrap();
    }
    assert_eq!((a.waiting_deletions(), b.waiting_deletions()), (0, 0));

    // It returns with what it had, and with something new.
    gone.submit_pattern(&pattern("q", 2)).unwrap();
    assert!(!sync(&stores[2], &stores[0]));
    let receipt = a.pin().apply(everything(&gone));
    assert_eq!(receipt.rejected, [("p".to_owned(), Rejection::Reaped)]);
    let shown: Vec<_> = a.view().patterns.iter().map(|pattern| pattern.id.clone()).collect();
    assert_eq!(shown, ["q"], "what it wrote since is news, what was deleted is not");

    // With an empty store it is one of them again.
    let emptied = Store::new(config(2), Environment::new(|| Timestamp::EPOCH, || 77));
    assert!(sync(&emptied, &stores[0]) && sync(&emptied, &stores[1]));
    assert_eq!(fingerprint(&only_space(&emptied)), fingerprint(&a));
}

/// Of a stranger it cannot be known that all that it wrote came here.
#[test]
fn what_a_stranger_wrote_keeps_its_reminder() {
    let stores = agreed();
    let [a, b] = [0, 1].map(|node| only_space(&stores[node]));
    a.forget("p").unwrap();
    for _ in 0..4 {
        meet(&stores, 0, 1);
        a.reap(&[id(1)]).unwrap();
        b.reap(&[id(0)]).unwrap();
    }
    assert_eq!((a.summary().count, a.waiting_deletions()), (0, 1));
    assert!(sync(&stores[2], &stores[0]), "the reminder deletes it there, too");
    assert_eq!(only_space(&stores[2]).visible_len(), 0);
}

#[test]
fn a_deletion_is_kept_for_the_grace() {
    let now = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&now);
    let clock = move || Timestamp::from_nanoseconds(clock.load(Ordering::Relaxed));
    let grace = Duration::from_secs(1);
    let store = Store::new(StoreConfig { grace, ..config(1) }, Environment::new(clock, || 1));
    let space = only_space(&store);
    space.submit_pattern(&pattern("p", 1)).unwrap();
    space.forget("p").unwrap();
    now.store(999_999_999, Ordering::Relaxed);
    assert_eq!(space.reap(&[]).unwrap(), 0);
    now.store(1_000_000_000, Ordering::Relaxed);
    assert_eq!(space.reap(&[]).unwrap(), 1);
    assert_eq!(space.reap(&[]).unwrap(), 1);
    assert_eq!(space.waiting_deletions(), 0);
    // The engine is asked to forget nothing: what it submits as before is still no news.
    space.submit_pattern(&pattern("p", 1)).unwrap();
    assert_eq!(space.visible_len(), 0);
}

#[test]
fn what_is_known_of_the_roster_outlives_the_process_and_doubt_ends_it() {
    let disk = MemoryStateStore::new();
    let stores = [boot(0, &disk), Store::new(config(1), parts(1, 4).1)];
    only_space(&stores[0]).submit_pattern(&pattern("p", 1)).unwrap();
    only_space(&stores[0]).forget("p").unwrap();
    meet(&stores, 0, 1);
    drop(stores);

    let copied = disk.copy();
    let resumed = boot(0, &disk);
    assert!(matches!(resumed.opening(), Opening::Resumed { .. }), "{:?}", resumed.opening());
    assert_eq!(only_space(&resumed).held_up_by(&id(1)), 0);
    let doubted = boot(0, &copied);
    assert!(matches!(doubted.opening(), Opening::Doubted { .. }), "{:?}", doubted.opening());
    assert_eq!(only_space(&doubted).held_up_by(&id(1)), 1);
    drop(doubted);
    // It was not believed once, and is not the next time either.
    assert_eq!(only_space(&boot(0, &copied)).held_up_by(&id(1)), 1);

    assert_eq!(only_space(&resumed).reap(&[id(1)]).unwrap(), 1);
    drop(resumed);
    let again = boot(0, &disk);
    assert_eq!(only_space(&again).waiting_deletions(), 1);
    let root = only_space(&again).root();
    only_space(&again).note_equal(id(1), root).unwrap();
    assert_eq!(only_space(&again).reap(&[id(1)]).unwrap(), 1);
    drop(again);
    let last = only_space(&boot(0, &disk));
    assert_eq!((last.waiting_deletions(), last.summary().count), (0, 0));
}
