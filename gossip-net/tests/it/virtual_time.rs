//! Real QUIC nodes on a network in memory, in virtual time: hours of idling, bad weather, partitions.
//!
//! The ignored tests are the same with a hundred nodes:
//! `cargo test --release --all-features --test it -- virtual_time --ignored --nocapture`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::store::{Store, parameters};
use crate::common::{Cluster, Ready, roster};
use engram_gossip_net::{
    ConnectionState, Event, Gossip, Member, Membership, NetConfig, Opener, StaticSeeds, Swim,
    SwimConfig, Switch, Weather,
};
use tokio::time::{Instant, sleep};

struct Node {
    gossip: Gossip,
    store: Arc<Store>,
    name: String,
}

fn address(n: usize) -> SocketAddr {
    let [high, low] = u16::try_from(n).unwrap().to_be_bytes();
    ([10, 0, high, low], 7700).into()
}

fn swim(seed: usize) -> Arc<dyn Membership> {
    let mut config = SwimConfig::default();
    config.incarnation = Some(1);
    config.seed = Some(seed as u64);
    Arc::new(Swim::new(config).unwrap())
}

/// Nodes with the default configuration, each a member of the others' roster.
async fn cluster(
    switch: &Switch,
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
        config.switch = Some(switch.clone());
        config.seed = Some(n as u64);
        config.dial_spread = Duration::from_millis(10) * u32::try_from(count).unwrap();
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
        nodes.push(Node { gossip, store, name: ready.name.clone() });
    }
    until(&nodes, "all are connected", all_connected).await;
    nodes
}

fn all_connected(nodes: &[Node]) -> bool {
    let is_up = |state| matches!(state, ConnectionState::Connected { .. });
    nodes.iter().all(|node| node.gossip.peers().into_iter().all(|peer| is_up(peer.connection)))
}

fn all_equal(nodes: &[Node]) -> bool {
    nodes.windows(2).all(|pair| pair[0].store.roots() == pair[1].store.roots())
}

/// How long it takes, in virtual time, until `holds`; looks ten times a second.
async fn until(nodes: &[Node], what: &str, holds: impl Fn(&[Node]) -> bool) -> Duration {
    let begun = Instant::now();
    while !holds(nodes) {
        assert!(begun.elapsed() < Duration::from_secs(600), "{what}, in vain");
        sleep(Duration::from_millis(100)).await;
    }
    begun.elapsed()
}

fn handshakes(nodes: &[Node]) -> u64 {
    nodes.iter().map(|node| node.gossip.stats().handshakes_dialled).sum()
}

#[tokio::test(start_paused = true)]
async fn an_idle_cluster_shakes_hands_only_once_in_an_hour() {
    let switch = Switch::new(1);
    let nodes = cluster(&switch, 3, |_| Arc::new(StaticSeeds)).await;
    let first = handshakes(&nodes);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(handshakes(&nodes), first);
    assert!(all_connected(&nodes));
    let lost: u64 = nodes.iter().map(|node| node.gossip.stats().connections_lost).sum();
    assert_eq!(lost, 0);
}

/// Bytes a second and node, of our own and with all headers, while nothing happens.
async fn idle(count: usize, membership: impl Fn(usize) -> Arc<dyn Membership>) -> [f64; 2] {
    const SECONDS: u32 = 120;
    let switch = Switch::new(2);
    let nodes = cluster(&switch, count, membership).await;
    nodes[0].store.write("a pattern");
    nodes[0].gossip.announce();
    until(&nodes, "all have it", all_equal).await;
    // The search for the largest packet ends, and the members have met.
    sleep(Duration::from_secs(120)).await;
    let own = || -> u64 {
        let stats = nodes.iter().map(|node| node.gossip.stats());
        stats.map(|s| s.advert_bytes_sent + s.membership_bytes_sent + s.session_bytes_sent).sum()
    };
    let wire = || -> u64 { switch.sent().values().map(|sent| sent.bytes).sum() };
    let before = [own(), wire()];
    sleep(Duration::from_secs(SECONDS.into())).await;
    let after = [own(), wire()];
    let rate = |n: usize| (after[n] - before[n]) as f64 / f64::from(SECONDS) / count as f64;
    let [own, wire] = [rate(0), rate(1)];
    println!("{count} idle nodes: {own:.0} B/s of our own, {wire:.0} B/s on the wire, each");
    [own, wire]
}

#[tokio::test(start_paused = true)]
async fn an_idle_node_says_little() {
    for membership in [|_| Arc::new(StaticSeeds) as Arc<dyn Membership>, swim] {
        let [own, wire] = idle(10, membership).await;
        assert!(own <= 160.0 && wire <= 600.0, "{own} and {wire} B/s");
    }
}

#[tokio::test(start_paused = true)]
#[ignore = "a hundred nodes shake 4,950 hands"]
async fn an_idle_node_of_a_hundred_says_little() {
    for membership in [|_| Arc::new(StaticSeeds) as Arc<dyn Membership>, swim] {
        let [own, wire] = idle(100, membership).await;
        assert!(own <= 160.0 && wire <= 600.0, "{own} and {wire} B/s");
    }
}

async fn converges(count: usize, weather: Weather) -> Duration {
    let switch = Switch::new(3);
    let nodes = cluster(&switch, count, |_| Arc::new(StaticSeeds)).await;
    switch.set_weather(weather.clone());
    for node in &nodes {
        node.store.write(&node.name);
        node.gossip.announce();
    }
    let whole = |nodes: &[Node]| nodes.iter().all(|node| node.store.ids().len() == nodes.len());
    let took = until(&nodes, "all have all", whole).await;
    println!("{count} nodes, {weather:?}: all have all after {took:?}");
    took
}

#[tokio::test(start_paused = true)]
async fn news_of_all_is_everywhere_in_seconds_in_any_weather() {
    let weather = |change: fn(&mut Weather)| {
        let mut weather = Weather::default();
        change(&mut weather);
        weather
    };
    for (weather, limit) in [
        (weather(|_| {}), 2),
        (weather(|w| w.loss = 0.05), 10),
        (weather(|w| (w.loss, w.mtu) = (0.2, 1280)), 30),
        (weather(|w| (w.latency, w.jitter) = (millis(25), millis(100))), 10),
        (weather(|w| (w.jitter, w.duplication) = (millis(20), 0.2)), 10),
    ] {
        let took = converges(8, weather).await;
        assert!(took <= Duration::from_secs(limit), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
#[ignore = "a hundred nodes shake 4,950 hands"]
async fn news_of_a_hundred_is_everywhere_within_ten_seconds() {
    assert!(converges(100, Weather::default()).await <= Duration::from_secs(10));
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

async fn heals(count: usize) {
    let switch = Switch::new(4);
    let nodes = cluster(&switch, count, swim).await;
    let half = address(count / 2);
    switch.cut(move |from, to| (from < half) != (to < half));
    for node in &nodes {
        node.store.write(&node.name);
        node.gossip.announce();
    }
    let halves = |nodes: &[Node]| {
        let (here, there) = nodes.split_at(nodes.len() / 2);
        all_equal(here) && all_equal(there) && here[0].store.ids().len() == here.len()
    };
    until(&nodes, "each half agrees", halves).await;
    // Long enough that each half takes the other one for dead, and loses its connections.
    sleep(Duration::from_secs(300)).await;
    assert!(!all_equal(&nodes));
    let sessions: Vec<_> = nodes.iter().map(|node| Sessions::watch(&node.gossip)).collect();
    switch.cut(|_, _| false);
    let took = until(&nodes, "all agree again", all_equal).await;
    println!("{count} nodes agree {took:?} after the partition healed");
    assert!(took <= Duration::from_secs(75), "one longest back-off, and a few seconds: {took:?}");
    until(&nodes, "all are connected again", all_connected).await;
    let permits = NetConfig::new(address(0));
    for sessions in sessions {
        assert!(sessions.most_at_once(Opener::Us) <= permits.outbound_sessions);
        assert!(sessions.most_at_once(Opener::Peer) <= permits.inbound_sessions);
    }
}

/// A session that was held.
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
    heals(8).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "a hundred nodes shake 4,950 hands"]
async fn a_partition_of_a_hundred_heals_by_itself() {
    heals(100).await;
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_heard_is_no_loss_to_the_others() {
    let switch = Switch::new(5);
    let nodes = cluster(&switch, 4, |_| Arc::new(StaticSeeds)).await;
    // The first one hears all, and nobody hears it.
    let silent = address(0);
    switch.cut(move |from, _| from == silent);
    nodes[1].store.write("news");
    nodes[1].gossip.announce();
    let others = |nodes: &[Node]| all_equal(&nodes[1..]);
    let took = until(&nodes, "the others agree", others).await;
    assert!(took <= Duration::from_secs(2), "{took:?}");
    switch.cut(|_, _| false);
    until(&nodes, "all agree", all_equal).await;
}
