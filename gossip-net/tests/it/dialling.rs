//! The choice of dialled addresses, the reports about unreachable peers, and the agreement of
//! peers.

use std::time::Duration;

use crate::common::{Cluster, Ready, absent, quiet, roster, take};
use engram_gossip_net::{
    Agreement, Event, HandshakeError, Member, MemoryNetwork, NodeId, Roster, limits,
};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// Starts a node that listens on all addresses of the machine. Returns `None` if the machine has no
/// IPv6.
fn dual_stack(ready: &Ready) -> Option<crate::common::Node> {
    std::net::UdpSocket::bind("[::1]:0").ok()?;
    let mut config = quiet();
    config.listen = "[::]:0".parse().unwrap();
    Some(ready.start(&config, Roster::default()))
}

#[tokio::test]
async fn a_dual_stack_socket_reaches_ipv4() {
    let cluster = Cluster::new();
    let [a] = take(cluster.start(&["a"], &quiet()));
    let ready = cluster.issue("b");
    let Some(mut b) = dual_stack(&ready) else { return };
    let mut member = b.member();
    member.address = None;
    a.gossip.set_roster(roster([a.member(), member]));
    b.gossip.set_roster(roster([a.member()]));
    b.connected_to(a.id()).await;
    assert!(b.gossip.sync_with(a.id()).await.unwrap().is_equal());
}

#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    let cluster = Cluster::new();
    let [a] = take(cluster.start(&["a"], &quiet()));
    let ready = cluster.issue("b");
    let Some(mut b) = dual_stack(&ready) else { return };
    // If the name resolves to both families, the first address to be tried does not answer.
    let name = format!("localhost:{}", a.gossip.local_addr().port());
    let mut member = b.member();
    member.address = None;
    a.gossip.set_roster(roster([a.member(), member]));
    let mut by_name = a.member();
    by_name.address = Some(name);
    b.gossip.set_roster(roster([by_name]));
    b.connected_to(a.id()).await;
}

#[tokio::test(start_paused = true)]
async fn members_that_swapped_addresses_are_found() {
    let mut config = quiet();
    config.network = Some(MemoryNetwork::new(1));
    let cluster = Cluster::new();
    let [a, b, mut c] = take(cluster.start(&["a", "b", "c"], &config));
    let unlisted = |node: &crate::common::Node| {
        let mut member = node.member();
        member.address = None;
        member
    };
    // `a` and `b` do not dial `c`, whose roster swaps their addresses.
    let [mut at_b, mut at_a] = [a.member(), b.member()];
    std::mem::swap(&mut at_a.address, &mut at_b.address);
    c.gossip.set_roster(Roster::default());
    for node in [&a, &b] {
        node.gossip.set_roster(roster([unlisted(&c)]));
    }
    c.gossip.set_roster(roster([at_a, at_b]));
    c.connected_to(a.id()).await;
    c.connected_to(b.id()).await;
}

#[tokio::test(start_paused = true)]
async fn unanswered_lookups_delay_no_dial() {
    const NAMES: u8 = 100;
    let mut config = quiet();
    config.network = Some(MemoryNetwork::new(1));
    config.schedule.dial_spread = Duration::ZERO;
    let cluster = Cluster::new();
    let [mut a, b] = ["a", "b"].map(|name| cluster.issue(name).start(&config, Roster::default()));
    let mut of_a = a.member();
    of_a.address = None;
    b.gossip.set_roster(roster([of_a]));
    let named = |n: u8| Member {
        id: NodeId::from([n; 32]),
        name: format!("member-{n}"),
        address: Some(format!("member-{n}.example:7700")),
    };
    let begun = Instant::now();
    a.gossip.set_roster(roster((0..NAMES).map(named).chain([b.member()])));
    a.connected_to(b.id()).await;
    assert!(begun.elapsed() < limits::DIAL_PERMIT, "{:?}", begun.elapsed());
    let cause = a.wait_for(|event| match event {
        Event::Unreachable { cause: HandshakeError::Address(cause), .. } => Some(cause.clone()),
        _ => None,
    });
    assert!(cause.await.ends_with(".example:7700: no answer from DNS"));
    assert_eq!(begun.elapsed().as_secs(), limits::LOOKUP_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn silent_member_is_reported_once() {
    let mut config = quiet();
    config.network = Some(MemoryNetwork::new(1));
    let cluster = Cluster::new();
    let [mut a] = take(cluster.start(&["a"], &config));
    let ghost = cluster.issue("ghost");
    a.gossip.set_roster(roster([a.member(), absent(&ghost, "10.9.9.9:7700")]));
    sleep(SECOND * 120).await;
    let failed = a.gossip.stats().connections_failed["timed_out"];
    assert!(failed > 10, "{failed} dials");
    a.gossip.set_roster(roster([a.member()]));
    let mut told = 0;
    a.wait_for(|event| {
        told += u32::from(matches!(event, Event::Unreachable { .. }));
        matches!(event, Event::RosterChanged { removed: 1, .. }).then_some(())
    })
    .await;
    assert_eq!(told, 1);
}

#[tokio::test(start_paused = true)]
async fn agreement_follows_the_latest_advert() {
    let mut config = quiet();
    config.network = Some(MemoryNetwork::new(1));
    config.schedule.advert_fanout = 0;
    let [mut a, b] = take(Cluster::new().start(&["a", "b"], &config));
    a.connected_to(b.id()).await;
    sleep(SECOND).await;
    let agreement = |node: &crate::common::Node| node.gossip.peers()[0].agreement;
    assert_eq!(agreement(&a), Agreement::InStep);
    b.store.write("one");
    b.store.write("two");
    a.gossip.handle_advert(b.id(), &b.gossip.advert(1000)).unwrap();
    assert_eq!(agreement(&a), Agreement::Behind(2));
    a.gossip.sync_with(b.id()).await.unwrap();
    assert_eq!(agreement(&a), Agreement::InStep);
    a.store.write("three");
    a.gossip.announce();
    assert_ne!(agreement(&a), Agreement::InStep, "a local write ends the agreement immediately");
}

/// While a connected peer has equal roots, `equal_ago` is zero, even after hours without a session.
/// It grows only after the connection has ended.
#[tokio::test(start_paused = true)]
async fn a_peer_in_step_does_not_lag() {
    let mut config = quiet();
    config.network = Some(MemoryNetwork::new(1));
    config.schedule.interval = SECOND * 86_400;
    config.schedule.advert_fanout = 0;
    let [mut a, b] = take(Cluster::new().start(&["a", "b"], &config));
    a.connected_to(b.id()).await;
    sleep(SECOND).await;
    let sessions = a.gossip.peers()[0].sessions;
    sleep(SECOND * 7_200).await;
    let status = a.gossip.peers().remove(0);
    assert_eq!((status.sessions, status.equal_ago), (sessions, Some(Duration::ZERO)));
    assert!(status.is_in_step());
    b.gossip.shutdown().await;
    while a.gossip.peers()[0].is_in_step() {
        sleep(SECOND / 10).await;
    }
    sleep(SECOND * 100).await;
    let lag = a.gossip.peers()[0].equal_ago.unwrap();
    assert!((SECOND * 100..SECOND * 102).contains(&lag), "{lag:?}");
}

#[tokio::test(start_paused = true)]
async fn missing_common_space_is_reported_once() {
    let mut config = quiet();
    config.network = Some(MemoryNetwork::new(1));
    let cluster = Cluster::new();
    let start = |name: &str, space: &str| {
        cluster.issue(name).start_with(&config, Roster::default(), &[space])
    };
    let (mut a, b) = (start("a", "default"), start("b", "defualt"));
    crate::common::introduce([&a, &b]);
    a.connected_to(b.id()).await;
    for _ in 0..3 {
        a.gossip.sync_with(b.id()).await.unwrap();
    }
    assert_eq!(a.gossip.peers()[0].agreement, Agreement::NoCommonSpace);
    a.gossip.set_roster(roster([a.member()]));
    let mut told = 0;
    a.wait_for(|event| {
        told += u32::from(matches!(event, Event::NoCommonSpace { .. }));
        matches!(event, Event::RosterChanged { removed: 1, .. }).then_some(())
    })
    .await;
    assert_eq!(told, 1);
}
