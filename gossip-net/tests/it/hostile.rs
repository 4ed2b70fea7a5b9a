//! Faulty members and unknown remotes: their misbehaviour has bounded effects, is counted by
//! reason, and does not affect other nodes.

use std::sync::Arc;
use std::time::Duration;

use crate::common::liar::Liar;
use crate::common::raw::{Certificate, RawClient, client_config};
use crate::common::scene::{ALPN, Scene, frame_header, impatient};
use crate::common::store::{Store, parameters};
use crate::common::{absent, quiet, roster};
use engram_gossip_net::{
    ConnectionState, Event, Gossip, HandshakeError, SyncError, TimedStep, limits,
};
use engram_gossip_proto::{DecodeError, RootAdvert, SessionError, SpaceId, Summary};
use quinn::VarInt;
use tokio::time::{Instant, sleep, timeout};

#[tokio::test(start_paused = true)]
async fn stream_flood_starves_no_other_peer() {
    let mut scene = Scene::new(&quiet()).await;
    let connection = scene.connect().await;
    let flood = tokio::spawn(async move {
        for _ in 0..10_000 {
            let Ok((mut send, recv)) = connection.open_bi().await else { return };
            _ = send.write_all(&[0]).await;
            _ = send.reset(VarInt::from_u32(0));
            drop(recv);
        }
    });
    for _ in 0..50 {
        scene.honest_nodes_sync().await;
    }
    flood.await.unwrap();
    scene.honest_nodes_sync().await;
    assert!(scene.failed("cut") > 0, "sessions on reset streams fail");
}

#[tokio::test(start_paused = true)]
async fn surplus_streams_are_refused_as_busy() {
    let mut scene = Scene::new(&quiet()).await;
    let connection = scene.connect().await;
    let mut open = Vec::new();
    for _ in 0..4 {
        let (mut send, recv) = connection.open_bi().await.unwrap();
        send.write_all(b"E").await.unwrap();
        open.push((send, recv));
    }
    for (send, _) in &mut open[2..] {
        assert_eq!(send.stopped().await.unwrap(), Some(VarInt::from_u32(1)), "busy");
    }
    assert_eq!(scene.a.gossip.stats().sessions_refused, 2);
    scene.in_vain(open[0].0.stopped()).await;
    scene.in_vain(open[1].0.stopped()).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_streams_are_open_than_the_limit() {
    let mut scene = Scene::new(&quiet()).await;
    let connection = scene.connect().await;
    let mut open = Vec::new();
    for _ in 0..limits::MAX_STREAMS {
        let (mut send, recv) = connection.open_bi().await.unwrap();
        send.write_all(b"E").await.unwrap();
        open.push((send, recv));
    }
    scene.in_vain(connection.open_bi()).await;
    scene.in_vain(connection.open_uni()).await;
}

#[tokio::test(start_paused = true)]
async fn unread_bytes_are_held_back_at_the_sender() {
    let mut scene = Scene::new(&quiet()).await;
    let connection = scene.connect().await;
    let (mut first, _recv) = connection.open_bi().await.unwrap();
    first.write_all(b"E").await.unwrap();
    // The second stream waits unread behind the first.
    let (mut second, _recv) = connection.open_bi().await.unwrap();
    let window = usize::try_from(limits::STREAM_WINDOW).unwrap();
    second.write_all(&vec![0; window]).await.unwrap();
    scene.in_vain(second.write_all(&[0])).await;
}

#[tokio::test(start_paused = true)]
async fn trickled_bytes_extend_no_deadline() {
    let config = quiet();
    let mut scene = Scene::new(&config).await;
    let connection = scene.connect().await;
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    let begun = Instant::now();
    let drip = tokio::spawn(async move {
        let mut pause = tokio::time::interval(Duration::from_secs(60));
        for byte in frame_header(1000).into_iter().chain(std::iter::repeat(0)) {
            pause.tick().await;
            if send.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    });
    let failure = scene.failure().await;
    assert!(
        matches!(failure, SyncError::Session(SessionError::Idle | SessionError::TimedOut)),
        "{failure}"
    );
    assert_eq!(begun.elapsed().as_secs(), config.session.idle_timeout.as_secs());
    assert_eq!(scene.failed("timed_out"), 1);
    scene.honest_nodes_sync().await;
    drip.abort();
}

#[tokio::test(start_paused = true)]
async fn broken_stream_ends_only_its_session() {
    let mut scene = Scene::new(&quiet()).await;
    let connection = scene.connect().await;

    let (mut send, _recv) = connection.open_bi().await.unwrap();
    send.finish().unwrap();
    assert_eq!(scene.failure().await, SyncError::Cut);

    let (mut send, _recv) = connection.open_bi().await.unwrap();
    send.write_all(&frame_header(1000)[..5]).await.unwrap();
    send.finish().unwrap();
    assert_eq!(scene.failure().await, SyncError::Cut);

    let (mut send, _recv) = connection.open_bi().await.unwrap();
    send.write_all(&frame_header(1000)).await.unwrap();
    send.reset(VarInt::from_u32(77)).unwrap();
    assert_eq!(scene.failure().await, SyncError::Cut);

    assert_eq!(scene.failed("cut"), 3);
    assert!(connection.close_reason().is_none(), "the connection remains open");
    scene.honest_nodes_sync().await;
}

#[tokio::test(start_paused = true)]
async fn invalid_frame_header_is_refused() {
    let mut scene = Scene::new(&quiet()).await;
    let connection = scene.connect().await;
    let mut huge = frame_header(0);
    huge[5..].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut strange = frame_header(0);
    strange[0] = b'X';
    for (header, is_expected) in [
        (huge, (|e| matches!(e, DecodeError::OverLimit { .. })) as fn(&DecodeError) -> bool),
        (strange, |e| matches!(e, DecodeError::Magic(_))),
    ] {
        let (mut send, _recv) = connection.open_bi().await.unwrap();
        send.write_all(&header).await.unwrap();
        match scene.failure().await {
            SyncError::Session(SessionError::Frame(why)) => assert!(is_expected(&why), "{why}"),
            other => panic!("{other}"),
        }
    }
    scene.honest_nodes_sync().await;
}

#[tokio::test(start_paused = true)]
async fn advert_flood_is_dropped() {
    let mut config = impatient();
    config.schedule.trigger_jitter = Duration::ZERO;
    let mut scene = Scene::new(&config).await;
    let connection = scene.connect().await;
    let space = SpaceId::new("space").unwrap();
    for round in 0..100_u8 {
        for n in 0..100 {
            let summary = Summary { root: [round ^ n; 32], count: 1, generation: 1 };
            let advert = RootAdvert::encode(&[(space.clone(), summary)], 1000);
            _ = connection.send_datagram(advert.into());
        }
        _ = connection.send_datagram(b"no advert".to_vec().into());
        scene.honest_nodes_sync().await;
    }
    let stats = scene.a.gossip.stats();
    assert!(stats.datagrams_over_limit > 0, "{stats:?}");
    // The first session that an advert triggers gets no answer, so the connection is closed.
    assert!(stats.triggers <= 2, "{stats:?}");
}

/// A node gives up its own dial when it keeps the connection that its peer dialled. The peer must
/// not report this as a refusal.
#[tokio::test(start_paused = true)]
async fn a_remote_that_gives_up_is_not_refused() {
    let mut scene = Scene::new(&quiet()).await;
    let address = scene.a.gossip.local_addr();
    for step in 0..50 {
        let dial =
            scene.client.connect(client_config(Certificate::Of(&scene.bad), &[ALPN]), address);
        _ = timeout(Duration::from_micros(200) * step, dial).await;
    }
    scene.client.connect_and_wait(client_config(Certificate::None, &[ALPN]), address).await;
    let refused = scene.a.wait_for(|event| match event {
        Event::Refused { cause, .. } => Some(cause.clone()),
        _ => None,
    });
    assert_eq!(refused.await, HandshakeError::NoCertificate);
    let failed = scene.a.gossip.stats().connections_failed;
    assert!(!failed.contains_key("abandoned"), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn certificate_chain_over_the_limit_is_refused() {
    let mut scene = Scene::new(&quiet()).await;
    for (length, is_taken) in [(limits::MAX_CHAIN, true), (limits::MAX_CHAIN + 1, false)] {
        let certificate = Certificate::Chain { of: &scene.bad, length };
        let config = client_config(certificate, &[ALPN]);
        let connection = scene.client.connect(config, scene.a.gossip.local_addr()).await.unwrap();
        if is_taken {
            scene.a.connected_to(scene.bad.id()).await;
            continue;
        }
        let refused = scene.a.wait_for(|event| match event {
            Event::Refused { cause, .. } => Some(cause.clone()),
            _ => None,
        });
        let refused = refused.await;
        assert!(matches!(refused, HandshakeError::UnusableCertificate(_)), "{refused}");
        connection.closed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn peer_that_never_answers_is_disconnected() {
    let mut scene = Scene::new(&impatient()).await;
    let connection = scene.connect().await;
    let result = scene.a.gossip.sync_with(scene.bad.id()).await;
    assert_eq!(result, Err(SyncError::TimedOut(TimedStep::Answer)));
    connection.closed().await;
    let status = scene.a.gossip.peers();
    let bad = status.iter().find(|peer| peer.member.id == scene.bad.id()).unwrap();
    let expected = HandshakeError::TimedOut;
    assert!(
        matches!(&bad.connection, ConnectionState::BackOff { cause, .. } if *cause == expected)
    );
    scene.honest_nodes_sync().await;
}

#[tokio::test(start_paused = true)]
async fn unknown_dialers_exclude_no_member() {
    let mut scene = Scene::new(&quiet()).await;
    let address = scene.a.gossip.local_addr();
    let strangers: Vec<_> = (0..100)
        .map(|_| {
            let client = RawClient::on(&scene.network, [10, 0, 0, 99]);
            tokio::spawn(async move {
                let config = client_config(Certificate::None, &[ALPN]);
                client.connect_and_wait(config, address).await
            })
        })
        .collect();
    scene.connect().await;
    for stranger in strangers {
        stranger.await.unwrap();
    }
    scene.honest_nodes_sync().await;
    assert_eq!(scene.a.gossip.peers().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn false_root_is_reported_as_stalled() {
    let mut scene = Scene::new(&quiet()).await;
    let (a, bad) = (&mut scene.a, &scene.bad);
    let truth = Store::new(bad.id(), &["space"]);
    let mut config = quiet();
    config.network = Some(scene.network.clone());
    let roster_of_liar = roster([a.member()]);
    let lies = Arc::new(Liar(truth));
    let liar = Gossip::bind(config, bad.identity(), roster_of_liar, parameters(), lies).unwrap();
    let address = liar.local_addr().to_string();
    a.gossip.set_roster(roster([a.member(), scene.b.member(), absent(bad, &address)]));
    for _ in 0..limits::STALLED_AFTER {
        let report = a.gossip.sync_with(bad.id()).await.unwrap();
        assert!(!report.is_equal() && !report.changed_us(), "{report:?}");
    }
    let stalled = a.wait_for(|event| match event {
        Event::Stalled { peer, sessions, not_accepted: false } => Some((*peer, *sessions)),
        _ => None,
    });
    assert_eq!(stalled.await, (bad.id(), limits::STALLED_AFTER));
}

#[tokio::test(start_paused = true)]
async fn replayed_adverts_soon_open_no_session() {
    let mut config = impatient();
    config.schedule.trigger_jitter = Duration::ZERO;
    let mut scene = Scene::new(&config).await;
    let old = scene.a.gossip.advert(1000);
    scene.honest_nodes_sync().await;
    let before = scene.a.gossip.stats();
    for _ in 0..3 {
        // The faulty member reconnects, because it is disconnected when it does not answer.
        let connection = scene.connect().await;
        for _ in 0..100 {
            _ = connection.send_datagram(old.clone().into());
            sleep(Duration::from_millis(20)).await;
        }
        connection.close(VarInt::from_u32(0), b"");
        sleep(limits::HANDSHAKE_TIMEOUT).await;
    }
    let after = scene.a.gossip.stats();
    assert!(after.adverts_received > before.adverts_received + 20, "the adverts arrived");
    let triggers = after.triggers - before.triggers;
    assert!((1..=6).contains(&triggers), "{triggers}");
    assert_eq!(scene.failed("timed_out"), triggers, "each is counted by its reason");
    scene.honest_nodes_sync().await;
}

#[tokio::test(start_paused = true)]
async fn false_replacement_close_fails_the_session() {
    let mut scene = Scene::new(&quiet()).await;
    let connection = scene.connect().await;
    let gossip = scene.a.gossip.clone();
    let bad = scene.bad.id();
    let session = tokio::spawn(async move { gossip.sync_with(bad).await });
    let _stream = connection.accept_bi().await.unwrap();
    connection.close(VarInt::from_u32(2), b"replaced");
    assert_eq!(session.await.unwrap(), Err(HandshakeError::NoAddress.into()));
    scene.honest_nodes_sync().await;
}

#[tokio::test(start_paused = true)]
async fn refused_stranger_displaces_no_events() {
    let mut scene = Scene::new(&quiet()).await;
    let address = scene.a.gossip.local_addr();
    let refused = |event: &Event| match event {
        Event::Refused { times, .. } => Some(*times),
        _ => None,
    };
    for _ in 0..20 {
        scene.client.connect_and_wait(client_config(Certificate::None, &[ALPN]), address).await;
    }
    assert_eq!(scene.a.wait_for(refused).await, 1);
    sleep(limits::REFUSED_PERIOD).await;
    scene.client.connect_and_wait(client_config(Certificate::None, &[ALPN]), address).await;
    assert_eq!(scene.a.wait_for(refused).await, 20);
}
