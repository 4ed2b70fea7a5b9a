//! A disk that takes its time.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use engram_bridge::{Batch, MemoryStateStore, StateStore, StorageError, Store, Table};

use crate::support::{node_id, only_space, pattern, store_config, ticking};

/// No wait takes this long unless the test fails.
const DEADLINE: Duration = Duration::from_secs(30);

/// A store whose commits say that they began, and end when they may.
struct SlowStore {
    rows: MemoryStateStore,
    began: Mutex<Sender<()>>,
    may_end: Mutex<Receiver<()>>,
}

impl StateStore for SlowStore {
    fn scan(&self, table: Table, row: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StorageError> {
        self.rows.scan(table, row)
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

#[test]
fn a_slow_disk_stops_no_reader() {
    let (began, begins) = channel();
    let (end, may_end) = channel();
    let rows = MemoryStateStore::new();
    let slow = SlowStore { rows, began: Mutex::new(began), may_end: Mutex::new(may_end) };
    // The first commit names the owner of the store.
    end.send(()).unwrap();
    let store = Store::open(store_config(1), ticking(), Arc::new(slow)).unwrap();
    begins.recv_timeout(DEADLINE).unwrap();

    let store = Arc::new(store);
    let writer = Arc::clone(&store);
    let writing = thread::spawn(move || only_space(&writer).submit_pattern(&pattern("p", 1)));
    begins.recv_timeout(DEADLINE).unwrap();
    // Neither readers nor changes that are not stored wait for the commit.
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
