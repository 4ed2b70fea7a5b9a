//! A simulated node over the store that ships.

use std::sync::Arc;

use engram_bridge::{
    Confidence, Environment, SemanticPattern, Space, SpaceView, Store, StoreConfig, Submitted,
    Timestamp,
};
use engram_gossip_net::{NodeId, Replicas};
use engram_gossip_proto::sim::{Host, Random};
use engram_gossip_proto::{Parameters, SpaceId, Summary};

use crate::mutant::Mutant;

/// How many numbers an embedding has: few, since the simulation is not about their cost.
pub(crate) const DIMENSION: usize = 4;

/// A node: the real store, and how its engine writes to it.
#[derive(Clone)]
pub(crate) struct Replica {
    store: Arc<Store>,
    mutant: Option<Mutant>,
}

impl Replica {
    /// An empty node number `node`. `entropy` names its lives.
    pub(crate) fn new(
        node: usize,
        spaces: &[SpaceId],
        mut entropy: Random,
        mutant: Option<Mutant>,
    ) -> Self {
        if mutant == Some(Mutant::ReusedIncarnation) {
            entropy = Random::new(7);
        }
        Self { mutant, ..Self::with_dimension(node, spaces, entropy, DIMENSION) }
    }

    /// As [`new`](Self::new), for embeddings of another length.
    pub(crate) fn with_dimension(
        node: usize,
        spaces: &[SpaceId],
        mut entropy: Random,
        dimension: usize,
    ) -> Self {
        let config =
            StoreConfig { dimension, ..StoreConfig::new(node_id(node), spaces.iter().cloned()) };
        let environment = Environment::new(|| Timestamp::EPOCH, move || entropy.bits());
        Self { store: Arc::new(Store::new(config, environment)), mutant: None }
    }

    /// One of the spaces that the node hosts.
    pub(crate) fn space(&self, id: &SpaceId) -> &Arc<Space> {
        self.store.space(id).expect("only hosted spaces are asked for")
    }

    /// How many patterns are visible, in all spaces.
    pub(crate) fn visible(&self) -> u64 {
        self.store.visible_len()
    }

    /// What the engine does after each run, as it ships or as a mutant would have it.
    pub(crate) fn submit(&self, space: &SpaceId, pattern: &Arc<SemanticPattern>) -> Submitted {
        let space = self.space(space);
        let submit = |pattern: &Arc<SemanticPattern>| {
            space.submit_pattern(pattern).expect("simulated patterns are valid")
        };
        let shown = || space.view().patterns.iter().find(|shown| shown.id == pattern.id).cloned();
        match self.mutant {
            Some(Mutant::MergedContext) => {
                space.resolve(pattern).expect("simulated patterns are valid");
                Submitted::Written
            }
            Some(Mutant::NoLastSubmitted) => anew(submit, pattern),
            Some(Mutant::CompareWithVisible) if shown().as_ref() != Some(pattern) => {
                anew(submit, pattern)
            }
            Some(Mutant::CompareWithVisible) => Submitted::Unchanged,
            Some(Mutant::Adopt) if shown().as_ref() == Some(pattern) => Submitted::Unchanged,
            _ => submit(pattern),
        }
    }
}

/// Writes a new version even if the store would not: another content goes first.
fn anew(
    submit: impl Fn(&Arc<SemanticPattern>) -> Submitted,
    pattern: &Arc<SemanticPattern>,
) -> Submitted {
    let mut other = SemanticPattern::clone(pattern);
    other.strength += 1.0;
    submit(&Arc::new(other));
    submit(pattern)
}

impl Host for Replica {
    type View = SpaceView;

    fn parameters(&self) -> Parameters {
        self.store.parameters()
    }

    fn spaces(&self) -> Vec<SpaceId> {
        self.store.spaces()
    }

    fn pin(&self, space: &SpaceId) -> SpaceView {
        self.space(space).pin()
    }

    fn summary(&self, space: &SpaceId) -> Summary {
        self.space(space).summary()
    }
}

/// The id of node number `node`.
pub(crate) fn node_id(node: usize) -> NodeId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&(node as u64 + 1).to_be_bytes());
    NodeId::from(id)
}

/// The space of the scenarios that need but one.
pub(crate) fn default_space() -> SpaceId {
    SpaceId::new(engram_bridge::DEFAULT_SPACE).expect("the default space has a valid name")
}

/// A pattern; each version has another content.
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
