//! Clusters of real QUIC nodes on an in-memory network, in virtual time.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engram_gossip_net::{
    Conditions, ConnectionState, Gossip, Member, Membership, MemoryNetwork, NetConfig, StaticSeeds,
    Swim, SwimConfig,
};
use tokio::time::{Instant, sleep};

use super::store::{Store, parameters};
use super::{Cluster, Ready, roster};

pub(crate) struct Node {
    pub(crate) gossip: Gossip,
    pub(crate) store: Arc<Store>,
    pub(crate) name: String,
    address: SocketAddr,
}

/// A membership that reports all members as alive.
pub(crate) fn static_seeds(_: usize) -> Arc<dyn Membership> {
    Arc::new(StaticSeeds)
}

pub(crate) fn address(n: usize) -> SocketAddr {
    let [high, low] = u16::try_from(n).unwrap().to_be_bytes();
    ([10, 0, high, low], 7700).into()
}

pub(crate) fn swim(seed: usize) -> Arc<dyn Membership> {
    let mut config = SwimConfig::default();
    config.incarnation = Some(1);
    config.seed = Some(seed as u64);
    Arc::new(Swim::new(config).unwrap())
}

/// Starts nodes on the network with a common roster, fixed seeds, and a `dial_spread` that grows
/// with their number. Waits until all are connected.
pub(crate) async fn cluster(
    network: &MemoryNetwork,
    count: usize,
    membership: impl Fn(usize) -> Arc<dyn Membership>,
) -> Vec<Node> {
    let authority = Cluster::new();
    let ready: Vec<Ready> = (0..count).map(|n| authority.issue(&format!("node-{n}"))).collect();
    let member = |(n, ready): (usize, &Ready)| {
        let address = Some(address(n).to_string());
        Member { id: ready.id(), name: ready.name.clone(), address }
    };
    let roster = roster(ready.iter().enumerate().map(member));
    let mut nodes = Vec::new();
    for (n, ready) in ready.iter().enumerate() {
        let mut config = NetConfig::new(address(n));
        config.network = Some(network.clone());
        config.seed = Some(n as u64);
        config.schedule.dial_spread = Duration::from_millis(10) * u32::try_from(count).unwrap();
        let store = Store::new(ready.id(), &["default"]);
        let gossip = Gossip::bind_with(
            config,
            ready.identity(),
            roster.clone(),
            parameters(),
            store.clone(),
            membership(n),
        )
        .unwrap();
        nodes.push(Node { gossip, store, name: ready.name.clone(), address: address(n) });
    }
    until(&nodes, "all nodes are connected", all_connected).await;
    nodes
}

pub(crate) fn all_connected(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| connected(node) == nodes.len() - 1)
}

/// The number of peers that `node` is connected to.
pub(crate) fn connected(node: &Node) -> usize {
    let is_up = |state: &_| matches!(state, ConnectionState::Connected { .. });
    node.gossip.peers().iter().filter(|peer| is_up(&peer.connection)).count()
}

pub(crate) fn all_equal(nodes: &[Node]) -> bool {
    nodes.windows(2).all(|pair| pair[0].store.roots() == pair[1].store.roots())
}

/// Waits until `holds` returns true, polling it ten times a second. Returns the elapsed virtual
/// time.
pub(crate) async fn until(nodes: &[Node], what: &str, holds: impl Fn(&[Node]) -> bool) -> Duration {
    let begun = Instant::now();
    while !holds(nodes) {
        assert!(begun.elapsed() < Duration::from_secs(600), "timed out: {what}");
        sleep(Duration::from_millis(100)).await;
    }
    begun.elapsed()
}

pub(crate) fn handshakes(nodes: &[Node]) -> u64 {
    nodes.iter().map(|node| node.gossip.stats().handshakes_dialled).sum()
}

/// Measures how many bytes per second an idle node sends on average: the payload of gossip-net, and
/// all bytes including headers.
pub(crate) async fn idle(network: &MemoryNetwork, nodes: &[Node]) -> [f64; 2] {
    const SECONDS: u32 = 60;
    nodes[0].store.write("a pattern");
    nodes[0].gossip.announce();
    until(nodes, "all nodes have the pattern", all_equal).await;
    // Wait until the MTU discovery has ended and all members have joined.
    sleep(Duration::from_secs(60)).await;
    let own = || -> u64 {
        let stats = nodes.iter().map(|node| node.gossip.stats());
        stats.map(|s| s.advert_bytes_sent + s.membership_bytes_sent + s.session_bytes_sent).sum()
    };
    let wire = || -> u64 { network.sent().values().map(|sent| sent.bytes).sum() };
    let before = [own(), wire()];
    sleep(Duration::from_secs(SECONDS.into())).await;
    let after = [own(), wire()];
    let count = nodes.len();
    let rate = |n: usize| (after[n] - before[n]) as f64 / f64::from(SECONDS) / count as f64;
    let [own, wire] = [rate(0), rate(1)];
    println!("{count} idle nodes, per node: {own:.0} B/s of payload, {wire:.0} B/s on the wire");
    [own, wire]
}

/// Writes a record on each node, cuts off the last `dying` nodes soon after, and returns the time
/// until the others are equal and have all of each other's records.
pub(crate) async fn converges(
    network: &MemoryNetwork,
    mut nodes: Vec<Node>,
    dying: usize,
    conditions: Conditions,
) -> Duration {
    let count = nodes.len();
    network.set_conditions(conditions.clone());
    for node in &nodes {
        node.store.write(&node.name);
        node.gossip.announce();
    }
    // Some records of the dying nodes are in flight, and some of their sessions have begun.
    sleep(Duration::from_millis(if dying > 0 { 20 } else { 0 })).await;
    let dead = nodes.split_off(count - dying);
    let gone: BTreeSet<_> = dead.iter().map(|node| node.address).collect();
    network.cut(move |from, to| gone.contains(&from) || gone.contains(&to));
    drop(dead);
    let living: BTreeSet<_> = nodes.iter().map(|node| node.name.clone()).collect();
    let knows_all = |node: &Node| {
        let known: BTreeSet<_> = node.store.ids().into_iter().collect();
        known.is_superset(&living)
    };
    let whole = |nodes: &[Node]| nodes.iter().all(knows_all) && all_equal(nodes);
    let took = until(&nodes, "all nodes have all records", whole).await;
    println!("{count} nodes, {dying} dying, {conditions:?}: all records everywhere after {took:?}");
    took
}
