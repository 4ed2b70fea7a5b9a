//! A simulated node with the production store.

use std::collections::BTreeSet;
use std::sync::Arc;

use engram_bridge::durable::MemoryStateStore;
use engram_bridge::replica::Caps;
use engram_bridge::sync::SpaceView;
use engram_bridge::{
    Confidence, Environment, SemanticPattern, Space, Store, StoreConfig, Timestamp,
};
use engram_gossip_net::{NodeId, Replicas};
use engram_gossip_proto::sim::{Host, Random};
use engram_gossip_proto::{Parameters, Part, SpaceId, Summary, View};

/// Dimension of an embedding: small, since the simulation does not measure its cost.
const DIMENSION: usize = 4;
/// The clock of every store, fixed at 2026-01-01: a node's versions rise from this time, and take
/// as many bytes as those of a running clock.
const TODAY: Timestamp = Timestamp::from_nanoseconds(1_767_225_600_000_000_000);

/// A simulated node.
#[derive(Clone)]
pub(crate) struct Replica(Arc<Store>);

impl Replica {
    /// An empty node with the number `node`. `random` is the source of the random part of its
    /// versions.
    pub(crate) fn new(node: usize, spaces: &[SpaceId], random: Random) -> Self {
        Self::with_dimension(node, spaces, random, DIMENSION)
    }

    /// Like [`new`](Self::new), with another dimension.
    pub(crate) fn with_dimension(
        node: usize,
        spaces: &[SpaceId],
        random: Random,
        dimension: usize,
    ) -> Self {
        let mut config = StoreConfig::new(node_id(node), spaces.iter().cloned());
        config.dimension = dimension;
        Self(Arc::new(Store::new(config, environment(random))))
    }

    /// A node that starts from the state on `disk`.
    pub(crate) fn stored(node: usize, random: Random, disk: &MemoryStateStore, caps: Caps) -> Self {
        let mut config = StoreConfig::new(node_id(node), [default_space()]);
        (config.dimension, config.caps) = (DIMENSION, caps);
        let store = Store::open(config, environment(random), Arc::new(disk.clone()));
        Self(Arc::new(store.expect("the disk holds what a node wrote")))
    }

    /// Returns a space that the node hosts. Panics for any other space.
    fn space(&self, id: &SpaceId) -> Arc<Space> {
        self.0.space(id).expect("only hosted spaces are requested")
    }

    /// Number of visible patterns in all spaces.
    pub(crate) fn visible(&self) -> u64 {
        self.0.visible_len()
    }

    /// Writes a pattern that the node's engine consolidated.
    pub(crate) fn submit(&self, space: &SpaceId, pattern: &Arc<SemanticPattern>) {
        self.space(space).submit_pattern(pattern).expect("simulated patterns are valid");
    }

    /// Deletes a pattern.
    pub(crate) fn forget(&self, space: &SpaceId, id: &str) {
        self.space(space).forget(id).expect("only the disk can refuse a deletion");
    }

    /// The live dots of a pattern.
    pub(crate) fn dots(&self, id: &str) -> BTreeSet<Dot> {
        let view = self.pin(&default_space());
        let record = view.record(&view.key_of(id));
        let parts = record.into_iter().flat_map(|record| record.parts);
        let of = |part: Part| part.dots.into_iter().map(move |(at, of)| (part.node, at, of));
        parts.flat_map(of).collect()
    }

    /// Tries to write to the disk again.
    pub(crate) fn retry_storage(&self) {
        self.0.retry_storage();
    }

    /// Marks all held records as handled, as a restart does.
    pub(crate) fn handle_all(&self) {
        self.pin(&default_space()).with_clocks(&mut |clocks| {
            let greatest = clocks.greatest();
            greatest.iter().for_each(|(node, version)| clocks.raise(node, version));
        });
    }
}

impl Host for Replica {
    type View = SpaceView;

    fn parameters(&self) -> Parameters {
        self.0.parameters()
    }

    fn spaces(&self) -> Vec<SpaceId> {
        self.0.spaces()
    }

    fn pin(&self, space: &SpaceId) -> SpaceView {
        SpaceView::pin(&self.space(space))
    }

    fn summary(&self, space: &SpaceId) -> Summary {
        self.space(space).summary()
    }
}

/// A live write: its node, its version and the digest of its content.
pub(crate) type Dot = ([u8; 32], u64, [u8; 32]);

/// An environment whose clock is fixed at [`TODAY`]. `random` is the source of the random part of
/// versions.
fn environment(mut random: Random) -> Environment {
    Environment::new(|| TODAY, move || random.bits())
}

/// The id of the node with the number `node`: bytes as incompressible as a hash.
pub(crate) fn node_id(node: usize) -> NodeId {
    let mut random = Random::new(node as u64);
    let mut id = [0; 32];
    id.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&random.bits().to_be_bytes()));
    NodeId::from(id)
}

/// The space of all scenarios.
pub(crate) fn default_space() -> SpaceId {
    SpaceId::new(engram_bridge::DEFAULT_SPACE).expect("the default space has a valid name")
}

/// A pattern whose content depends on the version.
pub(crate) fn pattern(id: &str, version: u32) -> Arc<SemanticPattern> {
    let embedding: Vec<f32> =
        (0..DIMENSION as u32).map(|n| (version % 1021 + n) as f32 / 1024.0).collect();
    Arc::new(SemanticPattern {
        id: id.to_owned(),
        embedding: embedding.into(),
        source_episodes: vec![format!("episode_{version}")],
        strength: 0.5,
        schema_confidence: Confidence::MEDIUM,
        last_consolidated: Timestamp::from_nanoseconds(i64::from(version)),
    })
}
