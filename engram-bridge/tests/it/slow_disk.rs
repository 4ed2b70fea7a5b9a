//! HTTP requests during a slow commit and a slow backup: they are answered without waiting for the
//! disk, on a runtime with a single worker.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use engram_bridge::ConsolidationCacheSource::Scheduler;
use engram_bridge::durable::{Batch, MemoryStateStore, OnRow, StateStore, StorageError};
use engram_bridge::http::Server;
use engram_bridge::telemetry::Telemetry;
use engram_bridge::{Environment, Store, StoreConfig};
use engram_gossip_net::{ClusterCa, Gossip, Identity, Roster, Validity};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::common::client::get;
use crate::common::cluster::{quiet, snapshots};
use crate::common::{only_space, space};

/// A wait that takes this long fails the test.
const DEADLINE: Duration = Duration::from_secs(60);

/// A store whose commits and backups signal their start, and end when permitted.
struct SlowStore {
    rows: MemoryStateStore,
    began: Sender<()>,
    may_end: Mutex<Receiver<()>>,
}

impl SlowStore {
    fn work(&self) {
        self.began.send(()).unwrap();
        self.may_end.lock().unwrap().recv().unwrap();
    }
}

impl StateStore for SlowStore {
    fn scan(&self, row: &mut OnRow<'_>) -> Result<(), StorageError> {
        self.rows.scan(row)
    }
    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        self.work();
        self.rows.commit(batch)
    }
    fn set_aside(&self) -> Result<String, StorageError> {
        self.rows.set_aside()
    }
    fn backup(&self, _: &Path) -> Result<(), StorageError> {
        self.work();
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn requests_are_answered_while_the_disk_works() {
    let (began, begins) = channel();
    let (end, may_end) = channel();
    let rows = MemoryStateStore::new();
    let slow = SlowStore { rows, began, may_end: Mutex::new(may_end) };
    let validity = Validity::days_from(SystemTime::now(), 1);
    let ca = ClusterCa::generate("test", validity).unwrap();
    let node = ca.issue_node("node", validity).unwrap();
    let identity =
        Identity::from_pem(ca.certificate_pem(), &node.certificate_pem, &node.key_pem).unwrap();
    let config = StoreConfig::new(node.node_id, [space()]);
    // Let the first commit finish, which writes the owner of the store.
    end.send(()).unwrap();
    let store = Arc::new(Store::open(config, Environment::system(), Arc::new(slow)).unwrap());
    begins.recv_timeout(DEADLINE).unwrap();
    let (parameters, replicas) = (store.parameters(), Arc::clone(&store));
    let gossip = Gossip::bind(quiet(), identity, Roster::default(), parameters, replicas).unwrap();
    let telemetry = Telemetry::new("node", Arc::clone(&store), gossip);
    let server = Server::start(([127, 0, 0, 1], 0).into(), &telemetry).await.unwrap();

    let ask_all = async || {
        for path in ["health/alive", "health/ready", "metrics/prometheus", "cluster/consolidation"]
        {
            let path = format!("/{path}");
            let answered = timeout(DEADLINE, get(server.local_addr(), &path)).await;
            assert!([200, 503].contains(&answered.expect("the request waits").status), "{path}");
        }
    };
    let written = snapshots("node-a").pop().unwrap();
    let submitting = Arc::clone(&store);
    let submission =
        spawn_blocking(move || only_space(&submitting).submit(&written, Scheduler).unwrap());
    begins.recv_timeout(DEADLINE).unwrap();
    ask_all().await;
    let backed_up = Arc::clone(&store);
    let backup = spawn_blocking(move || backed_up.backup(Path::new("backup")));
    begins.recv_timeout(DEADLINE).unwrap();
    ask_all().await;
    assert_eq!(store.visible_len(), 0, "nothing is visible before it is durable");
    end.send(()).unwrap();
    end.send(()).unwrap();
    assert!(submission.await.unwrap().written > 0);
    backup.await.unwrap().unwrap();
    assert!(store.visible_len() > 0);
}
