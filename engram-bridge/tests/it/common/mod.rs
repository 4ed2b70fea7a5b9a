//! Helpers for the integration tests.

#![allow(dead_code, reason = "each test file uses a different part of this module")]

#[cfg(feature = "http")]
pub(crate) mod client;
#[cfg(feature = "files")]
pub(crate) mod cluster;
#[cfg(feature = "node")]
pub(crate) mod process;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use engram_bridge::durable::{OpenError, StateStore};
use engram_bridge::sync::SpaceView;
use engram_bridge::{
    Confidence, ConsolidationSnapshot, Environment, SemanticPattern, Space, Store, StoreConfig,
    Timestamp,
};
use engram_gossip_net::{NodeId, Replicas};
use engram_gossip_proto::{
    Part, PatternContent, Prefix, Receipt, Record, Session, SessionConfig, SpaceId, View,
};
use engram_vclock::Dot;

/// A delivery from a session to a store.
pub(crate) type Delivery = engram_gossip_proto::Delivery<PatternContent>;

/// The space of all tests that need only one.
pub(crate) fn space() -> SpaceId {
    SpaceId::new("default").unwrap()
}

/// A node's store in memory. All such stores of a process share one strictly increasing clock.
pub(crate) fn store(node: u8, dimension: usize) -> Store {
    let (config, environment) = parts(node, dimension);
    Store::new(config, environment)
}

/// Opens a node's store of four dimensions on the rows of `kept`, with the clock of [`store`].
pub(crate) fn open(node: u8, kept: impl StateStore + 'static) -> Result<Store, OpenError> {
    let (config, environment) = parts(node, 4);
    Store::open(config, environment, Arc::new(kept))
}

pub(crate) fn parts(node: u8, dimension: usize) -> (StoreConfig, Environment) {
    let mut config = StoreConfig::new(NodeId::from([node; 32]), [space()]);
    config.dimension = dimension;
    (config, Environment::new(tick, || 0))
}

/// Reads a clock that advances with each reading.
pub(crate) fn tick() -> Timestamp {
    static TICKS: AtomicI64 = AtomicI64::new(1_800_000_000_000_000_000);
    Timestamp::from_nanoseconds(TICKS.fetch_add(1_024, Ordering::Relaxed))
}

pub(crate) fn only_space(store: &Store) -> Arc<Space> {
    store.space(&space()).unwrap()
}

/// Returns a pattern of four dimensions, which depends only on the arguments.
pub(crate) fn pattern(id: &str, content: u8) -> Arc<SemanticPattern> {
    let x = f32::from(content);
    Arc::new(SemanticPattern {
        id: id.to_owned(),
        embedding: Arc::from([1.0, x * 0.5, -x / 3.0, x * x]),
        source_episodes: vec!["shared".to_owned(), format!("episode-{content}")],
        strength: 0.25 + x / 7.0,
        // Many patterns have equal confidence, so that ties must be broken.
        schema_confidence: Confidence::new(f32::from(content % 3) * 0.3).unwrap(),
        last_consolidated: Timestamp::from_nanoseconds(i64::from(content) * 1_000),
    })
}

pub(crate) fn snapshot(patterns: Vec<Arc<SemanticPattern>>) -> ConsolidationSnapshot {
    ConsolidationSnapshot { patterns, ..ConsolidationSnapshot::default() }
}

/// Every record of a space with the contents that it names, as a session sends them to a peer.
pub(crate) fn everything(space: &Arc<Space>) -> Delivery {
    let view = SpaceView::pin(space);
    let mut delivery = Delivery::default();
    for entry in view.entries(&Prefix::ROOT) {
        let record = view.record(&entry.key).unwrap();
        for (_, digest) in dots(&record) {
            delivery.contents.push((digest, view.content(&digest).unwrap()));
        }
        delivery.records.push(record);
    }
    delivery
}

/// The live dots of a record, each with the digest of its content.
pub(crate) fn dots(record: &Record) -> impl Iterator<Item = (Dot, [u8; 32])> {
    let of_part = |part: &Part| {
        let dot = |(version, digest): &(u64, [u8; 32])| (Dot::new(part.node, *version), *digest);
        part.dots.iter().map(dot).collect::<Vec<_>>()
    };
    record.parts.iter().flat_map(of_part)
}

pub(crate) fn deliver(delivery: Delivery, to: &Arc<Space>) -> Receipt {
    let receipt = SpaceView::pin(to).apply(delivery);
    assert_eq!(receipt.rejected, []);
    receipt
}

pub(crate) fn records(space: &Arc<Space>) -> BTreeMap<String, Record> {
    everything(space).records.into_iter().map(|record| (record.id.clone(), record)).collect()
}

/// The bytes of all visible patterns of a space.
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

/// The state and the view of a space, which must eventually be equal on all nodes.
pub(crate) fn fingerprint(space: &Space) -> (String, Vec<u8>) {
    (space.root().to_string(), bytes(space))
}

/// Runs a session between two nodes, frame by frame. Returns whether they are equal afterwards.
pub(crate) fn sync(one: &Store, other: &Store) -> bool {
    sync_under(1, one, other)
}

/// Like [`sync`], with this byte in the opener's half of the key.
pub(crate) fn sync_under(key: u8, one: &Store, other: &Store) -> bool {
    let now = Duration::ZERO;
    let pinned = |store: &Store| vec![(space(), Replicas::pin(store, &space()).unwrap())];
    let (config, parameters) = (SessionConfig::default, one.parameters());
    let mut opener =
        Session::open(config(), parameters.clone(), [key; 8], pinned(one), now).unwrap();
    let mut acceptor = Session::accept(config(), parameters, [2; 8], pinned(other), now).unwrap();
    while opener.outcome().is_none() || acceptor.outcome().is_none() {
        let mut moved = false;
        while let Some(frame) = opener.poll_frame(now) {
            acceptor.handle_frame(&frame, now).unwrap();
            moved = true;
        }
        while let Some(frame) = acceptor.poll_frame(now) {
            opener.handle_frame(&frame, now).unwrap();
            moved = true;
        }
        assert!(moved, "both sides wait for each other");
    }
    one.root() == other.root()
}
