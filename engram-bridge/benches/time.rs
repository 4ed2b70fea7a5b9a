//! Measures `update_cache`, which Engram's scheduler calls, alone and until the snapshot is durable; the time until a
//! peer's change reaches the cache; and the comparison across ids. The floor is the time to hash the snapshot once.

#[allow(dead_code, unreachable_pub, reason = "Engram's types have more than a benchmark needs")]
mod chrono {
    include!("../examples/engram_stub/chrono.rs");
}
#[allow(dead_code, unreachable_pub, reason = "Engram's types have more than a benchmark needs")]
mod engram_core {
    include!("../examples/engram_stub/engram_core.rs");
}
/// The adapter that the guide shows.
#[allow(dead_code, unreachable_pub, reason = "the adapter is written as a library")]
mod adapter {
    use super::{chrono, engram_core};
    include!("../examples/engram_stub/adapter.rs");
}

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use adapter::Clustered;
use common::snapshot;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use engram_bridge::ConsolidationCacheSource::Scheduler;
use engram_bridge::sync::SpaceView;
use engram_bridge::{
    BeliefUpdateRecord, Binding, ConsolidationCacheSource, ConsolidationService,
    ConsolidationSnapshot, DEFAULT_SPACE, Environment, GossipingConsolidationService,
    InMemoryConsolidationService, SemanticPattern, Space, Store, StoreConfig, Timestamp,
};
use engram_gossip_net::{ClusterCa, Gossip, Identity, NetConfig, Roster, Validity};
use engram_gossip_proto::{Delivery, PatternContent, Prefix, SpaceId, View as _};
use engram_merkle::{AnyHasher, HEADER_LEN, Hasher as _};

mod common;

const COUNT: usize = 10_000;

/// The inner service: a cache that sends a message for each snapshot that it receives.
struct Cache {
    cache: InMemoryConsolidationService,
    given: Mutex<Sender<()>>,
}

impl ConsolidationService for Cache {
    fn cached_snapshot(&self) -> Option<ConsolidationSnapshot> {
        self.cache.cached_snapshot()
    }

    fn update_cache(&self, snapshot: &ConsolidationSnapshot, source: ConsolidationCacheSource) {
        self.cache.update_cache(snapshot, source);
        // Sending fails once the receiver is dropped; nobody waits for the message then.
        _ = self.given.lock().expect("nobody panics").send(());
    }

    fn set_alert_log_path(&self, path: PathBuf) {
        self.cache.set_alert_log_path(path);
    }

    fn alert_log_path(&self) -> PathBuf {
        self.cache.alert_log_path()
    }

    fn recent_updates(&self) -> Vec<BeliefUpdateRecord> {
        self.cache.recent_updates()
    }
}

/// A service without peers, and a receiver that gets a message for each snapshot that reaches its
/// cache.
fn service() -> (GossipingConsolidationService, Receiver<()>) {
    let validity = Validity::days_from(SystemTime::now(), 1);
    let ca = ClusterCa::generate("bench", validity).expect("a certificate authority");
    let node = ca.issue_node("node", validity).expect("a certificate");
    let identity = Identity::from_pem(ca.certificate_pem(), &node.certificate_pem, &node.key_pem);
    let space = SpaceId::new(DEFAULT_SPACE).expect("a name");
    let mut config = StoreConfig::new(node.node_id, [space.clone()]);
    // The comparison runs in the background and would distort the other measurements. `across_ids`
    // measures it separately.
    config.across_ids = None;
    let store = Arc::new(Store::new(config, Environment::system()));
    let gossip = Gossip::bind(
        NetConfig::new(([127, 0, 0, 1], 0).into()),
        identity.expect("an identity"),
        Roster::default(),
        store.parameters(),
        Arc::clone(&store),
    );
    let gossiper = Binding::new(store, gossip.expect("a free port")).gossiper(&space);
    let (given, word) = channel();
    let cache = InMemoryConsolidationService::new();
    let inner = Arc::new(Cache { cache, given: Mutex::new(given) });
    let gossiper = gossiper.expect("the space is hosted");
    let service = GossipingConsolidationService::builder(inner, gossiper).without_belief_log();
    (service.start().expect("the first service of the space"), word)
}

/// The space of a peer, which writes one pattern repeatedly.
fn peer() -> Arc<Space> {
    node(7)
}

fn node(id: u8) -> Arc<Space> {
    let space = SpaceId::new(DEFAULT_SPACE).expect("a name");
    let config = StoreConfig::new([id; 32].into(), [space.clone()]);
    let store = Store::new(config, Environment::system());
    store.space(&space).expect("it is hosted")
}

/// All records of a space, as a session delivers them.
fn delivery(space: &Arc<Space>) -> Delivery<PatternContent> {
    let view = SpaceView::pin(space);
    let mut delivery = Delivery::default();
    for entry in view.entries(&Prefix::ROOT) {
        let record = view.record(&entry.key).expect("it was just listed");
        for (_, digest) in record.parts.iter().flat_map(|part| &part.dots) {
            delivery.contents.push((*digest, view.content(digest).expect("it is live")));
        }
        delivery.records.push(record);
    }
    delivery
}

/// Converts the snapshot to Engram's own types.
fn as_engram(snapshot: &ConsolidationSnapshot) -> engram_core::completion::ConsolidationSnapshot {
    let time = |time: Timestamp| chrono::DateTime::from_timestamp_nanos(time.as_nanoseconds());
    let pattern = |pattern: &Arc<SemanticPattern>| engram_core::completion::SemanticPattern {
        id: pattern.id.clone(),
        embedding: (*pattern.embedding).try_into().expect("real embeddings have 768 numbers"),
        source_episodes: pattern.source_episodes.clone(),
        strength: pattern.strength,
        schema_confidence: engram_core::Confidence::exact(pattern.schema_confidence.raw()),
        last_consolidated: time(pattern.last_consolidated),
    };
    engram_core::completion::ConsolidationSnapshot {
        generated_at: time(snapshot.generated_at),
        patterns: snapshot.patterns.iter().map(pattern).collect(),
        stats: Default::default(),
    }
}

/// Copies the snapshot and all of its patterns, like an engine that owns its patterns.
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
    let (service, word) = service();
    // The call queues the snapshot; the measurement ends when it is durable.
    let submit = |snapshot: &ConsolidationSnapshot| {
        service.update_cache(snapshot, Scheduler);
        runtime.block_on(service.durable()).expect("it is kept in memory");
    };
    submit(&whole);
    group.bench_function(format!("ours/unchanged-{COUNT}"), |bencher| {
        let again = copied(&whole);
        bencher.iter(|| submit(&again));
    });
    group.bench_function(format!("adapter/unchanged-{COUNT}"), |bencher| {
        let (adapter, again) = (Clustered::new(self::service().0), as_engram(&whole));
        let submit = || {
            let scheduler = engram_core::consolidation::ConsolidationCacheSource::Scheduler;
            engram_core::consolidation::ConsolidationService::update_cache(
                &adapter, &again, scheduler,
            );
            runtime.block_on(adapter.durable()).expect("it is kept in memory");
        };
        submit();
        bencher.iter(submit);
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
        // Pass the snapshot by reference. The engine owns it, so the time to drop it is not measured.
        bencher.iter_batched_ref(next, |changed| submit(changed), BatchSize::PerIteration);
    });
    group.bench_function(format!("ours/call-{COUNT}"), |bencher| {
        let again = copied(&whole);
        let wait = || _ = runtime.block_on(service.durable());
        bencher.iter_batched(
            wait,
            |()| service.update_cache(&again, Scheduler),
            BatchSize::PerIteration,
        );
    });
    let (peer, space) = (peer(), service.gossiper().space());
    let mut pattern = (*whole.patterns[COUNT / 2]).clone();
    // Count outside the closure, because criterion calls the closure several times: a repeated version would change
    // nothing, and the measurement would wait for a change forever.
    let mut version = 0;
    group.bench_function(format!("ours/remote-change-{COUNT}"), |bencher| {
        let next = || {
            // The visible pattern cites the new episode, regardless of which version is the most confident.
            version += 1;
            pattern.source_episodes = vec![format!("an episode of a peer, {version}")];
            peer.submit_pattern(&Arc::new(pattern.clone())).expect("it is valid");
            while word.try_recv().is_ok() {}
            delivery(&peer)
        };
        bencher.iter_batched(
            next,
            |delivery| {
                let receipt = SpaceView::pin(space).apply(delivery);
                word.recv().expect("the cache is there");
                receipt
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Measures the time to join a pattern that a peer changed, and to compare it with all others.
fn across_ids(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("across_ids");
    group.sample_size(20);
    let (space, peer, whole) = (node(8), peer(), snapshot(COUNT));
    space.submit(&whole, Scheduler).expect("it is stored");
    while space.compare_across_ids(64) > 0 {}
    let mut pattern = (*whole.patterns[COUNT / 2]).clone();
    let mut version = 0_u32;
    group.bench_function(format!("ours/remote-change-{COUNT}"), |bencher| {
        let next = || {
            version += 1;
            pattern.source_episodes = vec![format!("an episode of a peer, {version}")];
            peer.submit_pattern(&Arc::new(pattern.clone())).expect("it is valid");
            delivery(&peer)
        };
        bencher.iter_batched(
            next,
            |delivery| {
                let receipt = SpaceView::pin(&space).apply(delivery);
                assert_eq!((receipt.applied, space.compare_across_ids(64)), (1, 0));
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, update_cache, across_ids);
criterion_main!(benches);
