//! Three nodes in one process, over QUIC on loopback: each consolidates two patterns, and all of
//! them show all patterns.
//!
//! `cargo run -p engram-bridge --example three_nodes`

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use engram_bridge::{
    Binding, Confidence, ConsolidationCacheSource, ConsolidationService, ConsolidationSnapshot,
    ENGRAM_DIMENSION, Environment, GossipingConsolidationService, InMemoryConsolidationService,
    SemanticPattern, Store, StoreConfig, Timestamp,
};
use engram_gossip_net::{ClusterCa, Gossip, Identity, Member, NetConfig, Roster, Validity};
use engram_gossip_proto::SpaceId;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let validity = Validity::days_from(SystemTime::now(), 1);
    let ca = ClusterCa::generate("example", validity)?;
    let services: Vec<_> = ["ada", "ben", "cyd"]
        .map(|name| start(name, &ca, validity))
        .into_iter()
        .collect::<Result<_, _>>()?;

    // Make all nodes members of each other's roster.
    let members = services.iter().map(|(name, service)| {
        let gossip = service.gossiper().gossip();
        let address = Some(gossip.local_addr().to_string());
        Member { id: gossip.node_id(), name: (*name).to_owned(), address }
    });
    let roster = Roster::new(members)?;
    for (_, service) in &services {
        service.gossiper().gossip().set_roster(roster.clone());
    }

    // Engram's scheduler calls `update_cache` after each run.
    for (name, service) in &services {
        let patterns = vec![pattern(name, name)?, pattern("shared", name)?];
        let snapshot = ConsolidationSnapshot { patterns, ..ConsolidationSnapshot::default() };
        service.update_cache(&snapshot, ConsolidationCacheSource::Scheduler);
        service.durable().await?;
    }

    // Run rounds until all nodes are equal. In a running cluster, adverts and a timer start
    // sessions.
    let root = |at: usize| services[at].1.gossiper().root_hash();
    while root(0) != root(1) || root(1) != root(2) {
        for (_, service) in &services {
            service.gossiper().gossip_round().await;
        }
    }
    for (name, service) in &services {
        println!("{name}: root {:.16}", service.gossiper().root_hash().to_string());
        for pattern in service.cached_snapshot().unwrap_or_default().patterns {
            println!("  {}: cites {}", pattern.id, pattern.source_episodes.join(", "));
        }
        service.gossiper().gossip().shutdown().await;
    }
    Ok(())
}

/// Starts a node; returns its name and the consolidation service for its Engram.
fn start<'n>(
    name: &'n str,
    ca: &ClusterCa,
    validity: Validity,
) -> Result<(&'n str, GossipingConsolidationService), Box<dyn Error>> {
    let node = ca.issue_node(name, validity)?;
    let identity = Identity::from_pem(ca.certificate_pem(), &node.certificate_pem, &node.key_pem)?;
    let space = SpaceId::new("default")?;
    let config = StoreConfig::new(node.node_id, [space.clone()]);
    let store = Arc::new(Store::new(config, Environment::system()));

    let mut network = NetConfig::new(([127, 0, 0, 1], 0).into());
    network.schedule.backoff_min = Duration::from_millis(100);
    let gossip =
        Gossip::bind(network, identity, Roster::default(), store.parameters(), Arc::clone(&store))?;
    let gossiper = Binding::new(store, gossip).gossiper(&space)?;
    let stock = Arc::new(InMemoryConsolidationService::new());
    let service = GossipingConsolidationService::builder(stock, gossiper).without_belief_log();
    Ok((name, service.start()?))
}

fn pattern(id: &str, seen_by: &str) -> Result<Arc<SemanticPattern>, Box<dyn Error>> {
    let seed = seen_by.len() as f32 + f32::from(seen_by.as_bytes()[0]);
    Ok(Arc::new(SemanticPattern {
        id: id.to_owned(),
        embedding: (0..ENGRAM_DIMENSION).map(|i| (seed + i as f32).sin() / 20.0).collect(),
        source_episodes: vec![format!("an episode of {seen_by}")],
        strength: 0.8,
        schema_confidence: Confidence::new(0.8)?,
        last_consolidated: Timestamp::now(),
    }))
}
