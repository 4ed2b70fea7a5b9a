//! Tests with a slow disk.

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use engram_bridge::ConsolidationCacheSource::Scheduler;
use engram_bridge::durable::{Batch, MemoryStateStore, OnRow, StateStore, StorageError};
use engram_bridge::{ConsolidationSnapshot, Space, Store};
use engram_gossip_proto::SpaceId;

use crate::support::{environment, node_id, only_space, pattern, store_config};

/// A wait that takes this long fails the test.
const DEADLINE: Duration = Duration::from_secs(30);

/// A store whose commits signal their start, and end when permitted.
struct SlowStore {
    rows: MemoryStateStore,
    began: Mutex<Sender<()>>,
    may_end: Mutex<Receiver<()>>,
}

impl StateStore for SlowStore {
    fn scan(&self, row: &mut OnRow<'_>) -> Result<(), StorageError> {
        self.rows.scan(row)
    }
    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        self.began.lock().unwrap().send(()).unwrap();
        self.may_end.lock().unwrap().recv().unwrap();
        self.rows.commit(batch)
    }
    fn set_aside(&self) -> Result<String, StorageError> {
        self.rows.set_aside()
    }
    fn backup(&self, to: &Path) -> Result<(), StorageError> {
        self.rows.backup(to)
    }
}

/// A node on a slow disk.
struct SlowNode {
    store: Arc<Store>,
    /// Receives a signal for each commit that begins.
    begins: Receiver<()>,
    /// Permits one commit to end.
    end: Sender<()>,
    /// The number of planned versions, each of which takes one random number.
    planned: Arc<AtomicU64>,
}

/// Returns a node that hosts `spaces` on a slow disk.
fn slow_node(spaces: &[&str]) -> SlowNode {
    let (began, begins) = channel();
    let (end, may_end) = channel();
    let rows = MemoryStateStore::new();
    let slow = SlowStore { rows, began: Mutex::new(began), may_end: Mutex::new(may_end) };
    // The first commit names the owner of the store.
    end.send(()).unwrap();
    let mut config = store_config(1);
    config.spaces = spaces.iter().map(|name| SpaceId::new(*name).unwrap()).collect();
    let planned = Arc::new(AtomicU64::new(0));
    let (time, taken) = (AtomicI64::new(1_893_456_000_000_000_000), Arc::clone(&planned));
    let random = move || {
        taken.fetch_add(1, Relaxed);
        0
    };
    let environment = environment(move || time.fetch_add(1_024, Relaxed), random);
    let store = Arc::new(Store::open(config, environment, Arc::new(slow)).unwrap());
    begins.recv_timeout(DEADLINE).unwrap();
    SlowNode { store, begins, end, planned }
}

fn space(store: &Store, name: &str) -> Arc<Space> {
    store.space(&SpaceId::new(name).unwrap()).unwrap()
}

#[test]
fn a_slow_disk_stops_no_reader() {
    let SlowNode { store, begins, end, .. } = slow_node(&["default"]);
    let writer = Arc::clone(&store);
    let writing = thread::spawn(move || only_space(&writer).submit_pattern(&pattern("p", 1)));
    begins.recv_timeout(DEADLINE).unwrap();
    // Neither readers nor changes that affect only memory wait for the commit.
    let (done, finished) = channel();
    let reader = Arc::clone(&store);
    let reading = thread::spawn(move || {
        reader.set_members([node_id(2)]);
        let visible = only_space(&reader).hand_out().patterns.len();
        done.send(visible).unwrap();
    });
    let visible = finished.recv_timeout(DEADLINE);
    end.send(()).unwrap();
    writing.join().unwrap().unwrap();
    reading.join().unwrap();
    assert_eq!(visible, Ok(0));
    assert_eq!(only_space(&store).visible_len(), 1);
}

/// A large submission is committed in parts, and a write in another space is committed together
/// with one of the next parts.
#[test]
fn a_bulk_submission_stops_no_other_space() {
    const PATTERNS: usize = 5 * 2_048;
    let SlowNode { store, begins, end, planned } = slow_node(&["bulk", "other"]);
    let (bulk, other) = (space(&store, "bulk"), space(&store, "other"));
    let patterns = (0..PATTERNS).map(|n| pattern(&format!("p{n}"), 1)).collect();
    let whole = ConsolidationSnapshot { patterns, ..ConsolidationSnapshot::default() };
    let submitting = Arc::clone(&bulk);
    let submission = thread::spawn(move || submitting.submit(&whole, Scheduler));
    begins.recv_timeout(DEADLINE).unwrap();
    // The submission has planned its first part, and waits for the disk.
    let before = planned.load(Relaxed);
    let (done, finished) = channel();
    let writing = thread::spawn(move || {
        other.submit_pattern(&pattern("p", 1)).unwrap();
        done.send(()).unwrap();
    });
    while planned.load(Relaxed) == before {
        thread::yield_now();
    }
    // The third commit, at the latest, makes the write durable: the write was queued before the
    // second part was assembled, or just after that.
    let mut parts = 1;
    while finished.try_recv().is_err() && parts < 4 {
        end.send(()).unwrap();
        begins.recv_timeout(DEADLINE).unwrap();
        parts += 1;
    }
    assert!(!submission.is_finished());
    writing.join().unwrap();
    assert!((1..PATTERNS as u64).contains(&bulk.visible_len()), "{}", bulk.visible_len());
    (0..8).for_each(|_| end.send(()).unwrap());
    assert_eq!(submission.join().unwrap().unwrap().written, PATTERNS);
}

/// Writes that wait for one commit become durable together in the next.
#[test]
fn writers_of_many_spaces_share_a_commit() {
    let names: Vec<String> = (0..16).map(|n| format!("space-{n}")).collect();
    let names_of_all: Vec<_> = names.iter().map(String::as_str).collect();
    let SlowNode { store, begins, end, planned } = slow_node(&names_of_all);
    let writers: Vec<_> = names
        .iter()
        .map(|name| {
            let space = space(&store, name);
            thread::spawn(move || space.submit_pattern(&pattern("p", 1)))
        })
        .collect();
    while planned.load(Relaxed) < names.len() as u64 {
        thread::yield_now();
    }
    // The first commit has not ended, so all other writers wait, or are about to wait.
    (0..names.len()).for_each(|_| end.send(()).unwrap());
    writers.into_iter().for_each(|writer| _ = writer.join().unwrap().unwrap());
    let commits = begins.try_iter().count();
    assert!(commits < names.len() / 2, "{commits} commits");
    assert_eq!(store.visible_len(), names.len() as u64);
}
