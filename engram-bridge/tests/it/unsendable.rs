//! A node reports a peer's record that exceeds a wire limit in an event and in its metrics. A store
//! refuses such a record, so here the peer is the test itself, with replicas of its own.

use std::sync::Arc;
use std::time::Instant;

use engram_bridge::config::ClusterConfig;
use engram_bridge::{Environment, Store, StoreConfig};
use engram_gossip_net::{Gossip, Identity, Member, NetConfig, Replicas, Roster};
use engram_gossip_proto::limits::MAX_CONTENT_LEN;
use engram_gossip_proto::testing::{ByteMap, ByteMapView};
use engram_gossip_proto::{SpaceId, Summary};

use crate::common::client::get;
use crate::common::process::*;
use crate::common::space;

/// Replicas with one space, which is a map of byte strings.
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

#[tokio::test(flavor = "multi_thread")]
async fn an_unsendable_record_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = <[_; 2]>::try_from(init(folder.path(), 2)).unwrap();
    let config = ClusterConfig::load(&b.join("cluster.toml")).unwrap();
    let [ca, certificate, key] = ["ca.pem", "node.pem", "node.key"].map(|file| b.join(file));
    let identity = Identity::from_files(ca, certificate, key).unwrap();
    let node = identity.node_id();
    let map = ByteMap::new(node.into());
    map.insert("huge", vec![0; MAX_CONTENT_LEN + 1]).unwrap();
    let store = Store::new(StoreConfig::new(node, [space()]), Environment::system());
    let members = config.peers.iter().map(|peer| {
        let (id, name, address) = (peer.node_id, peer.name.clone(), peer.address.clone());
        Member { id, name, address }
    });
    let (network, maps) = (NetConfig::new(config.node.listen), Arc::new(Maps(space(), map)));
    let roster = Roster::new(members).unwrap();
    let _gossip = Gossip::bind(network, identity, roster, store.parameters(), maps).unwrap();

    let mut process = Process::start(&["--config", "cluster.toml"], &a);
    let page = process.event("listening")["page"].as_str().unwrap().to_owned();
    let event = process.event("peer_record_unsendable");
    assert_eq!((&event["pattern"], &event["peer"]), (&"huge".into(), &"node-b".into()));
    let reason = event["reason"].as_str().unwrap();
    assert!(reason.contains("bytes of a content") && reason.contains("written again"), "{reason}");

    let page = page.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let series = r#"engram_gossip_patterns_total{direction="received",result="unsendable"} "#;
    let begun = Instant::now();
    // The counters are updated after the event, at the end of the session.
    let metrics = loop {
        let metrics = get(page, "/metrics/prometheus").await.body;
        let value = metrics.lines().find_map(|line| line.strip_prefix(series)).unwrap();
        if value.parse::<u64>().unwrap() >= 1 {
            break metrics;
        }
        assert!(begun.elapsed() < DEADLINE, "{metrics}");
    };
    let outcome = r#"engram_gossip_sessions_total{outcome="unsendable"} "#;
    assert!(metrics.contains(outcome), "{metrics}");
}
