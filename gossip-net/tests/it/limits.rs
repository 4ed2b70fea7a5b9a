//! Tests that reach limits of a node, in virtual time. The tests of the endpoint cover the limits
//! of handshakes and of quinn.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::common::raw::patient;
use crate::common::scene::{Scene, frame_header};
use crate::common::{Cluster, absent, quiet, roster, take};
use engram_gossip_net::{MemoryNetwork, SyncError, TimedStep, Validity, limits};
use quinn::VarInt;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn peer_that_reads_no_frame_is_disconnected() {
    let mut scene = Scene::new(&quiet()).await;
    let mut transport = patient();
    transport.stream_receive_window(1_u32.into());
    let connection = scene.connect_with(transport).await;
    let begun = Instant::now();
    let result = scene.a.gossip.sync_with(scene.bad.id()).await;
    assert_eq!(result, Err(SyncError::TimedOut(TimedStep::Answer)));
    assert_eq!(begun.elapsed().as_secs(), limits::FRAME_TIMEOUT.as_secs());
    connection.closed().await;
    scene.honest_nodes_sync().await;
}

#[tokio::test(start_paused = true)]
async fn wait_for_a_stream_ends_at_the_frame_timeout() {
    let mut scene = Scene::new(&quiet()).await;
    let mut transport = patient();
    transport.max_concurrent_bidi_streams(0_u32.into());
    let _connection = scene.connect_with(transport).await;
    let begun = Instant::now();
    let result = scene.a.gossip.sync_with(scene.bad.id()).await;
    assert_eq!(result, Err(SyncError::Busy));
    assert_eq!(begun.elapsed().as_secs(), limits::FRAME_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn no_session_takes_longer_than_the_limit() {
    let mut config = quiet();
    config.session.idle_timeout = limits::SESSION_TIMEOUT * 10;
    config.session.session_timeout = limits::SESSION_TIMEOUT * 10;
    let mut scene = Scene::new(&config).await;
    let connection = scene.connect().await;
    let begun = Instant::now();
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    send.write_all(&frame_header(1000)).await.unwrap();
    assert_eq!(scene.failure().await, SyncError::TimedOut(TimedStep::Finish));
    assert_eq!(begun.elapsed().as_secs(), limits::SESSION_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn wait_for_a_permit_ends_at_the_limit() {
    let mut config = quiet();
    config.schedule.inbound_sessions = 1;
    let mut scene = Scene::new(&config).await;
    let connection = scene.connect().await;
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    send.write_all(&frame_header(1000)).await.unwrap();
    // This session holds the only permit.
    sleep(SECOND).await;
    let begun = Instant::now();
    assert_eq!(scene.b.gossip.sync_with(scene.a.id()).await, Err(SyncError::Busy));
    assert_eq!(begun.elapsed().as_secs(), limits::PERMIT_TIMEOUT.as_secs());
    assert_eq!(scene.a.gossip.stats().sessions_refused, 1);
    send.reset(VarInt::from_u32(0)).unwrap();
    assert_eq!(scene.failure().await, SyncError::Cut);
    scene.honest_nodes_sync().await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_finish_timeout_for_last_bytes() {
    let mut config = quiet();
    config.shutdown_grace = limits::FINISH_TIMEOUT * 10;
    let scene = Scene::new(&config).await;
    scene.honest_nodes_sync().await;
    assert!(scene.a.gossip.sync_with(scene.b.id()).await.is_ok());
    scene.network.cut(|_, _| true);
    let begun = Instant::now();
    scene.a.gossip.shutdown().await;
    assert_eq!(begun.elapsed().as_secs(), limits::FINISH_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn few_dials_are_under_way_at_once() {
    let network = MemoryNetwork::new(1);
    let mut config = quiet();
    config.network = Some(network.clone());
    config.schedule.dial_spread = Duration::ZERO;
    let cluster = Cluster::new();
    let [a] = take(cluster.start(&["a"], &config));
    let dialled = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = dialled.clone();
    network.cut(move |_, to| {
        seen.lock().unwrap().insert(to);
        false
    });
    let nobody = |n: usize| {
        absent(&cluster.issue(&format!("nobody-{n}")), &format!("10.9.0.{}:7700", n + 1))
    };
    a.gossip.set_roster(roster((0..limits::MAX_DIALS * 3).map(nobody)));
    sleep(limits::DIAL_PERMIT / 2).await;
    for turn in 1..=2 {
        assert_eq!(dialled.lock().unwrap().len(), limits::MAX_DIALS * turn);
        sleep(limits::DIAL_PERMIT).await;
    }
}

#[tokio::test(start_paused = true)]
async fn datagrams_over_the_burst_are_counted() {
    const SENT: u64 = 100;
    let mut scene = Scene::new(&quiet()).await;
    let connection = scene.connect().await;
    sleep(SECOND * 10).await;
    let before = scene.a.gossip.stats();
    let advert = scene.a.gossip.advert(1000);
    (0..SENT).for_each(|_| connection.send_datagram(advert.clone().into()).unwrap());
    sleep(SECOND / 50).await;
    let after = scene.a.gossip.stats();
    let taken = after.adverts_received - before.adverts_received;
    let dropped = after.datagrams_over_limit - before.datagrams_over_limit;
    assert_eq!((taken, dropped), (limits::DATAGRAMS.burst, SENT - limits::DATAGRAMS.burst));
}

#[tokio::test(start_paused = true)]
async fn expired_certificate_ends_its_connection() {
    const HOUR: Duration = Duration::from_secs(3600);
    let cluster = Cluster::new();
    let now = SystemTime::now();
    let bad = cluster.issue_for("bad", Validity { from: now - HOUR, until: now + HOUR });
    let mut config = quiet();
    config.schedule.interval = HOUR * 24;
    let mut scene = Scene::with(&config, cluster, bad).await;
    let connection = scene.connect().await;
    sleep(HOUR - limits::RECHECK_INTERVAL).await;
    assert_eq!(connection.close_reason(), None);
    let begun = Instant::now();
    connection.closed().await;
    assert!(begun.elapsed() <= limits::RECHECK_INTERVAL * 2 + SECOND, "{:?}", begun.elapsed());
    let stats = scene.a.gossip.stats();
    assert_eq!(stats.connections_failed.get("expired"), Some(&1), "{stats:?}");
    scene.honest_nodes_sync().await;
}

/// The limit of the transport, [`limits::SESSION_TIMEOUT`], applies instead.
#[tokio::test(start_paused = true)]
async fn sessions_need_no_time_out_of_their_own() {
    let mut config = quiet();
    config.session.idle_timeout = Duration::MAX;
    config.session.session_timeout = Duration::MAX;
    let scene = Scene::new(&config).await;
    sleep(SECOND).await;
    scene.honest_nodes_sync().await;
}
