//! Two Engrams, each with its own consolidation, that come to know the same. Engram itself is
//! played by a stand-in with its signatures; the adapter is the one that a real Engram needs.
//!
//! `cargo run -p engram-bridge --example engram_stub`

/// The adapter, as the documentation shows it.
#[allow(unreachable_pub, reason = "in a program of its own it would be a library")]
mod adapter {
    use super::engram;
    include!("adapter.rs");
}
#[allow(dead_code, unreachable_pub, reason = "Engram's types have more than an example needs")]
mod engram;

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use adapter::Clustered;
use engram_bridge::{
    Binding, ConsolidationGossiper, Environment, GossipingConsolidationService,
    InMemoryConsolidationService, Store, StoreConfig,
};
use engram_gossip_net::{ClusterCa, Gossip, Identity, Member, NetConfig, Roster, Validity};
use engram_gossip_proto::SpaceId;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let validity = Validity::days_from(SystemTime::now(), 1);
    let ca = ClusterCa::generate("example", validity)?;
    let (ada, ben) = (start("ada", &ca, validity)?, start("ben", &ca, validity)?);
    let member = |name: &str, gossiper: &ConsolidationGossiper| Member {
        id: gossiper.gossip().node_id(),
        name: name.to_owned(),
        address: Some(gossiper.gossip().local_addr().to_string()),
    };
    let roster = Roster::new([member("ada", &ada.1), member("ben", &ben.1)])?;
    for (_, gossiper) in [&ada, &ben] {
        gossiper.gossip().set_roster(roster.clone());
    }

    // What Engram's scheduler does after each run.
    let scheduler = engram::ConsolidationCacheSource::Scheduler;
    ada.0.consolidation_service().update_cache(&snapshot("rain", "ada"), scheduler);
    ben.0.consolidation_service().update_cache(&snapshot("snow", "ben"), scheduler);
    while ada.1.root_hash() != ben.1.root_hash() {
        ada.1.gossip_round().await;
    }

    for (name, (store, gossiper)) in [("ada", &ada), ("ben", &ben)] {
        let service = store.consolidation_service();
        let merged = service.cached_snapshot().expect("both have consolidated");
        println!("{name} logs to {} and shows", service.alert_log_path().display());
        for pattern in merged.patterns {
            let confidence = pattern.schema_confidence.raw();
            println!("  {} ({confidence}), from {:?}", pattern.id, pattern.source_episodes);
        }
        for update in service.recent_updates() {
            let (id, change) = (update.pattern_id, update.confidence_delta);
            println!("  {id}: confidence {change:+}, by {:?}", update.source);
        }
        gossiper.gossip().shutdown().await;
    }
    Ok(())
}

/// A node, and Engram's store on top of it.
fn start(
    name: &str,
    ca: &ClusterCa,
    validity: Validity,
) -> Result<(engram::MemoryStore, ConsolidationGossiper), Box<dyn Error>> {
    let node = ca.issue_node(name, validity)?;
    let identity = Identity::from_pem(ca.certificate_pem(), &node.certificate_pem, &node.key_pem)?;
    let space = SpaceId::new("default")?;
    let config = StoreConfig::new(node.node_id, [space.clone()]);
    let store = Arc::new(Store::new(config, Environment::system()));
    let network = NetConfig::new(([127, 0, 0, 1], 0).into());
    let (roster, parameters) = (Roster::default(), store.parameters());
    let gossip = Gossip::bind(network, identity, roster, parameters, Arc::clone(&store))?;

    let gossiper = Binding::new(store, gossip).gossiper(&space)?;
    let stock = Arc::new(InMemoryConsolidationService::new());
    let service = GossipingConsolidationService::new(stock, gossiper.clone());
    let clustered = Arc::new(Clustered(service, Mutex::default()));
    Ok((engram::MemoryStore::with_consolidation_service(clustered), gossiper))
}

/// What a consolidation run of Engram leaves.
fn snapshot(topic: &str, node: &str) -> engram::ConsolidationSnapshot {
    let pattern = engram::SemanticPattern {
        id: format!("pattern_{topic}"),
        embedding: std::array::from_fn(|at| (at as f32 / 768.0).sin()),
        source_episodes: vec![format!("{node}-1"), format!("{node}-1"), format!("{node}-2")],
        strength: 0.9,
        schema_confidence: engram::Confidence::exact(0.9),
        last_consolidated: engram::DateTime::from_timestamp_nanos(1_750_000_000_000_000_000),
    };
    engram::ConsolidationSnapshot {
        generated_at: engram::DateTime::from_timestamp_nanos(1_750_000_300_000_000_000),
        patterns: vec![pattern],
        stats: engram::ConsolidationStats::default(),
    }
}
