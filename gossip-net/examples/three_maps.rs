//! Keeps three maps equal over QUIC. In practice, each node runs in its own process.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use engram_gossip_net::proto::testing::{ByteMap, ByteMapView};
use engram_gossip_net::proto::{Parameters, SpaceId, Summary};
use engram_gossip_net::{
    ClusterCa, Gossip, Identity, Member, NetConfig, Replicas, Roster, Validity,
};

/// A node's replicas: one map, in one space.
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

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let validity = Validity::days_from(SystemTime::now(), 30);
    let authority = ClusterCa::generate("three maps", validity)?;
    let (mut nodes, mut members) = (Vec::new(), Vec::new());
    for name in ["a", "b", "c"] {
        let made = authority.issue_node(name, validity)?;
        let certificate = authority.certificate_pem();
        let identity = Identity::from_pem(certificate, &made.certificate_pem, &made.key_pem)?;
        let map = ByteMap::new(made.node_id.into());
        let maps = Arc::new(Maps(SpaceId::new("default")?, map.clone()));
        let config = NetConfig::new("127.0.0.1:0".parse()?);
        let parameters = Parameters::new("sha256", 12);
        let gossip = Gossip::bind(config, identity, Roster::default(), parameters, maps)?;
        let address = Some(gossip.local_addr().to_string());
        members.push(Member { id: made.node_id, name: name.into(), address });
        map.insert(name, format!("written on {name}"))?;
        nodes.push((gossip, map));
    }
    for (gossip, _) in &nodes {
        gossip.set_roster(Roster::new(members.clone())?);
        gossip.announce(); // Call this after each later write, too.
    }
    while nodes.iter().any(|(_, map)| map.to_map().len() < 3) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("each has {:?}", nodes[0].1.to_map().keys());
    Ok(())
}
