//! From a configuration to what it asks for.

use std::path::Path;
use std::sync::Arc;

use engram_bridge::{ClusterConfig, Environment, Store, StoreConfig, StrategyChoice};
use engram_conflict::{ConfidenceVoting, ConfidenceWeighted, Strategy};
use engram_gossip_net::{Gossip, Identity, Member, NetConfig, NodeId, Roster};
use engram_gossip_proto::Compression;

use crate::Failure;

/// Checks the configuration at `path` and its certificates, and says what it makes of them.
pub(crate) fn check(path: &Path) -> Result<(), Failure> {
    let config = ClusterConfig::load(path)?;
    let identity = identity(&config)?;
    roster(&config, identity.node_id())?;
    println!("{}: {} has the node id {}", path.display(), config.node.name, identity.node_id());
    println!("it hosts {} and knows {} peers", spaces(&config), config.peers.len());
    Ok(())
}

fn spaces(config: &ClusterConfig) -> String {
    let spaces: Vec<_> = config.node.spaces.iter().map(|space| space.as_str()).collect();
    spaces.join(", ")
}

/// The node's identity, believed by a peer of the same cluster.
pub(crate) fn identity(config: &ClusterConfig) -> Result<Identity, Failure> {
    let tls = &config.tls;
    Ok(Identity::from_files(&tls.ca, &tls.certificate, &tls.key)?)
}

/// Who may take part.
pub(crate) fn roster(config: &ClusterConfig, node: NodeId) -> Result<Roster, Failure> {
    if let Some(at) = config.peers.iter().position(|peer| peer.node_id == node) {
        return Err(format!(
            "peers.{at}.node_id is this node's own id ({node}); every node needs its own certificate"
        )
        .into());
    }
    let members = config.peers.iter().map(|peer| Member {
        id: peer.node_id,
        name: peer.name.clone(),
        address: peer.address.clone(),
    });
    Ok(Roster::new(members)?)
}

/// An empty store, and the network over it.
pub(crate) fn start(config: &ClusterConfig) -> Result<(Arc<Store>, Gossip), Failure> {
    let identity = identity(config)?;
    let roster = roster(config, identity.node_id())?;
    let store = Arc::new(Store::new(store_config(config, identity.node_id()), Environment::system()));
    let parameters = store.parameters();
    let network = net_config(config);
    let gossip = Gossip::bind(network, identity, roster, parameters, Arc::clone(&store))?;
    Ok((store, gossip))
}

fn store_config(config: &ClusterConfig, node: NodeId) -> StoreConfig {
    let strategy: Arc<dyn Strategy> = match config.conflict.strategy {
        StrategyChoice::ConfidenceWeighted => Arc::new(ConfidenceWeighted::new()),
        _ => Arc::new(ConfidenceVoting),
    };
    StoreConfig {
        hash: config.merkle_tree.hash,
        depth: config.merkle_tree.depth,
        strategy,
        ..StoreConfig::new(node, config.node.spaces.iter().cloned())
    }
}

fn net_config(config: &ClusterConfig) -> NetConfig {
    let mut network = NetConfig::new(config.node.listen);
    network.interval = config.gossip.interval;
    network.fanout = config.gossip.fanout;
    network.session.max_patterns_per_sync = config.gossip.max_patterns_per_sync;
    network.session.compression = match config.gossip.enable_compression {
        true => Compression::Lz4,
        false => Compression::Off,
    };
    network
}
