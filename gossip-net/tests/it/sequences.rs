//! Roster changes, closed connections and requests that happen at almost the same moment.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use crate::common::dry::{self, Seen};
use crate::common::raw::{Certificate, RawClient, client_config, raw_server_on};
use crate::common::scene::{ALPN, Scene};
use crate::common::{Cluster, Node, absent, quiet, roster, take};
use engram_gossip_net::{ConnectionState, HandshakeError, MemoryNetwork, NodeId, Roster, limits};
use quinn::{Connection, Endpoint, VarInt};
use tokio::time::{sleep, timeout};

const MILLISECOND: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn removed_address_ends_the_requests() {
    let mut config = quiet();
    config.network = Some(MemoryNetwork::new(1));
    let cluster = Cluster::new();
    let [a] = take(cluster.start(&["a"], &config));
    let ghost = cluster.issue("ghost");
    a.gossip.set_roster(roster([a.member(), absent(&ghost, "10.9.9.9:7700")]));
    let (gossip, id) = (a.gossip.clone(), ghost.id());
    let request = tokio::spawn(async move { gossip.sync_with(id).await });
    let preview = a.gossip.sync_with_view(ghost.id(), dry::pin(&a.store, &Seen::default()));
    let removal = async {
        sleep(MILLISECOND * 100).await;
        let mut member = absent(&ghost, "");
        member.address = None;
        a.gossip.set_roster(roster([a.member(), member]));
    };
    let (preview, ()) = tokio::join!(timeout(MINUTE, preview), removal);
    let expected = Err(HandshakeError::NoAddress.into());
    assert_eq!(preview.expect("the preview ends"), expected);
    assert_eq!(timeout(MINUTE, request).await.expect("the request ends").unwrap(), expected);
}

/// Lets the other tasks that are ready run once, without driving the network.
async fn turn() {
    let mut is_over = false;
    poll_fn(|context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut is_over, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A connection from a member arrives while the member is removed and added again.
#[tokio::test(start_paused = true)]
async fn connection_of_a_removed_member_is_none() {
    let mut scene = Scene::new(&quiet()).await;
    let with_bad = scene.a.gossip.roster();
    let without_bad = roster([scene.a.member(), scene.b.member()]);
    for steps in 0..400 {
        let config = client_config(Certificate::Of(&scene.bad), &[ALPN]);
        let dial = scene.client.connect(config, scene.a.gossip.local_addr());
        let (gossip, [without, with]) =
            (scene.a.gossip.clone(), [&without_bad, &with_bad].map(Roster::clone));
        let change = tokio::spawn(async move {
            sleep(MILLISECOND * (steps / 60)).await;
            for _ in 0..steps % 60 {
                turn().await;
            }
            gossip.set_roster(without);
            gossip.set_roster(with);
        });
        let connection = dial.await;
        change.await.unwrap();
        if let Ok(connection) = connection {
            sleep(MILLISECOND * 10).await;
            connection.close(VarInt::from_u32(0), b"");
        }
        sleep(MILLISECOND * 100).await;
        let request = scene.a.gossip.sync_with(scene.bad.id());
        let result = timeout(MINUTE, request).await.expect("the member is not connected");
        assert_eq!(result, Err(HandshakeError::NoAddress.into()), "{steps}");
    }
    scene.connect().await;
}

/// The connection that the node with the smaller id dialled replaces an established one, and is
/// closed immediately.
#[tokio::test(start_paused = true)]
async fn closed_replacement_is_no_connection() {
    let network = MemoryNetwork::new(1);
    let mut config = quiet();
    config.network = Some(network.clone());
    let cluster = Cluster::new();
    let [bad, ready] = {
        let mut both = ["one", "two"].map(|name| cluster.issue(name));
        both.sort_by_key(|ready| std::cmp::Reverse(ready.id()));
        both
    };
    let mut a = ready.start(&config, Roster::default());
    let address = "10.0.0.77:7700".parse().unwrap();
    a.gossip.set_roster(roster([a.member(), absent(&bad, "10.0.0.77:7700")]));
    sleep(MILLISECOND * 100).await;
    let client = RawClient::on(&network, [10, 0, 0, 66]);
    let dialled =
        client.connect(client_config(Certificate::Of(&bad), &[ALPN]), a.gossip.local_addr());
    let dialled = dialled.await.unwrap();
    a.connected_to(bad.id()).await;
    let server = raw_server_on(&network, address, &bad, &[ALPN]);
    let accepted = server.accept().await.unwrap().await.unwrap();
    dialled.closed().await;
    server.close(VarInt::from_u32(0), b"");
    accepted.close(VarInt::from_u32(0), b"the node is shutting down");
    sleep(MILLISECOND * 100).await;
    let state = a.gossip.peers().remove(0).connection;
    assert!(!matches!(state, ConnectionState::Connected { .. }), "{state:?}");
    let result = timeout(MINUTE, a.gossip.sync_with(bad.id())).await.expect("the request ends");
    assert!(result.is_err());
}

/// The peer announces a shutdown at the moment of a request, and accepts the next connection.
#[tokio::test(start_paused = true)]
async fn preview_ends_with_its_connection() {
    let network = MemoryNetwork::new(1);
    let mut config = quiet();
    config.network = Some(network.clone());
    let cluster = Cluster::new();
    let [mut a] = take(cluster.start(&["a"], &config));
    let bad = cluster.issue("bad");
    let server = raw_server_on(&network, "10.0.0.77:7700".parse().unwrap(), &bad, &[ALPN]);
    a.gossip.set_roster(roster([a.member(), absent(&bad, "10.0.0.77:7700")]));
    let (store, gossip, peer) = (a.store.clone(), a.gossip.clone(), bad.id());
    let preview = || {
        let (store, gossip) = (store.clone(), gossip.clone());
        async move { gossip.sync_with_view(peer, dry::pin(&store, &Seen::default())).await }
    };
    for steps in 0..200 {
        let connection = connection_of(&mut a, &server, peer).await;
        connection.close(VarInt::from_u32(0), b"the node is shutting down");
        let request = preview();
        let request = tokio::spawn(async move {
            // The end of the connection arrives after a millisecond.
            sleep(MILLISECOND).await;
            for _ in 0..steps % 10 {
                turn().await;
            }
            request.await
        });
        _ = timeout(MINUTE, request).await.expect("the preview ends");
        let connection = connection_of(&mut a, &server, peer).await;
        for n in 0..limits::MAX_PEER_PREVIEWS {
            let early = timeout(MILLISECOND * 50, preview()).await;
            assert!(early.is_err(), "preview {n} is refused after {steps} steps: {early:?}");
        }
        connection.close(VarInt::from_u32(0), b"the node is shutting down");
    }
}

/// The next connection that `a` makes with `server`, once `a` considers it established.
async fn connection_of(a: &mut Node, server: &Endpoint, peer: NodeId) -> Connection {
    // Connections that `a` has abandoned fail or end.
    loop {
        let Ok(connection) = server.accept().await.unwrap().await else { continue };
        connection.send_datagram(b"a sign of life"[..].into()).unwrap();
        sleep(MILLISECOND * 10).await;
        if connection.close_reason().is_none() {
            a.connected_to(peer).await;
            return connection;
        }
    }
}
