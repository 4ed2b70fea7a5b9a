//! Contents at and beyond the limits of the wire format, and beyond the remaining quota, over QUIC.

use std::sync::Arc;
use std::time::Duration;

use engram_gossip_net::proto::testing::{ByteMap, ByteMapView};
use engram_gossip_net::{
    Event, Events, Gossip, Member, MemoryNetwork, NetConfig, NodeId, Rate, Replicas, Roster,
};
use engram_gossip_proto::limits::MAX_CONTENT_LEN;
use engram_gossip_proto::{
    Ending, Event as Noticed, Holder, Parameters, PatternContent, SpaceId, Summary, Unsendable,
    check_content,
};
use tokio::time::{sleep, timeout};

use crate::common::{Cluster, DEADLINE, quiet, settled, take};

/// One map, in one space.
struct Maps(SpaceId, ByteMap);

impl Replicas for Maps {
    type View = ByteMapView;

    fn spaces(&self) -> Vec<SpaceId> {
        vec![self.0.clone()]
    }

    fn pin(&self, space: &SpaceId) -> Option<ByteMapView> {
        (*space == self.0).then(|| self.1.pin())
    }

    fn summary(&self, space: &SpaceId) -> Option<Summary> {
        (*space == self.0).then(|| self.1.summary())
    }
}

/// A node that replicates byte strings.
struct Node {
    gossip: Gossip,
    map: ByteMap,
    events: Events,
}

impl Node {
    fn id(&self) -> NodeId {
        self.gossip.node_id()
    }

    /// Waits for the first event that `pick` accepts.
    async fn wait_for<T>(&mut self, pick: impl Fn(&Event) -> Option<T>) -> T {
        let picked = async {
            loop {
                let event = self.events.next().await.expect("the node is running");
                if let Some(picked) = pick(&event) {
                    return picked;
                }
            }
        };
        timeout(DEADLINE, picked).await.expect("the event arrives in time")
    }

    async fn unsendable(&mut self) -> Unsendable {
        let noticed = |event: &Event| match event {
            Event::Noticed { what: Noticed::Unsendable(record), .. } => Some(record.clone()),
            _ => None,
        };
        self.wait_for(noticed).await
    }
}

/// Starts two nodes, and waits until they are connected.
async fn connected(config: &NetConfig) -> [Node; 2] {
    let cluster = Cluster::new();
    let start = |name: &str| {
        let ready = cluster.issue(name);
        let map = ByteMap::new(ready.id().into());
        let maps = Arc::new(Maps(SpaceId::new("default").unwrap(), map.clone()));
        let (identity, parameters) = (ready.identity(), Parameters::new("sha256", 12));
        let gossip = Gossip::bind(config.clone(), identity, Roster::default(), parameters, maps);
        let gossip = gossip.unwrap();
        let events = gossip.events();
        let address = Some(gossip.local_addr().to_string());
        let member = Member { id: ready.id(), name: name.into(), address };
        (Node { gossip, map, events }, member)
    };
    let [(mut a, of_a), (mut b, of_b)] = ["a", "b"].map(start);
    for node in [&a, &b] {
        node.gossip.set_roster(Roster::new([of_a.clone(), of_b.clone()]).unwrap());
    }
    for node in [&mut a, &mut b] {
        node.wait_for(|event| matches!(event, Event::Connected { .. }).then_some(())).await;
    }
    [a, b]
}

/// Starts two nodes, and waits until each has received the other's first advert, so that
/// unannounced writes trigger no session immediately.
async fn pair() -> [Node; 2] {
    let nodes = connected(&quiet()).await;
    let heard = async {
        while nodes.iter().any(|node| node.gossip.stats().adverts_received == 0) {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, heard).await.expect("every connection begins with an advert");
    nodes
}

/// Returns `len` incompressible bytes.
fn noise(len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.u8(..)).take(len).collect()
}

const MIB: usize = 1 << 20;

#[tokio::test]
async fn ten_mebibytes_travel() {
    let [a, b] = pair().await;
    let large = noise(10 * MIB);
    b.map.insert("large", large.clone()).unwrap();
    let report = a.gossip.sync_with(b.id()).await.unwrap();
    assert_eq!(report.outcome.result, Ending::InSync);
    assert!(report.bytes_received > 10 << 20);
    assert!(a.map.get("large") == Some(large));
}

#[tokio::test]
async fn a_pattern_of_the_maximum_size_travels() {
    let largest = PatternContent {
        id: "largest".into(),
        embedding: (0..PatternContent::MAX_DIMENSION).map(|n| 1.0 / (n + 1) as f32).collect(),
        source_episodes: (0..PatternContent::MAX_EPISODES)
            .map(|n| format!("{n:0width$}", width = PatternContent::MAX_EPISODE_ID))
            .collect(),
        strength: 1.0,
        schema_confidence: 0.5,
        last_consolidated: 0,
    };
    check_content(&largest).unwrap();
    let [a, b] = take(Cluster::new().start(&["a", "b"], &quiet()));
    settled(&[&a, &b]).await;
    b.store.write_content(largest.clone());
    let report = a.gossip.sync_with(b.id()).await.unwrap();
    assert_eq!(report.outcome.result, Ending::InSync);
    assert!(a.store.contents() == [largest]);
}

#[tokio::test]
async fn both_nodes_name_an_unsendable_record() {
    let [mut a, mut b] = pair().await;
    b.map.insert("huge", vec![0; MAX_CONTENT_LEN + 1]).unwrap();
    b.map.insert("small", "small").unwrap();
    let report = a.gossip.sync_with(b.id()).await.unwrap();
    assert_eq!(
        (report.outcome.result.clone(), report.reason()),
        (Ending::Unsendable, "unsendable")
    );
    assert_eq!(report.outcome.stats.peer_unsendable, 1);
    for (node, holder) in [(&mut a, Holder::Peer), (&mut b, Holder::Us)] {
        let record = node.unsendable().await;
        assert_eq!((&*record.id, record.holder), ("huge", holder));
        assert!(record.what.contains("bytes of a content"), "{}", record.what);
    }
    assert!(a.map.get("small").is_some() && a.map.get("huge").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_used_up_quota_makes_nothing_unsendable() {
    let mut config = quiet();
    config.network = Some(MemoryNetwork::new(3));
    let [a, b] = connected(&config).await;
    b.map.insert("large", noise(10 * MIB)).unwrap();
    b.map.insert("small", "small").unwrap();
    // The remaining quota is smaller than the content.
    let mut limits = a.gossip.limits();
    limits.peer.bytes = Rate { per_second: 1, burst: 60 };
    a.gossip.set_limits(limits).unwrap();
    let report = a.gossip.sync_with(b.id()).await.unwrap();
    assert_eq!(report.outcome.result, Ending::BudgetSpent);
    assert!(report.outcome.unsendable.is_empty(), "{:?}", report.outcome.unsendable);
    assert!(a.map.get("small").is_some(), "other records are not delayed");
    // The quota recovers.
    a.gossip.set_limits(Default::default()).unwrap();
    sleep(Duration::from_secs(60)).await;
    let report = a.gossip.sync_with(b.id()).await.unwrap();
    assert_eq!(report.outcome.result, Ending::InSync);
    assert_eq!(a.map.get("large").map(|bytes| bytes.len()), Some(10 * MIB));
}
