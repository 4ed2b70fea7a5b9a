//! Rate limits in virtual time: per peer, in total, and by time of day.

use std::time::Duration;

use crate::common::{Cluster, Node, quiet, take};
use engram_gossip_net::{MemoryNetwork, NetConfig, PeerQuota, QuietHours, Rate, SyncError, limits};
use engram_gossip_proto::Ending;
use tokio::time::{Instant, sleep};

fn on_switch(mut config: NetConfig) -> NetConfig {
    config.network = Some(MemoryNetwork::new(3));
    config
}

async fn connected<const N: usize>(names: [&str; N], config: &NetConfig) -> [Node; N] {
    let mut nodes = Cluster::new().start(&names, config);
    let ids: Vec<_> = nodes.iter().map(Node::id).collect();
    for node in &mut nodes {
        let us = node.id();
        for id in ids.iter().filter(|id| **id != us) {
            node.connected_to(*id).await;
        }
    }
    take(nodes)
}

/// A rate so low that one session exhausts it for at least a minute.
const SCARCE: Rate = Rate { per_second: 1, burst: 60 };

#[tokio::test(start_paused = true)]
async fn peer_over_quota_is_refused_alone() {
    for what in ["peer_bytes", "peer_hash_nodes", "peer_records"] {
        let config = on_switch(quiet());
        let [a, greedy, other] = connected(["a", "greedy", "other"], &config).await;
        let mut limits = a.gossip.limits();
        let PeerQuota { bytes, hash_nodes, records, .. } = &mut limits.peer;
        match what {
            "peer_bytes" => *bytes = SCARCE,
            "peer_hash_nodes" => *hash_nodes = Rate { burst: 1, ..SCARCE },
            _ => *records = SCARCE,
        }
        a.gossip.set_limits(limits).unwrap();
        (0..150).for_each(|n| greedy.store.write(&format!("{n}")));
        (0..150).for_each(|n| a.store.write(&format!("own {n}")));
        assert!(greedy.gossip.sync_with(a.id()).await.is_ok(), "{what}");
        let refused = greedy.gossip.sync_with(a.id()).await;
        assert_eq!(refused, Err(SyncError::OverAllowance), "{what}");
        let stats = a.gossip.stats();
        assert_eq!(stats.sessions_over_allowance.get(what), Some(&1), "{stats:?}");
        assert_eq!(stats.sessions_over_allowance.len(), 1);
        // The other peer has a separate quota.
        assert!(other.gossip.sync_with(a.id()).await.is_ok(), "{what}");
        // This node's own session with the peer is also delayed, and runs once the debt is paid.
        let begun = Instant::now();
        a.gossip.set_limits(Default::default()).unwrap();
        assert!(a.gossip.sync_with(greedy.id()).await.is_ok());
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{what}: the debt is soon paid at the new rate"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn own_session_waits_for_the_quota() {
    let mut config = on_switch(quiet());
    config.schedule.limits.peer.records = Rate { per_second: 10, burst: 50 };
    let [a, b] = connected(["a", "b"], &config).await;
    (0..100).for_each(|n| b.store.write(&format!("{n}")));
    let first = a.gossip.sync_with(b.id()).await.unwrap();
    let moved = first.outcome.stats.records_in;
    assert!(moved > 50, "{first:?}");
    let begun = Instant::now();
    assert!(a.gossip.sync_with(b.id()).await.is_ok());
    assert_eq!(begun.elapsed().as_secs(), (moved - 50) / 10);
    assert_eq!(a.gossip.stats().sessions_delayed.get("peer_records"), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn session_always_receives_one_message() {
    let [a, b] = connected(["a", "b"], &on_switch(quiet())).await;
    let mut limits = a.gossip.limits();
    limits.peer.bytes = SCARCE;
    a.gossip.set_limits(limits).unwrap();
    // Six megabytes of records.
    (0..2000).for_each(|n| b.store.write(&format!("{n}")));
    let report = a.gossip.sync_with(b.id()).await.unwrap();
    assert_eq!(report.outcome.result, Ending::BudgetSpent);
    let received = report.bytes_received;
    assert!(
        (limits::LEAST_RECEIVED / 2..=limits::LEAST_RECEIVED).contains(&received),
        "{received}"
    );
}

/// Returns the time until the second of two nodes has all records of the first. Passes the first
/// node to `halfway` when the second has half of the records.
async fn catches_up(config: &NetConfig, halfway: impl FnOnce(&Node)) -> Duration {
    let [a, mut b] = connected(["a", "b"], config).await;
    const RECORDS: usize = 1000;
    (0..RECORDS).for_each(|n| a.store.write(&format!("{n}")));
    let begun = Instant::now();
    a.gossip.announce();
    b.until(|node| node.store.ids().len() >= RECORDS / 2).await;
    halfway(&a);
    b.until(|node| node.store.ids().len() == RECORDS).await;
    begun.elapsed()
}

/// Three megabytes take half a minute at this rate.
const SLOW: u64 = 100_000;

fn lively() -> NetConfig {
    let mut config = on_switch(quiet());
    config.schedule.advert_interval = Duration::from_secs(1);
    config
}

#[tokio::test(start_paused = true)]
async fn a_node_sends_no_faster_than_it_may() {
    let mut config = lively();
    assert!(catches_up(&config, |_| {}).await < Duration::from_secs(2));
    config.schedule.limits.send_rate = Some(SLOW);
    let took = catches_up(&config, |_| {}).await;
    assert!((20..45).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn quiet_hours_limit_the_send_rate_at_once() {
    let mut config = lively();
    // Quiet hours that cover the whole day.
    config.schedule.limits.quiet_hours = Some(QuietHours::new(0, 0, SLOW));
    let took = catches_up(&config, |_| {}).await;
    assert!((20..45).contains(&took.as_secs()), "{took:?}");
    let took = catches_up(&lively(), |_| {}).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    let loosen = |node: &Node| node.gossip.set_limits(Default::default()).unwrap();
    let took = catches_up(&config, loosen).await;
    assert!((8..25).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn refused_session_reopens_after_the_pause() {
    let config = lively();
    let [a, mut b] = connected(["a", "b"], &config).await;
    let mut limits = a.gossip.limits();
    limits.peer.records = Rate { per_second: 1, burst: 1 };
    a.gossip.set_limits(limits).unwrap();
    a.store.write("first");
    a.store.write("second");
    a.gossip.announce();
    b.until(|node| node.store.ids().len() == 2).await;
    sleep(limits::REFUSED_PAUSE * 3).await;
    // The remaining debt delays these records for a while, and retries are at least a second apart.
    (0..10).for_each(|n| a.store.write(&format!("more {n}")));
    a.gossip.announce();
    b.until(|node| node.store.ids().len() == 12).await;
    a.store.write("last");
    a.gossip.announce();
    let begun = Instant::now();
    b.until(|node| node.store.ids().len() == 13).await;
    let refused = a.gossip.stats().sessions_over_allowance["peer_records"];
    assert!(refused <= begun.elapsed().as_secs() / limits::REFUSED_PAUSE.as_secs() + 1);
}
