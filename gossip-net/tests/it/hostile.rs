//! Members gone bad: whatever they do is bounded, counted by reason, and costs the others nothing.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::common::raw::{Certificate, RawClient, client_config, raw_client};
use crate::common::store::{Store, parameters};
use crate::common::{Cluster, Node, Ready, absent, quiet, roster, take};
use engram_gossip_net::{
    ConnectionState, Event, Gossip, HandshakeError, NetConfig, Replicas, SyncError, limits,
};
use engram_gossip_proto::{
    Content, DecodeError, Delivery, Entry, FrameHeader, HEADER_LEN, Prefix, Receipt, Record,
    RootAdvert, SessionError, SpaceId, Summary, View,
};
use quinn::{Connection, VarInt};

/// Two honest nodes and a member that they trust.
struct Scene {
    a: Node,
    b: Node,
    bad: Ready,
    client: RawClient,
}

impl Scene {
    async fn new(config: &NetConfig) -> Self {
        let cluster = Cluster::new();
        let [mut a, b] = take(cluster.start(&["a", "b"], config));
        a.connected_to(b.id()).await;
        let bad = cluster.issue("bad");
        let mut member = absent(&bad, "");
        member.address = None;
        a.gossip.set_roster(roster([a.member(), b.member(), member]));
        Self { a, b, bad, client: raw_client() }
    }

    /// The bad member's connection to `a`, which has accepted it.
    async fn connect(&mut self) -> Connection {
        let config = client_config(Certificate::Of(&self.bad), &[b"engram-gossip/1"]);
        let connection = self.client.connect(config, self.a.gossip.local_addr()).await.unwrap();
        self.a.connected_to(self.bad.id()).await;
        connection
    }

    /// How the session that the bad member opened ended at `a`.
    async fn failure(&mut self) -> SyncError {
        let bad = self.bad.id();
        let failed = self.a.wait_for(|event| match event {
            Event::SessionFailed { peer, cause } if *peer == bad => Some(cause.clone()),
            _ => None,
        });
        failed.await
    }

    /// The honest nodes go on as if nothing was the matter.
    async fn honest_nodes_sync(&self) {
        self.b.store.write(&format!("news {}", self.b.store.ids().len()));
        for (one, other) in [(&self.a, &self.b), (&self.b, &self.a)] {
            assert!(one.gossip.sync_with(other.id()).await.unwrap().is_equal());
        }
        assert_eq!(self.a.store.roots(), self.b.store.roots());
    }

    /// Checks that `attempt` does not succeed while the honest nodes go on.
    async fn in_vain<T>(&self, attempt: impl Future<Output = T>) {
        tokio::select! {
            _ = attempt => panic!("it should have been held back"),
            () = async { for _ in 0..10 { self.honest_nodes_sync().await } } => {}
        }
    }
}

fn impatient() -> NetConfig {
    let mut config = quiet();
    config.session.idle_timeout = Duration::from_millis(200);
    config
}

#[tokio::test]
async fn ten_thousand_streams_take_no_turn_of_the_others() {
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
    let at_once = scene.a.gossip.stats().sessions_refused;
    assert!(at_once > 0, "one session at a time, one in the queue, the others are refused");
}

#[tokio::test]
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

#[tokio::test]
async fn unread_bytes_are_held_back_at_the_sender() {
    let mut scene = Scene::new(&quiet()).await;
    let connection = scene.connect().await;
    let (mut first, _recv) = connection.open_bi().await.unwrap();
    first.write_all(b"E").await.unwrap();
    // The second one waits for the first, unread.
    let (mut second, _recv) = connection.open_bi().await.unwrap();
    let window = usize::try_from(limits::STREAM_WINDOW).unwrap();
    second.write_all(&vec![0; window]).await.unwrap();
    scene.in_vain(second.write_all(&[0])).await;
}

#[tokio::test]
async fn a_peer_that_drips_bytes_gains_no_time() {
    let mut scene = Scene::new(&impatient()).await;
    let connection = scene.connect().await;
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    let drip = tokio::spawn(async move {
        let mut pause = tokio::time::interval(Duration::from_millis(20));
        for byte in frame_header(1000).into_iter().chain(std::iter::repeat(0)) {
            pause.tick().await;
            if send.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    });
    let failure = scene.failure().await;
    assert!(matches!(failure, SyncError::Session(SessionError::TimedOut(_))), "{failure}");
    scene.honest_nodes_sync().await;
    drip.abort();
}

#[tokio::test]
async fn half_closed_cut_and_reset_streams_end_their_session_only() {
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

    assert!(connection.close_reason().is_none(), "the connection stays");
    scene.honest_nodes_sync().await;
}

#[tokio::test]
async fn what_is_no_frame_is_refused_by_its_header() {
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

#[tokio::test]
async fn a_flood_of_adverts_is_dropped_and_its_sender_soon_ignored() {
    let mut config = impatient();
    config.trigger_jitter = Duration::ZERO;
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
    // The first session it triggers finds nobody who answers, and the connection is given up.
    assert!(stats.triggers <= 2, "{stats:?}");
}

#[tokio::test]
async fn a_session_for_which_there_is_no_permit_is_refused_as_busy() {
    let mut config = quiet();
    config.inbound_sessions = 1;
    let mut scene = Scene::new(&config).await;
    let connection = scene.connect().await;
    // It opens a session, and says no more. That takes the only permit.
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&frame_header(1000)).await.unwrap();
    assert_eq!(scene.b.gossip.sync_with(scene.a.id()).await, Err(SyncError::Busy));
    send.reset(VarInt::from_u32(0)).unwrap();
    assert_eq!(scene.failure().await, SyncError::Cut);
    _ = recv.stop(VarInt::from_u32(0));
    scene.honest_nodes_sync().await;
}

#[tokio::test]
async fn a_chain_beyond_the_limit_is_not_looked_at() {
    let mut scene = Scene::new(&quiet()).await;
    for (length, is_taken) in [(limits::MAX_CHAIN, true), (limits::MAX_CHAIN + 1, false)] {
        let certificate = Certificate::Chain { of: &scene.bad, length };
        let config = client_config(certificate, &[b"engram-gossip/1"]);
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

#[tokio::test]
async fn a_peer_that_answers_no_session_is_taken_for_dead() {
    let mut scene = Scene::new(&impatient()).await;
    let connection = scene.connect().await;
    let result = scene.a.gossip.sync_with(scene.bad.id()).await;
    assert_eq!(result, Err(SyncError::TimedOut("answer")));
    connection.closed().await;
    let status = scene.a.gossip.peers();
    let bad = status.iter().find(|peer| peer.member.id == scene.bad.id()).unwrap();
    let expected = HandshakeError::TimedOut;
    assert!(
        matches!(&bad.connection, ConnectionState::BackOff { cause, .. } if *cause == expected)
    );
    scene.honest_nodes_sync().await;
}

#[tokio::test]
async fn a_hundred_strangers_at_the_door_keep_nobody_out() {
    let mut scene = Scene::new(&quiet()).await;
    let address = scene.a.gossip.local_addr();
    let strangers: Vec<_> = (0..100)
        .map(|_| {
            tokio::spawn(async move {
                let config = client_config(Certificate::None, &[b"engram-gossip/1"]);
                raw_client().connect_and_wait(config, address).await
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

#[tokio::test]
async fn a_peer_that_lies_about_its_root_is_reported_as_stalled() {
    let cluster = Cluster::new();
    let [mut a] = take(cluster.start(&["a"], &quiet()));
    let bad = cluster.issue("liar");
    let truth = Store::new(bad.id(), &["space"]);
    let liar = Gossip::bind(
        quiet(),
        bad.identity(),
        roster([a.member()]),
        parameters(),
        Arc::new(Liar(truth)),
    )
    .unwrap();
    let address = liar.local_addr().to_string();
    a.gossip.set_roster(roster([a.member(), absent(&bad, &address)]));
    for _ in 0..limits::STALLED_AFTER {
        let report = a.gossip.sync_with(bad.id()).await.unwrap();
        assert!(!report.is_equal() && !report.changed_us(), "{report:?}");
    }
    let stalled = a.wait_for(|event| match event {
        Event::Stalled { peer, sessions } => Some((*peer, *sessions)),
        _ => None,
    });
    assert_eq!(stalled.await, (bad.id(), limits::STALLED_AFTER));
}

/// The header of a frame with a body of `len` bytes.
fn frame_header(len: u32) -> [u8; HEADER_LEN] {
    let mut header = [b'E', b'G', 1, 1, 0, 0, 0, 0, 0];
    header[5..].copy_from_slice(&len.to_le_bytes());
    FrameHeader::parse(&header).unwrap();
    header
}

/// Replicas whose roots are never the same twice.
struct Liar(Arc<Store>);

struct Lie<V>(V);

impl Replicas for Liar {
    type View = Lie<<Store as Replicas>::View>;

    fn spaces(&self) -> Vec<SpaceId> {
        self.0.spaces()
    }

    fn pin(&self, space: &SpaceId) -> Option<Self::View> {
        self.0.pin(space).map(Lie)
    }

    fn summary(&self, space: &SpaceId) -> Option<Summary> {
        self.0.summary(space).map(lie)
    }
}

fn lie(summary: Summary) -> Summary {
    Summary { root: [0xee; 32], ..summary }
}

impl<V: View> View for Lie<V> {
    fn summary(&self) -> Summary {
        lie(self.0.summary())
    }

    fn count(&self, prefix: &Prefix) -> u64 {
        self.0.count(prefix)
    }

    fn children(&self, prefix: &Prefix) -> [Option<[u8; 8]>; 16] {
        self.0.children(prefix)
    }

    fn entries(&self, prefix: &Prefix) -> Vec<Entry> {
        self.0.entries(prefix)
    }

    fn record(&self, key: &[u8; 32]) -> Option<Record> {
        self.0.record(key)
    }

    fn content(&self, digest: &[u8; 32]) -> Option<Content> {
        self.0.content(digest)
    }

    fn holds(&self, digest: &[u8; 32]) -> bool {
        self.0.holds(digest)
    }

    fn key_of(&self, id: &str) -> [u8; 32] {
        self.0.key_of(id)
    }

    fn apply(&mut self, delivery: Delivery) -> Receipt {
        self.0.apply(delivery)
    }

    fn live_summary(&self) -> Summary {
        lie(self.0.live_summary())
    }
}
