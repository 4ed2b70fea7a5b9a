//! Stores, patterns and deliveries for the tests of the replicated state.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use engram_bridge::durable::MemoryStateStore;
use engram_bridge::sync::SpaceView;
use engram_bridge::{
    Confidence, Environment, SemanticPattern, Space, Store, StoreConfig, Timestamp,
};
use engram_gossip_net::NodeId;
use engram_gossip_proto::{PatternContent, Prefix, Record, SpaceId, View};

/// A delivery from a session to a store.
pub(crate) type Delivery = engram_gossip_proto::Delivery<PatternContent>;

/// The space of all tests that need only one.
pub(crate) fn space() -> SpaceId {
    SpaceId::new("default").unwrap()
}

pub(crate) fn only_space(store: &Store) -> Arc<Space> {
    store.space(&space()).unwrap()
}

/// The id of a node. Node numbers begin at 1.
pub(crate) fn node_id(number: u8) -> NodeId {
    NodeId::from([number; 32])
}

pub(crate) fn store_config(number: u8) -> StoreConfig {
    let mut config = StoreConfig::new(node_id(number), [space()]);
    config.dimension = 4;
    config
}

/// A node's store in memory. All such stores of a process share one strictly increasing clock.
pub(crate) fn store(number: u8) -> Arc<Store> {
    Arc::new(Store::new(store_config(number), ticking()))
}

/// Opens the store of a node on the rows of `disk`.
pub(crate) fn open(number: u8, disk: &MemoryStateStore) -> Arc<Store> {
    let store = Store::open(store_config(number), ticking(), Arc::new(disk.clone()));
    Arc::new(store.unwrap())
}

pub(crate) fn ticking() -> Environment {
    static TIME: AtomicI64 = AtomicI64::new(1_893_456_000_000_000_000);
    environment(|| TIME.fetch_add(1_024, Ordering::Relaxed), || 0)
}

/// Returns an environment with this clock, in nanoseconds, and this randomness.
pub(crate) fn environment(
    clock: impl Fn() -> i64 + Send + Sync + 'static,
    random: impl FnMut() -> u64 + Send + 'static,
) -> Environment {
    Environment::new(move || Timestamp::from_nanoseconds(clock()), random)
}

/// Returns a pattern of four dimensions, which depends only on the arguments.
pub(crate) fn pattern(id: &str, value: u8) -> Arc<SemanticPattern> {
    let x = f32::from(value);
    Arc::new(SemanticPattern {
        id: id.to_owned(),
        embedding: Arc::from([1.0, x * 0.5, -x / 3.0, x * x]),
        source_episodes: vec![format!("episode-{value}"), "shared".to_owned()],
        strength: 0.25 + x / 7.0,
        // Many patterns have equal confidence, so that ties must be broken.
        schema_confidence: Confidence::new(f32::from(value % 3) * 0.3).unwrap(),
        last_consolidated: Timestamp::from_nanoseconds(i64::from(value) * 1_000),
    })
}

/// A record with the contents that it names, as a peer would send them.
pub(crate) fn with_contents(
    view: &impl View<Content = PatternContent>,
    record: Record,
) -> Delivery {
    let dots = record.parts.iter().flat_map(|part| &part.dots);
    let contents = dots.map(|(_, digest)| (*digest, view.content(digest).unwrap())).collect();
    Delivery { records: vec![record], contents }
}

/// Everything that `space` holds, as a peer would send it.
pub(crate) fn everything(space: &Arc<Space>) -> Delivery {
    let view = SpaceView::pin(space);
    let mut all = Delivery::default();
    for entry in view.entries(&Prefix::ROOT) {
        let one = with_contents(&view, view.record(&entry.key).unwrap());
        all.records.extend(one.records);
        all.contents.extend(one.contents);
    }
    all
}

/// The bytes of the visible patterns.
pub(crate) fn bytes(space: &Space) -> Vec<u8> {
    let mut bytes = Vec::new();
    for pattern in space.view().patterns {
        bytes.extend(pattern.id.as_bytes());
        bytes.push(0);
        bytes.extend(pattern.embedding.iter().flat_map(|x| x.to_bits().to_le_bytes()));
        for episode in &pattern.source_episodes {
            bytes.extend(episode.as_bytes());
            bytes.push(0);
        }
        bytes.extend(pattern.strength.to_bits().to_le_bytes());
        bytes.extend(pattern.schema_confidence.raw().to_bits().to_le_bytes());
        bytes.extend(pattern.last_consolidated.as_nanoseconds().to_le_bytes());
    }
    bytes
}
