//! Tests that a view whose `apply` blocks, like a view over an SQL store, does not delay the
//! sessions with other peers.

use std::sync::{Arc, Condvar, Mutex};

use engram_gossip_net::proto::testing::{ByteMap, ByteMapView};
use engram_gossip_net::proto::{
    Delivery, Entry, OpaqueContent, Parameters, Prefix, Receipt, Record, SpaceId, Summary, View,
};
use engram_gossip_net::{Gossip, Member, NodeId, Replicas, Roster};
use tokio::sync::Notify;
use tokio::task::block_in_place;
use tokio::time::timeout;

use crate::common::{Cluster, DEADLINE, Ready, quiet, roster};

/// A node's store that blocks in `apply` for records from one peer.
struct Waiting {
    map: ByteMap,
    slow: Option<(NodeId, Arc<Gate>)>,
}

#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
    reached: Notify,
}

impl Gate {
    fn pass(&self) {
        self.reached.notify_one();
        let is_open = self.is_open.lock().unwrap();
        drop(self.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
    }

    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

struct WaitingView {
    inner: ByteMapView,
    gate: Option<Arc<Gate>>,
}

fn space() -> SpaceId {
    SpaceId::new("space").unwrap()
}

impl Replicas for Waiting {
    type View = WaitingView;

    fn spaces(&self) -> Vec<SpaceId> {
        vec![space()]
    }

    fn pin(&self, _: &SpaceId) -> Option<WaitingView> {
        Some(WaitingView { inner: self.map.pin(), gate: None })
    }

    fn pin_for(&self, _: &SpaceId, peer: NodeId) -> Option<WaitingView> {
        let slow = self.slow.as_ref().filter(|(slow, _)| *slow == peer);
        let gate = slow.map(|(_, gate)| Arc::clone(gate));
        Some(WaitingView { inner: self.map.pin(), gate })
    }

    fn summary(&self, _: &SpaceId) -> Option<Summary> {
        Some(self.map.summary())
    }
}

impl View for WaitingView {
    type Content = OpaqueContent;

    fn apply(&mut self, delivery: Delivery<OpaqueContent>) -> Receipt {
        if let Some(gate) = &self.gate {
            block_in_place(|| gate.pass());
        }
        self.inner.apply(delivery)
    }

    fn summary(&self) -> Summary {
        self.inner.summary()
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.inner.count(prefix)
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 32]>; 16] {
        self.inner.children(prefix)
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        self.inner.entries(prefix)
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        self.inner.record(key)
    }

    fn content(&self, digest: &[u8; 32]) -> Option<OpaqueContent> {
        self.inner.content(digest)
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.inner.holds(digest)
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        self.inner.key_of(id)
    }

    fn digest(&self, content: &OpaqueContent) -> [u8; 32] {
        self.inner.digest(content)
    }

    fn live_summary(&self) -> Summary {
        self.inner.live_summary()
    }
}

/// Starts a node with one record, whose id is the node's name.
fn start(ready: &Ready, slow: Option<(NodeId, Arc<Gate>)>) -> (Gossip, ByteMap) {
    let map = ByteMap::new(ready.id().into());
    map.insert(&ready.name, "written here").unwrap();
    let mut config = quiet();
    config.schedule.advert_fanout = 0;
    let store = Arc::new(Waiting { map: map.clone(), slow });
    let parameters = Parameters::new("sha256", 12);
    let gossip = Gossip::bind(config, ready.identity(), Roster::default(), parameters, store);
    (gossip.unwrap(), map)
}

/// The runtime has one worker: if the wait blocked the worker, nothing else would run.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn blocked_apply_stalls_no_other_session() {
    let cluster = Cluster::new();
    let [a, slow, quick] = ["a", "slow", "quick"].map(|name| cluster.issue(name));
    let gate = Arc::new(Gate::default());
    let nodes =
        [start(&a, Some((slow.id(), Arc::clone(&gate)))), start(&slow, None), start(&quick, None)];
    let member = |(ready, (gossip, _)): (&Ready, &(Gossip, ByteMap))| {
        let address = Some(gossip.local_addr().to_string());
        Member { id: ready.id(), name: ready.name.clone(), address }
    };
    let members = roster([&a, &slow, &quick].into_iter().zip(&nodes).map(member));
    nodes.iter().for_each(|(gossip, _)| gossip.set_roster(members.clone()));

    let (gossip, map) = &nodes[0];
    let waiting = tokio::spawn({
        let (gossip, peer) = (gossip.clone(), slow.id());
        async move { gossip.sync_with(peer).await }
    });
    timeout(DEADLINE, gate.reached.notified()).await.expect("the session calls `apply`");
    let report = timeout(DEADLINE, gossip.sync_with(quick.id())).await;
    // Open the gate before any assertion: a failed test must not leave the worker waiting.
    let (quick_came, slow_came) = (map.get("quick").is_some(), map.get("slow").is_some());
    gate.open();
    assert!(report.expect("the other session ends").is_ok());
    assert!(quick_came && !slow_came);
    waiting.await.unwrap().unwrap();
    assert!(map.get("slow").is_some());
}
