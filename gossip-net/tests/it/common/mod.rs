//! A cluster with its own certificates, on loopback or on an in-memory network, and helpers to wait
//! for events.

#![allow(dead_code, reason = "the benchmarks use only some items")]

pub(crate) mod dry;
#[cfg(all(feature = "swim", feature = "memory-network"))]
pub(crate) mod in_memory;
pub(crate) mod liar;
pub(crate) mod raw;
pub(crate) mod scene;
pub(crate) mod store;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use engram_gossip_net::{
    ClusterCa, ConnectionState, Event, Gossip, Identity, Member, NetConfig, NodeCredentials,
    NodeId, Roster, Validity,
};
use store::{Store, parameters};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Time limit of a wait in real time; exceeding it fails the test.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A running node with its state.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) gossip: Gossip,
    pub(crate) store: Arc<Store>,
    pub(crate) key_pem: String,
    happened: mpsc::UnboundedReceiver<Event>,
    /// Time limit of this node's waits: longer in virtual time, where waiting is cheap.
    time_limit: Duration,
}

/// The authority that issues the credentials of a cluster's nodes.
pub(crate) struct Cluster {
    pub(crate) ca: ClusterCa,
}

/// The credentials with which a node can be started.
#[derive(Clone)]
pub(crate) struct Ready {
    pub(crate) name: String,
    pub(crate) credentials: NodeCredentials,
    pub(crate) ca_pem: String,
}

pub(crate) fn validity() -> Validity {
    Validity::days_from(SystemTime::now(), 1)
}

/// A configuration in which the timers for sessions and adverts rarely fire.
pub(crate) fn quiet() -> NetConfig {
    let mut config = NetConfig::new(([127, 0, 0, 1], 0).into());
    config.schedule.interval = Duration::from_secs(3600);
    config.schedule.advert_interval = Duration::from_secs(3600);
    config.schedule.dial_spread = Duration::from_millis(20);
    config.schedule.backoff_min = Duration::from_millis(50);
    config.schedule.backoff_max = Duration::from_millis(200);
    config.seed = Some(7);
    config
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self { ca: ClusterCa::generate("test", validity()).unwrap() }
    }

    pub(crate) fn issue(&self, name: &str) -> Ready {
        self.issue_for(name, validity())
    }

    pub(crate) fn issue_for(&self, name: &str, validity: Validity) -> Ready {
        let credentials = self.ca.issue_node(name, validity).unwrap();
        Ready { name: name.into(), credentials, ca_pem: self.ca.certificate_pem().into() }
    }

    /// Starts one node per name. All nodes have the same roster, which lists them.
    pub(crate) fn start(&self, names: &[&str], config: &NetConfig) -> Vec<Node> {
        let nodes: Vec<_> =
            names.iter().map(|name| self.issue(name).start(config, Roster::default())).collect();
        introduce(&nodes);
        nodes
    }
}

impl Ready {
    pub(crate) fn id(&self) -> NodeId {
        self.credentials.node_id
    }

    pub(crate) fn identity(&self) -> Identity {
        let credentials = &self.credentials;
        Identity::from_pem(&self.ca_pem, &credentials.certificate_pem, &credentials.key_pem)
            .unwrap()
    }

    pub(crate) fn start(&self, config: &NetConfig, roster: Roster) -> Node {
        self.start_with(config, roster, &["space"])
    }

    pub(crate) fn start_with(&self, config: &NetConfig, roster: Roster, spaces: &[&str]) -> Node {
        let store = Store::new(self.id(), spaces);
        let identity = self.identity();
        let gossip =
            Gossip::bind(config.clone(), identity, roster, parameters(), store.clone()).unwrap();
        let (sender, happened) = mpsc::unbounded_channel();
        let mut events = gossip.events();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Node {
            name: self.name.clone(),
            gossip,
            store,
            key_pem: self.credentials.key_pem.clone(),
            happened,
            time_limit: if config.network.is_some() { DEADLINE * 60 } else { DEADLINE },
        }
    }
}

impl Node {
    pub(crate) fn id(&self) -> NodeId {
        self.gossip.node_id()
    }

    /// Ends the node's subscription to its events.
    pub(crate) fn unheard(mut self) -> Self {
        self.happened.close();
        self
    }

    /// The roster entry of this node.
    pub(crate) fn member(&self) -> Member {
        let address = Some(self.gossip.local_addr().to_string());
        Member { id: self.id(), name: self.name.clone(), address }
    }

    /// Waits for the first event that `pick` accepts.
    pub(crate) async fn wait_for<T>(&mut self, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        let time_limit = self.time_limit;
        let picked = async {
            loop {
                let event = self.happened.recv().await.expect("the node is running");
                if let Some(picked) = pick(&event) {
                    return picked;
                }
            }
        };
        let picked = timeout(time_limit, picked).await;
        picked.unwrap_or_else(|_| self.give_up())
    }

    /// Fails the test and prints the node's status.
    fn give_up(&self) -> ! {
        let states: Vec<_> = self.gossip.peers().into_iter().map(|peer| peer.connection).collect();
        panic!("{} timed out: {:?}, {:?}", self.name, states.first(), self.gossip.stats())
    }

    /// Waits until `other` is connected.
    pub(crate) async fn connected_to(&mut self, other: NodeId) {
        self.until(|node| node.is_connected_to(other)).await;
    }

    fn is_connected_to(&self, other: NodeId) -> bool {
        let connected = |state| matches!(state, ConnectionState::Connected { .. });
        self.gossip.peers().into_iter().any(|p| p.member.id == other && connected(p.connection))
    }

    /// Waits until `holds` returns true. Checks it immediately and after each event.
    pub(crate) async fn until(&mut self, mut holds: impl FnMut(&Self) -> bool) {
        let time_limit = self.time_limit;
        let held = async {
            while !holds(self) {
                self.happened.recv().await.expect("the node is running");
            }
        };
        let held = timeout(time_limit, held).await;
        held.unwrap_or_else(|_| self.give_up());
    }
}

/// Waits until `holds` returns true. Checks it immediately and after each event of any of `nodes`.
pub(crate) async fn until_all(nodes: &mut [Node], mut holds: impl FnMut(&[Node]) -> bool) {
    let held = async {
        while !holds(nodes) {
            let happened = |context: &mut Context<'_>| {
                let any = nodes.iter_mut().any(|node| node.happened.poll_recv(context).is_ready());
                if any { Poll::Ready(()) } else { Poll::Pending }
            };
            poll_fn(happened).await;
        }
    };
    timeout(DEADLINE, held).await.expect("the condition holds in time");
}

/// Waits until each of `nodes` is connected to all others and has received their first adverts, so
/// that later unannounced writes trigger no sessions immediately. Do not use this with virtual
/// time, which does not advance during this wait.
pub(crate) async fn settled(nodes: &[&Node]) {
    let others = nodes.len() as u64 - 1;
    let all_heard = async {
        while nodes.iter().any(|node| node.gossip.stats().adverts_received < others) {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, all_heard).await.expect("every connection begins with an advert");
}

/// Makes `nodes` members of each other's roster.
pub(crate) fn introduce<'a>(nodes: impl IntoIterator<Item = &'a Node>) {
    let nodes: Vec<_> = nodes.into_iter().collect();
    let roster = roster(nodes.iter().map(|node| node.member()));
    nodes.iter().for_each(|node| node.gossip.set_roster(roster.clone()));
}

pub(crate) fn roster(members: impl IntoIterator<Item = Member>) -> Roster {
    Roster::new(members).unwrap()
}

/// A member without a running node.
pub(crate) fn absent(ready: &Ready, address: &str) -> Member {
    Member { id: ready.id(), name: ready.name.clone(), address: Some(address.into()) }
}

/// Converts a list of `N` nodes to an array.
pub(crate) fn take<const N: usize>(nodes: Vec<Node>) -> [Node; N] {
    nodes.try_into().unwrap_or_else(|_| panic!("the number of nodes is not {N}"))
}
