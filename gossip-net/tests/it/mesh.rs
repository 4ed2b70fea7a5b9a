//! A mesh of real nodes over QUIC: convergence, adverts, roster, shutdown.

use std::net::UdpSocket;
use std::time::Duration;

use crate::common::{Cluster, Node, absent, introduce, quiet, roster, settled, take};
use engram_gossip_net::{
    BindError, Conditions, ConnectionState, Event, Gossip, HandshakeError, MemoryNetwork, Opener,
    Roster, SyncError,
};
use engram_gossip_proto::Greeting;
use tokio::time::sleep;

fn all_equal(nodes: &[&Node]) -> bool {
    nodes.windows(2).all(|pair| pair[0].store.roots() == pair[1].store.roots())
}

#[tokio::test]
async fn parallel_sessions_fetch_a_record_once() {
    const RECORDS: usize = 1000;
    let mut config = quiet();
    config.schedule.advert_fanout = 0;
    let [a, b, c, d] = take(Cluster::new().start(&["a", "b", "c", "d"], &config));
    settled(&[&a, &b, &c, &d]).await;
    for node in [&b, &c, &d] {
        (0..RECORDS).for_each(|n| node.store.write_as(a.id(), &format!("{n}")));
    }
    let [b, c, d] = [&b, &c, &d].map(|node| a.gossip.sync_with(node.id()));
    let reports = tokio::join!(b, c, d);
    let reports = [reports.0.unwrap(), reports.1.unwrap(), reports.2.unwrap()];
    assert!(reports.iter().all(|report| report.opener == Opener::Us));
    let came: u64 = reports.iter().map(|report| report.outcome.stats.records_in).sum();
    let unasked = engram_gossip_proto::limits::MAX_UNASKED * reports.len() as u64;
    assert!(came <= RECORDS as u64 + unasked, "{came} records arrived");
    let stale: u64 = reports.iter().map(|report| report.outcome.stats.stale).sum();
    assert!(stale <= unasked, "{stale} records arrived twice");
    assert_eq!(a.store.ids().len(), RECORDS);
}

#[tokio::test]
async fn announced_change_spreads_without_the_timer() {
    let mut nodes = Cluster::new().start(&["a", "b", "c", "d"], &quiet());
    nodes[0].store.write("news");
    nodes[0].gossip.announce();
    for node in &mut nodes {
        node.until(|node| node.store.ids() == ["news"]).await;
    }
}

#[tokio::test]
async fn a_greeting_arrives_before_any_record() {
    let mut config = quiet();
    config.schedule.advert_fanout = 0;
    let [a, b] = take(Cluster::new().start(&["a", "b"], &config));
    settled(&[&a, &b]).await;
    let before = [a.store.greeted().len(), b.store.greeted().len()];
    a.store.write("news");
    b.store.write("other news");
    a.gossip.sync_with(b.id()).await.unwrap();
    for (node, peer, before) in [(&a, &b, before[0]), (&b, &a, before[1])] {
        let known = u64::from(node.id().as_bytes()[31]);
        let greeting = Greeting { known, clock: peer.store.clock() };
        assert_eq!(node.store.greeted()[before..], [(peer.id(), greeting, 1)]);
    }
}

#[tokio::test]
async fn connected_nodes_sync_at_once() {
    let cluster = Cluster::new();
    let ready = ["a", "b"].map(|name| cluster.issue(name));
    let nodes = ready.map(|ready| ready.start(&quiet(), Roster::default()));
    nodes.iter().for_each(|node| node.store.write(&format!("from {}", node.name)));
    introduce(&nodes);
    for mut node in nodes {
        node.until(|node| node.store.ids() == ["from a", "from b"]).await;
    }
}

#[tokio::test]
async fn peer_death_in_a_round_delays_no_others() {
    let [a, b, c, d] = take(Cluster::new().start(&["a", "b", "c", "d"], &quiet()));
    let mut a = a;
    for peer in [b.id(), c.id(), d.id()] {
        a.connected_to(peer).await;
    }
    let dead = c.id();
    a.store.write("news");
    let (report, ()) = tokio::join!(a.gossip.round(), async { drop(c) });

    assert_eq!(report.contacts.len(), 3);
    for (peer, result) in report.contacts {
        assert!(peer == dead || result.is_ok(), "{result:?}");
    }
    assert!(all_equal(&[&a, &b, &d]));
}

#[tokio::test]
async fn silent_peer_delays_no_others() {
    let cluster = Cluster::new();
    let [mut a, b] = take(cluster.start(&["a", "b"], &quiet()));
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ghost = cluster.issue("ghost");
    let address = silent.local_addr().unwrap().to_string();
    a.gossip.set_roster(roster([a.member(), b.member(), absent(&ghost, &address)]));
    a.connected_to(b.id()).await;
    a.store.write("news");

    let report = a.gossip.round().await;

    for (peer, result) in report.contacts {
        match peer == ghost.id() {
            true => assert_eq!(result, Err(HandshakeError::TimedOut.into())),
            false => assert!(result.unwrap().is_equal()),
        }
    }
    assert!(all_equal(&[&a, &b]));
    let status = a.gossip.peers().into_iter().find(|peer| peer.member.id == ghost.id()).unwrap();
    assert!(matches!(status.connection, ConnectionState::BackOff { failures: 1.., .. }));
}

#[tokio::test]
async fn dials_that_cross_leave_one_connection() {
    let mut config = quiet();
    config.schedule.dial_spread = Duration::ZERO;
    for _ in 0..10 {
        let [mut a, mut b] = take(Cluster::new().start(&["a", "b"], &config));
        a.connected_to(b.id()).await;
        b.connected_to(a.id()).await;
        // Sessions in both directions succeed only on the connection that both nodes keep.
        let (one, other) = tokio::join!(a.gossip.sync_with(b.id()), b.gossip.sync_with(a.id()));
        assert!(one.unwrap().is_equal() && other.unwrap().is_equal());
        let dialled = |node: &Node| match &node.gossip.peers()[0].connection {
            ConnectionState::Connected { dialled_by_us, .. } => *dialled_by_us,
            other => panic!("{other:?}"),
        };
        assert_ne!(dialled(&a), dialled(&b), "both hold the same connection");
    }
}

#[tokio::test]
async fn an_evicted_member_loses_its_live_connection() {
    let [mut a, mut b] = take(Cluster::new().start(&["a", "b"], &quiet()));
    a.connected_to(b.id()).await;
    b.connected_to(a.id()).await;

    a.gossip.set_roster(roster([a.member()]));

    b.wait_for(|event| matches!(event, Event::Disconnected { .. }).then_some(())).await;
    let refused = SyncError::from(HandshakeError::RefusedNotInRoster);
    assert_eq!(b.gossip.sync_with(a.id()).await, Err(refused));
    assert_eq!(a.gossip.sync_with(b.id()).await, Err(SyncError::NotInRoster(b.id())));
    assert!(a.gossip.peers().is_empty());
}

/// Two threads replace the roster at the same moment.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_rosters_apply_one_by_one() {
    let cluster = Cluster::new();
    let [a] = take(cluster.start(&["a"], &quiet()));
    let mut member = absent(&cluster.issue("b"), "");
    member.address = None;
    let id = member.id;
    let rosters = [roster([a.member()]), roster([a.member(), member])];
    for _ in 0..500 {
        let begin = std::sync::Barrier::new(rosters.len());
        std::thread::scope(|scope| {
            for roster in &rosters {
                scope.spawn(|| {
                    begin.wait();
                    a.gossip.set_roster(roster.clone());
                });
            }
        });
        let is_member = a.gossip.roster().contains(&id);
        assert_eq!(a.gossip.peers().len(), usize::from(is_member));
        let expected = match is_member {
            true => HandshakeError::NoAddress.into(),
            false => SyncError::NotInRoster(id),
        };
        assert_eq!(a.gossip.sync_with(id).await, Err(expected));
    }
}

#[tokio::test]
async fn late_member_is_dialled_and_synced() {
    let cluster = Cluster::new();
    let [mut a] = take(cluster.start(&["a"], &quiet()));
    a.store.write("old news");
    let late = cluster.issue("late").start(&quiet(), roster([a.member()]));
    a.gossip.set_roster(roster([a.member(), late.member()]));
    a.connected_to(late.id()).await;
    let mut late = late;
    late.until(|node| node.store.ids() == ["old news"]).await;
}

#[tokio::test]
async fn a_restarted_node_is_connected_again_at_once() {
    let cluster = Cluster::new();
    let [mut a] = take(cluster.start(&["a"], &quiet()));
    let ready = cluster.issue("b");
    let mut config = quiet();
    for _life in 0..3 {
        let b = ready.start(&config, roster([a.member()]));
        config.listen = b.gossip.local_addr();
        a.gossip.set_roster(roster([a.member(), b.member()]));
        a.connected_to(b.id()).await;
        assert!(a.gossip.sync_with(b.id()).await.is_ok());
        b.gossip.shutdown().await;
        let gone = |event: &Event| matches!(event, Event::Disconnected { .. }).then_some(());
        a.wait_for(gone).await;
    }
}

/// The connection of an unanswered dial drains for several seconds.
#[tokio::test]
async fn shutdown_during_a_dial_frees_the_port() {
    let cluster = Cluster::new();
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let peer = absent(&cluster.issue("b"), &silent.local_addr().unwrap().to_string());
    let a = cluster.issue("a").start(&quiet(), roster([peer]));
    silent.readable().await.unwrap();
    a.gossip.shutdown().await;
    UdpSocket::bind(a.gossip.local_addr()).expect("the port is free");
}

#[tokio::test]
async fn shutdown_ends_events_and_frees_the_port() {
    let [mut a, b] = take(Cluster::new().start(&["a", "b"], &quiet()));
    a.connected_to(b.id()).await;
    let mut events = b.gossip.events();
    b.gossip.shutdown().await;
    b.gossip.shutdown().await;
    while events.next().await.is_some() {}
    UdpSocket::bind(b.gossip.local_addr()).expect("the port is free");
    assert_eq!(b.gossip.sync_with(a.id()).await, Err(SyncError::ShuttingDown));
    let reason = a.wait_for(|event| match event {
        Event::Disconnected { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason.await, "the node is shutting down");
}

#[tokio::test(start_paused = true)]
async fn shutdown_finishes_running_sessions() {
    let latency = Duration::from_millis(50);
    let (network, mut conditions) = (MemoryNetwork::new(1), Conditions::default());
    conditions.latency = latency;
    network.set_conditions(conditions);
    let mut config = quiet();
    config.network = Some(network);
    let [mut a, mut b] = take(Cluster::new().start(&["a", "b"], &config));
    a.connected_to(b.id()).await;
    b.connected_to(a.id()).await;
    (0..400).for_each(|n| a.store.write(&format!("{n}")));
    let session = a.gossip.sync_with(b.id());
    let stop = async {
        // The first frame has been sent, and no answer can have arrived.
        sleep(latency).await;
        assert_eq!(b.store.ids().len(), 0);
        a.gossip.shutdown().await;
    };
    let (report, ()) = tokio::join!(session, stop);
    assert!(report.unwrap().is_equal() && all_equal(&[&a, &b]));
}

#[tokio::test]
async fn panicking_view_ends_only_its_session() {
    let [a, b] = take(Cluster::new().start(&["a", "b"], &quiet()));
    b.store.write("news");
    a.store.set_trap();
    let failed = a.gossip.sync_with(b.id()).await;
    assert_eq!(failed, Err(SyncError::Panicked));
    assert!(a.gossip.sync_with(b.id()).await.unwrap().is_equal());
    assert!(all_equal(&[&a, &b]));
    assert_eq!(a.gossip.stats().connections_lost, 0);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let cluster = Cluster::new();
    let [a] = take(cluster.start(&["a"], &quiet()));
    let mut config = quiet();
    config.listen = a.gossip.local_addr();
    let ready = cluster.issue("b");
    let store = crate::common::store::Store::new(ready.id(), &["space"]);
    let parameters = crate::common::store::parameters();
    let error = Gossip::bind(config, ready.identity(), Roster::default(), parameters, store)
        .expect_err("the port is in use");
    assert!(matches!(error, BindError::InUse { address } if address == a.gossip.local_addr()));
    assert!(error.to_string().contains(&a.gossip.local_addr().to_string()));
}
