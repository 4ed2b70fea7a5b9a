//! What Engram's scheduler waits for: `update_cache`, beside hashing the snapshot once.

use std::hint::black_box;
use std::sync::Arc;
use std::time::SystemTime;

use common::snapshot;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use engram_bridge::{
    ConsolidationCacheSource::Scheduler, ConsolidationGossiper, ConsolidationService as _,
    ConsolidationSnapshot, DEFAULT_SPACE, Environment, GossipingConsolidationService,
    InMemoryConsolidationService, SemanticPattern, Store, StoreConfig,
};
use engram_gossip_net::{ClusterCa, Gossip, Identity, NetConfig, Roster, Validity};
use engram_gossip_proto::SpaceId;
use engram_merkle::{AnyHasher, HEADER_LEN, Hasher as _};

mod common;

const COUNT: usize = 10_000;

/// A service that nobody else talks to.
fn service() -> GossipingConsolidationService {
    let validity = Validity::days_from(SystemTime::now(), 1);
    let ca = ClusterCa::generate("bench", validity).expect("a certificate authority");
    let node = ca.issue_node("node", validity).expect("a certificate");
    let identity = Identity::from_pem(ca.certificate_pem(), &node.certificate_pem, &node.key_pem);
    let space = SpaceId::new(DEFAULT_SPACE).expect("a name");
    let config = StoreConfig::new(node.node_id, [space.clone()]);
    let store = Arc::new(Store::new(config, Environment::system()));
    let gossip = Gossip::bind(
        NetConfig::new(([127, 0, 0, 1], 0).into()),
        identity.expect("an identity"),
        Roster::default(),
        store.parameters(),
        Arc::clone(&store),
    );
    let gossiper = ConsolidationGossiper::new(&store, &space, gossip.expect("a free port"));
    let inner = Arc::new(InMemoryConsolidationService::new());
    GossipingConsolidationService::new(inner, gossiper.expect("the space is hosted"))
}

/// The snapshot with copies of all patterns, as an engine hands it over that owns its patterns.
fn copied(snapshot: &ConsolidationSnapshot) -> ConsolidationSnapshot {
    let copy = |pattern: &Arc<SemanticPattern>| {
        let embedding = pattern.embedding.to_vec().into();
        Arc::new(SemanticPattern { embedding, ..(**pattern).clone() })
    };
    ConsolidationSnapshot {
        patterns: snapshot.patterns.iter().map(copy).collect(),
        ..snapshot.clone()
    }
}

fn bytes(pattern: &SemanticPattern) -> Vec<u8> {
    let mut bytes = pattern.id.as_bytes().to_vec();
    bytes.extend(pattern.embedding.iter().flat_map(|x| x.to_le_bytes()));
    bytes.extend(pattern.source_episodes.iter().flat_map(|episode| episode.bytes()));
    bytes
}

fn update_cache(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _entered = runtime.enter();
    let mut group = criterion.benchmark_group("update_cache");
    group.sample_size(20);
    let whole = snapshot(COUNT);
    group.bench_function(format!("floor/hash-{COUNT}"), |bencher| {
        let all: Vec<Vec<u8>> = whole.patterns.iter().map(|pattern| bytes(pattern)).collect();
        bencher.iter(|| {
            for bytes in &all {
                black_box(AnyHasher::Sha256.hash(&[0; HEADER_LEN], bytes));
            }
        });
    });
    let service = service();
    service.update_cache(&whole, Scheduler);
    group.bench_function(format!("ours/unchanged-{COUNT}"), |bencher| {
        let again = copied(&whole);
        bencher.iter(|| service.update_cache(&again, Scheduler));
    });
    group.bench_function(format!("ours/one-changed-{COUNT}"), |bencher| {
        let mut version = 0_u32;
        let mut changed = copied(&whole);
        let next = || {
            version += 1;
            let pattern = Arc::make_mut(&mut changed.patterns[COUNT / 2]);
            pattern.strength = 0.5 + version as f32 * 1e-6;
            changed.clone()
        };
        bencher.iter_batched(
            next,
            |changed| service.update_cache(&changed, Scheduler),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, update_cache);
criterion_main!(benches);
