//! The same suite for each carrier of a session: two machines that exchange frames in memory, two
//! nodes on an in-memory network in virtual time, and two nodes on loopback.

use std::sync::Arc;
use std::time::Duration;

use crate::common::store::{Store, parameters};
use crate::common::{Cluster, Node, introduce, quiet};
use engram_gossip_net::{MemoryNetwork, NodeId, Replicas, Roster};
use engram_gossip_proto::{Ending, Outcome, Session, SessionConfig, SpaceId};

/// The carrier of a session.
#[derive(Clone, Copy)]
enum Carrier {
    Memory,
    MemoryNetwork,
    Loopback,
}

/// Two replicas that can sync.
struct Two {
    a: Arc<Store>,
    b: Arc<Store>,
    /// `None` if the machines exchange frames directly.
    nodes: Option<[Node; 2]>,
}

impl Carrier {
    /// Creates two empty replicas with these spaces. If they belong to nodes, the nodes are
    /// connected.
    async fn two(self, spaces: [&[&str]; 2]) -> Two {
        let mut config = quiet();
        config.schedule.advert_fanout = 0;
        match self {
            Self::Memory => {
                let store = |n: u8| Store::new(NodeId::from([n; 32]), spaces[usize::from(n)]);
                return Two { a: store(0), b: store(1), nodes: None };
            }
            Self::MemoryNetwork => config.network = Some(MemoryNetwork::new(1)),
            Self::Loopback => {}
        }
        let cluster = Cluster::new();
        let start = |n: usize| {
            let ready = cluster.issue(["a", "b"][n]);
            ready.start_with(&config, Roster::default(), spaces[n])
        };
        let mut nodes = [start(0), start(1)];
        introduce(&nodes);
        let ids = [nodes[0].id(), nodes[1].id()];
        nodes[0].connected_to(ids[1]).await;
        nodes[1].connected_to(ids[0]).await;
        Two { a: nodes[0].store.clone(), b: nodes[1].store.clone(), nodes: Some(nodes) }
    }
}

impl Two {
    /// Runs one session that the first replica opens, and returns its outcome.
    async fn sync(&self) -> Outcome {
        match &self.nodes {
            Some([a, b]) => a.gossip.sync_with(b.id()).await.unwrap().outcome,
            None => hand_over(&self.a, &self.b),
        }
    }
}

fn hand_over(a: &Store, b: &Store) -> Outcome {
    fn pins(store: &Store) -> Vec<(SpaceId, <Store as Replicas>::View)> {
        let spaces = store.spaces().into_iter();
        spaces.map(|space| (space.clone(), store.pin(&space).unwrap())).collect()
    }
    let (config, now) = (SessionConfig::default(), Duration::ZERO);
    let mut opener = Session::open(config.clone(), parameters(), [1; 8], pins(a), now).unwrap();
    let mut acceptor = Session::accept(config, parameters(), [2; 8], pins(b), now).unwrap();
    while opener.outcome().is_none() || acceptor.outcome().is_none() {
        while let Some(frame) = opener.poll_frame(now) {
            acceptor.handle_frame(&frame, now).unwrap();
        }
        while let Some(frame) = acceptor.poll_frame(now) {
            opener.handle_frame(&frame, now).unwrap();
        }
    }
    opener.outcome().unwrap().clone()
}

async fn one_session_syncs_both_directions(carrier: Carrier) {
    let two = carrier.two([&["space"]; 2]).await;
    (0..300).for_each(|n| two.a.write(&format!("from a {n}")));
    (0..200).for_each(|n| two.b.write(&format!("from b {n}")));

    let outcome = two.sync().await;

    assert_eq!(outcome.result, Ending::InSync);
    assert_eq!((outcome.stats.records_in, outcome.stats.applied), (200, 200));
    assert_eq!(outcome.stats.records_out, 300);
    assert_eq!((two.a.roots(), two.a.ids().len()), (two.b.roots(), 500));
}

async fn what_is_equal_costs_next_to_nothing(carrier: Carrier) {
    let two = carrier.two([&["space"]; 2]).await;
    (0..100).for_each(|n| two.a.write(&format!("{n}")));
    two.sync().await;
    let again = two.sync().await;
    assert_eq!((again.result, again.stats.applied), (Ending::InSync, 0));
    assert!(again.stats.bytes_in + again.stats.bytes_out < 250, "{:?}", again.stats);
}

async fn what_both_wrote_at_the_same_time_both_keep(carrier: Carrier) {
    let two = carrier.two([&["space"]; 2]).await;
    two.a.write("disputed");
    two.b.write("disputed");
    assert_ne!(two.a.roots(), two.b.roots());
    assert_eq!(two.sync().await.result, Ending::InSync);
    assert_eq!((two.a.roots(), two.a.ids()), (two.b.roots(), vec!["disputed".to_owned()]));
}

async fn only_the_spaces_that_both_host_are_synced(carrier: Carrier) {
    let two = carrier.two([&["common", "of-a"], &["common", "of-b"]]).await;
    two.a.write("x");
    assert_eq!(two.sync().await.result, Ending::InSync);
    assert_eq!(two.b.ids(), ["x"], "only the common space is synced");
}

macro_rules! over_every_carrier {
    ($($law:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test] async fn $law() { super::$law(super::Carrier::Memory).await })*
        }
        mod on_the_switch {
            $(#[tokio::test(start_paused = true)]
            async fn $law() { super::$law(super::Carrier::MemoryNetwork).await })*
        }
        mod over_loopback {
            $(#[tokio::test] async fn $law() { super::$law(super::Carrier::Loopback).await })*
        }
    };
}

over_every_carrier!(
    one_session_syncs_both_directions,
    what_is_equal_costs_next_to_nothing,
    what_both_wrote_at_the_same_time_both_keep,
    only_the_spaces_that_both_host_are_synced,
);
