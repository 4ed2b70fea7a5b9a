//! Measures how much a misbehaving remote slows down other nodes, which do the same work with and
//! without it in virtual time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::common::liar::Liar;
use crate::common::raw::{Certificate, RawClient, client_config};
use crate::common::scene::{ALPN, Scene, frame_header};
use crate::common::store::{Store, parameters};
use crate::common::{Cluster, Ready, absent, quiet, roster};
use engram_gossip_net::{Conditions, Gossip, MemoryNetwork, Replicas, Stats, Validity};
use engram_gossip_proto::{
    FrameHeader, HEADER_LEN, RootAdvert, Session, SessionConfig, SpaceId, Summary,
};
use quinn::{Connection, RecvStream, VarInt};
use tokio::time::{Instant, sleep};

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A kind of misbehaviour, which the remote repeats.
#[derive(Clone, Copy, Debug)]
enum Mischief {
    OpensStreams,
    SaysOneByteAMinute,
    HalfCloses,
    ResetsWithinAFrame,
    FloodsAdverts,
    PlaysOldAdvertsAgain,
    HasNoCertificate,
    HasAnotherAuthority,
    IsNotInTheRoster,
    HasNoKeyOfItsOwn,
    SpeaksAnotherVersion,
    SpeaksNoVersion,
    HasExpired,
}

use Mischief::*;

/// The attacked node, and the available credentials.
struct Door {
    network: MemoryNetwork,
    address: SocketAddr,
    old_advert: Vec<u8>,
    member: Ready,
    outsider: Ready,
    foreigner: Ready,
    expired: Ready,
}

impl Mischief {
    /// Repeats the misbehaviour until the task is aborted.
    async fn go_on(self, door: Door) {
        let client = RawClient::on(&door.network, [10, 0, 0, 66]);
        loop {
            let (certificate, alpn) = self.shows(&door);
            let config = client_config(certificate, alpn);
            if let Ok(connection) = client.connect(config, door.address).await {
                tokio::select! {
                    _ = connection.closed() => {}
                    () = self.misuse(&connection, &door) => {}
                }
            }
            sleep(MILLISECOND).await;
        }
    }

    fn shows<'a>(self, door: &'a Door) -> (Certificate<'a>, &'static [&'static [u8]]) {
        let (certificate, key) = (&door.member, &door.outsider);
        let certificate = match self {
            HasNoCertificate => Certificate::None,
            HasAnotherAuthority => Certificate::Of(&door.foreigner),
            IsNotInTheRoster => Certificate::Of(&door.outsider),
            HasNoKeyOfItsOwn => Certificate::Stolen { certificate, key },
            HasExpired => Certificate::Of(&door.expired),
            _ => Certificate::Of(&door.member),
        };
        match self {
            SpeaksAnotherVersion => (certificate, &[b"engram-gossip/2"]),
            SpeaksNoVersion => (certificate, &[]),
            _ => (certificate, &[ALPN]),
        }
    }

    async fn misuse(self, connection: &Connection, door: &Door) {
        for turn in 0_u64.. {
            match self {
                FloodsAdverts | PlaysOldAdvertsAgain => {
                    sleep(MILLISECOND).await;
                    let mut advert = door.old_advert.clone();
                    if matches!(self, FloodsAdverts) {
                        let mut root = [0; 32];
                        root[..8].copy_from_slice(&turn.to_be_bytes());
                        let summary = Summary { root, count: turn, generation: turn };
                        let space = SpaceId::new("space").unwrap();
                        advert = RootAdvert::encode(&[(space, summary)], 1000);
                    }
                    _ = connection.send_datagram(advert.into());
                    continue;
                }
                _ => {}
            }
            let Ok((mut send, recv)) = connection.open_bi().await else { return };
            match self {
                SaysOneByteAMinute => {
                    for byte in frame_header(1000) {
                        _ = send.write_all(&[byte]).await;
                        sleep(Duration::from_secs(60)).await;
                    }
                }
                HalfCloses => {
                    _ = send.finish();
                    _ = send.stopped().await;
                }
                ResetsWithinAFrame => {
                    _ = send.write_all(&frame_header(1000)).await;
                    sleep(MILLISECOND * 50).await;
                    _ = send.reset(VarInt::from_u32(0));
                }
                _ => {
                    _ = send.write_all(&[0]).await;
                    _ = send.reset(VarInt::from_u32(0));
                }
            }
            drop(recv);
        }
    }

    /// The number of times that the node counted this misbehaviour under the matching reason.
    fn counted(self, stats: &Stats) -> u64 {
        let failed = |reason| stats.sessions_failed.get(reason).copied().unwrap_or_default();
        let refused = |reason| stats.connections_failed.get(reason).copied().unwrap_or_default();
        match self {
            OpensStreams | HalfCloses | ResetsWithinAFrame => failed("cut"),
            SaysOneByteAMinute => failed("timed_out"),
            FloodsAdverts => stats.datagrams_over_limit,
            PlaysOldAdvertsAgain => failed("timed_out"),
            HasNoCertificate => refused("no_certificate"),
            HasAnotherAuthority => refused("other_authority"),
            IsNotInTheRoster => refused("not_in_roster"),
            HasNoKeyOfItsOwn => refused("key_not_proved"),
            SpeaksAnotherVersion | SpeaksNoVersion => refused("wire_version"),
            HasExpired => refused("expired"),
        }
    }
}

/// Starts two honest nodes on a network with a latency of ten milliseconds.
async fn scene() -> Scene {
    let cluster = Cluster::new();
    let member = cluster.issue("member");
    let scene = Scene::with(&quiet(), cluster, member).await;
    let mut conditions = Conditions::default();
    conditions.latency = MILLISECOND * 10;
    scene.network.set_conditions(conditions);
    scene
}

/// Returns the time that the honest nodes take for their work, without the pauses.
async fn work(scene: &Scene) -> Duration {
    let mut took = Duration::ZERO;
    for n in 0..60 {
        sleep(MILLISECOND * 300).await;
        scene.b.store.write(&format!("news {n}"));
        let begun = Instant::now();
        // Sync in both directions: a node has separate permits for sessions that it opens and
        // accepts.
        for (one, other) in [(&scene.b, &scene.a), (&scene.a, &scene.b)] {
            assert!(one.gossip.sync_with(other.id()).await.unwrap().is_equal());
        }
        took += begun.elapsed();
    }
    took
}

fn no_dearer(undisturbed: Duration, disturbed: Duration, by: &str) {
    let ratio = disturbed.as_secs_f64() / undisturbed.as_secs_f64();
    println!("{by}: sessions of other nodes take {ratio:.2} times as long");
    assert!(ratio <= 1.5, "{by}: {disturbed:?} instead of {undisturbed:?}");
}

#[tokio::test(start_paused = true)]
async fn misbehaving_peer_barely_slows_others() {
    let undisturbed = work(&scene().await).await;
    let now = SystemTime::now();
    for mischief in [
        OpensStreams,
        SaysOneByteAMinute,
        HalfCloses,
        ResetsWithinAFrame,
        FloodsAdverts,
        PlaysOldAdvertsAgain,
        HasNoCertificate,
        HasAnotherAuthority,
        IsNotInTheRoster,
        HasNoKeyOfItsOwn,
        SpeaksAnotherVersion,
        SpeaksNoVersion,
        HasExpired,
    ] {
        let scene = scene().await;
        let expired = Validity { from: now - HOUR * 2, until: now - HOUR };
        let old_advert = scene.a.gossip.advert(1000);
        let door = Door {
            network: scene.network.clone(),
            address: scene.a.gossip.local_addr(),
            old_advert,
            outsider: scene.cluster.issue("outsider"),
            foreigner: Cluster::new().issue("foreigner"),
            expired: scene.cluster.issue_for("expired", expired),
            member: scene.bad.clone(),
        };
        let bad = tokio::spawn(mischief.go_on(door));
        let disturbed = work(&scene).await;
        bad.abort();
        no_dearer(undisturbed, disturbed, &format!("{mischief:?}"));
        let stats = scene.a.gossip.stats();
        assert!(mischief.counted(&stats) > 0, "{mischief:?}: {stats:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn lasting_false_root_barely_slows_others() {
    let undisturbed = work(&scene().await).await;
    let scene = scene().await;
    let mut config = quiet();
    config.network = Some(scene.network.clone());
    config.schedule.advert_interval = MILLISECOND * 10;
    let identity = scene.bad.identity();
    let lies = Arc::new(Liar(Store::new(scene.bad.id(), &["space"])));
    let members = roster([scene.a.member()]);
    let liar = Gossip::bind(config, identity, members, parameters(), lies).unwrap();
    let address = liar.local_addr().to_string();
    let all = [scene.a.member(), scene.b.member(), absent(&scene.bad, &address)];
    scene.a.gossip.set_roster(roster(all));
    let disturbed = work(&scene).await;
    no_dearer(undisturbed, disturbed, "LiesAboutItsRoot");
    let stats = scene.a.gossip.stats();
    assert!(stats.triggers > 0 && stats.adverts_received > 100, "{stats:?}");
    // After each session without progress, the node reacts more rarely to adverts from the peer.
    assert!(stats.triggers < stats.adverts_received / 10, "{stats:?}");
    let peers = scene.a.gossip.peers();
    let bad = peers.iter().find(|peer| peer.member.id == scene.bad.id()).unwrap();
    assert!(bad.stalled_sessions > 0 && bad.equal_ago.is_none(), "{bad:?}");
}

/// Accepts a session over a store, and sends one frame per second, each with at most one record.
async fn drip(connection: Connection, store: Arc<Store>) {
    let (mut send, mut recv) = connection.accept_bi().await.unwrap();
    let space = SpaceId::new("space").unwrap();
    let views = vec![(space.clone(), store.pin(&space).unwrap())];
    let config = SessionConfig { max_patterns_per_sync: 1, ..SessionConfig::default() };
    let begun = Instant::now();
    let mut session =
        Session::accept(config, parameters(), [7; 8], views, begun.elapsed()).unwrap();
    while session.outcome().is_none() {
        let frame = read_frame(&mut recv).await;
        _ = session.handle_frame(&frame, begun.elapsed());
        while let Some(frame) = session.poll_frame(begun.elapsed()) {
            sleep(MILLISECOND * 1_000).await;
            send.write_all(&frame).await.unwrap();
        }
    }
}

async fn read_frame(recv: &mut RecvStream) -> Vec<u8> {
    let mut frame = vec![0; HEADER_LEN];
    recv.read_exact(&mut frame).await.unwrap();
    let header = FrameHeader::parse(frame.first_chunk().unwrap()).unwrap();
    frame.resize(HEADER_LEN + header.body_len(), 0);
    recv.read_exact(&mut frame[HEADER_LEN..]).await.unwrap();
    frame
}

/// A member advertises the root of another one, and then sends one record per second.
#[tokio::test(start_paused = true)]
async fn dripping_peer_delays_no_news() {
    let mut config = quiet();
    // The nodes learn of each other's writes only from the adverts below.
    config.schedule.advert_fanout = 0;
    let mut scene = Scene::new(&config).await;
    let connection = scene.connect().await;
    let slow = Store::new(scene.bad.id(), &["space"]);
    (0..100).for_each(|n| slow.write(&format!("drop {n}")));
    let dripping = tokio::spawn(drip(connection, slow));
    scene.b.store.write("news");
    let advert = scene.b.gossip.advert(1_000);
    scene.a.gossip.handle_advert(scene.bad.id(), &advert).unwrap();
    while scene.a.store.ids().is_empty() {
        sleep(MILLISECOND * 100).await;
    }
    scene.a.gossip.handle_advert(scene.b.id(), &advert).unwrap();
    let begun = Instant::now();
    while !scene.a.store.ids().contains(&"news".to_owned()) {
        sleep(MILLISECOND * 100).await;
        assert!(begun.elapsed() < MILLISECOND * 5_000, "the other session still waits");
    }
    assert!(scene.a.store.ids().len() < 20 && !dripping.is_finished());
}
