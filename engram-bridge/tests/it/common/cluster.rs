//! Real nodes on loopback, over QUIC.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use engram_bridge::snapshot_file::SnapshotFile;
use engram_bridge::{Binding, ConsolidationGossiper, Environment, Space, Store, StoreConfig};
use engram_gossip_net::{ClusterCa, Gossip, Identity, Member, NetConfig, Roster, Validity};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A wait that takes this long fails the test.
const DEADLINE: Duration = Duration::from_secs(120);

/// A running node.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) store: Arc<Store>,
    pub(crate) gossip: Gossip,
    /// Created on first use. Before that, changes are not announced.
    binding: OnceLock<Binding>,
}

/// Nodes, and a signal for each event of any of them.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    happened: mpsc::UnboundedReceiver<()>,
}

/// A configuration whose timers for sessions and adverts rarely fire: only announced changes spread
/// soon.
pub(crate) fn quiet() -> NetConfig {
    let mut config = NetConfig::new(([127, 0, 0, 1], 0).into());
    config.schedule.interval = Duration::from_secs(3_600);
    config.schedule.advert_interval = Duration::from_secs(3_600);
    config.schedule.advert_hold = Duration::from_millis(1);
    config.schedule.trigger_jitter = Duration::from_millis(1);
    config.schedule.dial_spread = Duration::from_millis(20);
    config.schedule.backoff_min = Duration::from_millis(50);
    config.schedule.backoff_max = Duration::from_millis(200);
    config.seed = Some(7);
    config
}

/// Like [`quiet`], but each node sends its roots to one peer ten times a second, which makes up for
/// lost adverts and for writes made while disconnected.
pub(crate) fn lively() -> NetConfig {
    let mut config = quiet();
    config.schedule.advert_interval = Duration::from_millis(100);
    config
}

impl Cluster {
    /// Starts a node for each name, with all of them in every roster.
    pub(crate) fn start(names: &[&str], config: &NetConfig) -> Self {
        Self::start_with(names, config, |_| ())
    }

    /// Like [`start`](Self::start), but `prepare` first changes the configuration of each store.
    pub(crate) fn start_with(
        names: &[&str],
        config: &NetConfig,
        prepare: impl Fn(&mut StoreConfig),
    ) -> Self {
        let validity = Validity::days_from(SystemTime::now(), 3_650);
        let ca = ClusterCa::generate("test", validity).unwrap();
        let (sender, happened) = mpsc::unbounded_channel();
        let start = |name: &&str| {
            let node = ca.issue_node(name, validity).unwrap();
            let identity =
                Identity::from_pem(ca.certificate_pem(), &node.certificate_pem, &node.key_pem);
            let mut config_of_store = StoreConfig::new(node.node_id, [super::space()]);
            prepare(&mut config_of_store);
            let store = Arc::new(Store::new(config_of_store, Environment::system()));
            let (identity, roster) = (identity.unwrap(), Roster::default());
            let (parameters, replicas) = (store.parameters(), Arc::clone(&store));
            let gossip =
                Gossip::bind(config.clone(), identity, roster, parameters, replicas).unwrap();
            let (mut events, sender) = (gossip.events(), sender.clone());
            tokio::spawn(async move {
                while events.next().await.is_some() && sender.send(()).is_ok() {}
            });
            Node { name: (*name).to_owned(), store, gossip, binding: OnceLock::new() }
        };
        let cluster = Self { nodes: names.iter().map(start).collect(), happened };
        cluster.connect(&[&(0..names.len()).collect::<Vec<_>>()]);
        cluster
    }

    /// Sets the roster of each node to its group: creates a partition, or ends it.
    pub(crate) fn connect(&self, groups: &[&[usize]]) {
        for group in groups {
            let members: Vec<_> = group.iter().map(|&at| self.nodes[at].member()).collect();
            for &at in *group {
                self.nodes[at].gossip.set_roster(Roster::new(members.clone()).unwrap());
            }
        }
    }

    /// Waits until `done` returns true. Calls it again after each event.
    pub(crate) async fn until(&mut self, mut done: impl FnMut(&[Node]) -> bool) {
        while !done(&self.nodes) {
            let happened = timeout(DEADLINE, self.happened.recv()).await;
            happened.expect("another event arrives in time").expect("the nodes are running");
        }
    }

    /// Waits until each node has received as many adverts as it has peers: the first one of every
    /// connection. Later unannounced writes then start no session.
    pub(crate) async fn settled(&self) {
        let others = self.nodes.len() as u64 - 1;
        let heard = async || {
            let heard = |node: &Node| node.gossip.stats().adverts_received >= others;
            self.nodes.iter().all(heard).then_some(())
        };
        eventually("adverts of connections", heard).await;
    }

    pub(crate) fn fingerprints(&self) -> Vec<(String, Vec<u8>)> {
        self.nodes.iter().map(|node| super::fingerprint(&node.space())).collect()
    }
}

/// Polls until there is an answer, for conditions without an event. Fails after a deadline.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let answer = async {
        loop {
            match ask().await {
                Some(answer) => break answer,
                None => tokio::task::yield_now().await,
            }
        }
    };
    timeout(DEADLINE, answer).await.unwrap_or_else(|_| panic!("no {what} within {DEADLINE:?}"))
}

/// Whether all nodes have the same root and no waiting submissions.
pub(crate) fn agree(nodes: &[Node]) -> bool {
    let settled = nodes.iter().all(|node| node.space().waiting_len() == 0);
    settled && nodes.windows(2).all(|pair| pair[0].store.root() == pair[1].store.root())
}

impl Node {
    pub(crate) fn space(&self) -> Arc<Space> {
        super::only_space(&self.store)
    }

    pub(crate) fn gossiper(&self) -> ConsolidationGossiper {
        self.binding().gossiper(&super::space()).unwrap()
    }

    pub(crate) fn binding(&self) -> &Binding {
        // Longer than any test runs, so that only a session ends the wait for a first contact.
        let settle = Duration::from_secs(3_600);
        let bind = || Binding::with_settle(Arc::clone(&self.store), self.gossip.clone(), settle);
        self.binding.get_or_init(bind)
    }

    fn member(&self) -> Member {
        let address = Some(self.gossip.local_addr().to_string());
        Member { id: self.gossip.node_id(), name: self.name.clone(), address }
    }
}

/// The real snapshots of `node-a`, `node-b` or `node-c`, in order.
pub(crate) fn snapshots(node: &str) -> Vec<engram_bridge::ConsolidationSnapshot> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixture/small/{node}.jsonl"));
    let mut file = SnapshotFile::open(&path, engram_bridge::ENGRAM_DIMENSION).unwrap();
    assert_eq!(file.rejected(), []);
    let mut snapshots = Vec::new();
    for run in file.runs() {
        for read in file.read_run(run).unwrap() {
            assert_eq!(read.rejected, []);
            snapshots.push(read.snapshot);
        }
    }
    snapshots
}
