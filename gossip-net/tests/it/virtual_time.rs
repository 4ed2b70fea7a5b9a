//! Real QUIC nodes on an in-memory network, in virtual time: an hour of idling, bad conditions,
//! partitions.
//!
//! Nearly all of the time is spent on handshakes: forty nodes perform 780, a hundred nodes 4,950.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::in_memory::{
    Node, address, all_connected, all_equal, cluster, connected, converges, handshakes, idle,
    static_seeds, swim, until,
};
use engram_gossip_net::{Conditions, Event, Gossip, Membership, MemoryNetwork, NetConfig, Opener};
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn idle_cluster_keeps_its_connections() {
    let network = MemoryNetwork::new(1);
    let nodes = cluster(&network, 3, static_seeds).await;
    let first = handshakes(&nodes);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(handshakes(&nodes), first);
    assert!(all_connected(&nodes));
    let lost: u64 = nodes.iter().map(|node| node.gossip.stats().connections_lost).sum();
    assert_eq!(lost, 0);
}

#[tokio::test(start_paused = true)]
async fn idle_node_sends_little() {
    for membership in [static_seeds, swim as fn(usize) -> Arc<dyn Membership>] {
        let network = MemoryNetwork::new(2);
        let nodes = cluster(&network, 10, membership).await;
        says_little(idle(&network, &nodes).await);
    }
}

fn says_little([own, wire]: [f64; 2]) {
    assert!(own <= 160.0 && wire <= 600.0, "{own} and {wire} B/s");
}

#[tokio::test(start_paused = true)]
async fn forty_nodes_idle_heal_and_spread_news() {
    idle_heal_and_spread_news(40).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "takes minutes"]
async fn hundred_nodes_idle_heal_and_spread_news() {
    idle_heal_and_spread_news(100).await;
}

async fn idle_heal_and_spread_news(count: usize) {
    let network = MemoryNetwork::new(3);
    let nodes = cluster(&network, count, swim).await;
    says_little(idle(&network, &nodes).await);
    heals(&network, &nodes).await;
    // A tenth of the nodes crashes soon after the writes.
    let took = converges(&network, nodes, count / 10, Conditions::default()).await;
    assert!(took <= Duration::from_secs(10), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn news_spreads_in_seconds_in_any_conditions() {
    let conditions = |change: fn(&mut Conditions)| {
        let mut conditions = Conditions::default();
        change(&mut conditions);
        conditions
    };
    for (conditions, limit) in [
        (conditions(|_| {}), 2),
        (conditions(|w| w.loss = 0.05), 10),
        (conditions(|w| (w.loss, w.mtu) = (0.2, 1280)), 30),
        (conditions(|w| (w.latency, w.jitter) = (millis(25), millis(100))), 10),
        (conditions(|w| (w.jitter, w.duplication) = (millis(20), 0.2)), 10),
    ] {
        let network = MemoryNetwork::new(3);
        let nodes = cluster(&network, 8, static_seeds).await;
        let took = converges(&network, nodes, 0, conditions).await;
        assert!(took <= Duration::from_secs(limit), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn node_death_delays_no_others() {
    let network = MemoryNetwork::new(3);
    let nodes = cluster(&network, 10, static_seeds).await;
    let took = converges(&network, nodes, 2, Conditions::default()).await;
    assert!(took <= Duration::from_secs(2), "{took:?}");
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Partitions the nodes into two halves until the connections between the halves are lost, and
/// writes new records in both. Checks that all nodes become equal again after the partition.
async fn heals(network: &MemoryNetwork, nodes: &[Node]) {
    let (count, known) = (nodes.len(), nodes[0].store.ids().len());
    let half = address(count / 2);
    network.cut(move |from, to| (from < half) != (to < half));
    for node in nodes {
        node.store.write(&format!("{} apart", node.name));
        node.gossip.announce();
    }
    let halves = |nodes: &[Node]| {
        let (here, there) = nodes.split_at(count / 2);
        all_equal(here) && all_equal(there) && here[0].store.ids().len() == known + here.len()
    };
    until(nodes, "each half is equal", halves).await;
    let are_apart = |nodes: &[Node]| nodes.iter().all(|node| connected(node) < count / 2);
    until(nodes, "each half has lost its connections with the other", are_apart).await;
    assert!(!all_equal(nodes));
    let sessions: Vec<_> = nodes.iter().map(|node| Sessions::watch(&node.gossip)).collect();
    network.cut(|_, _| false);
    let took = until(nodes, "all are equal again", all_equal).await;
    println!("{count} nodes are equal {took:?} after the partition healed");
    assert!(
        took <= Duration::from_secs(75),
        "healing takes at most the longest back-off plus a few seconds: {took:?}"
    );
    until(nodes, "all are connected again", all_connected).await;
    let permits = NetConfig::new(address(0));
    for sessions in sessions {
        assert!(sessions.most_at_once(Opener::Us) <= permits.schedule.outbound_sessions);
        assert!(sessions.most_at_once(Opener::Peer) <= permits.schedule.inbound_sessions);
    }
}

/// A completed session.
struct Held {
    by: Opener,
    from: Instant,
    to: Instant,
}

/// The sessions of one node.
struct Sessions(Arc<Mutex<Vec<Held>>>);

impl Sessions {
    fn watch(gossip: &Gossip) -> Self {
        let seen = Arc::<Mutex<Vec<Held>>>::default();
        let (mut events, notes) = (gossip.events(), seen.clone());
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let Event::Session(report) = event {
                    let to = Instant::now();
                    let held = Held { by: report.opener, from: to - report.elapsed, to };
                    notes.lock().unwrap().push(held);
                }
            }
        });
        Self(seen)
    }

    fn most_at_once(&self, by: Opener) -> usize {
        let seen = self.0.lock().unwrap();
        let of_it: Vec<_> = seen.iter().filter(|held| held.by == by).collect();
        let at = |time| of_it.iter().filter(move |held| held.from <= time && time < held.to);
        of_it.iter().map(|held| at(held.from).count()).max().unwrap_or_default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_partition_into_halves_heals_by_itself() {
    let network = MemoryNetwork::new(4);
    let nodes = cluster(&network, 8, swim).await;
    heals(&network, &nodes).await;
}

#[tokio::test(start_paused = true)]
async fn unheard_node_delays_no_others() {
    let network = MemoryNetwork::new(5);
    let nodes = cluster(&network, 4, static_seeds).await;
    // The first node receives everything, but the packets that it sends are lost.
    let silent = address(0);
    network.cut(move |from, _| from == silent);
    nodes[1].store.write("news");
    nodes[1].gossip.announce();
    let others = |nodes: &[Node]| all_equal(&nodes[1..]);
    let took = until(&nodes, "the others are equal", others).await;
    assert!(took <= Duration::from_secs(2), "{took:?}");
    network.cut(|_, _| false);
    until(&nodes, "all are equal", all_equal).await;
}
