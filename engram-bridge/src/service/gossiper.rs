//! The gossip of one memory space.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use engram_gossip_net::{AdvertError, Gossip, RoundReport};
use engram_gossip_proto::SpaceId;
use engram_merkle::Digest;
use tokio::runtime::Handle;

use crate::durable::storage::StorageError;
use crate::engram::pattern::SemanticPattern;
use crate::engram::ports::{ConsolidationCacheSource, ConsolidationSnapshot};
use crate::replica::operations::Citations;
use crate::replica::report::SubmitReport;
use crate::replica::report::Submitted;
use crate::service::binding::{Binding, Follow};
use crate::service::pending::Pending;
use crate::spaces::error::{AddSpaceError, Incomplete, SubmitError};
use crate::spaces::space::Space;
use crate::spaces::stats::GossipStats;

/// Keeps one memory space equal on all nodes: accepts Engram's consolidated patterns and sends them to the peers in the
/// background.
///
/// Cheap to clone; create one for each memory space. The [`Gossip`] handle runs the network over the same
/// [`Store`](crate::Store); only [`gossip_round`](Self::gossip_round) and [`first_contact`](Self::first_contact) wait
/// for the network.
#[derive(Clone, Debug)]
pub struct ConsolidationGossiper {
    space: Arc<Space>,
    binding: Binding,
}

/// The node does not host this memory space. Add the space, or list it in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this node does not host the space {0}; call Node::add_space, or add it to node.spaces")]
pub struct UnknownSpace(pub SpaceId);

impl Binding {
    /// Hosts `space` from now on, and opens a session with each connected peer: a peer that [learns
    /// spaces](crate::StoreConfig::learn_spaces) then hosts it, too; other peers sync it once they
    /// host it. Returns the space's gossiper. If the space is already hosted, only returns the
    /// gossiper, like [`gossiper`](Self::gossiper).
    ///
    /// Waits for the disk if the store holds state of the space, but never for the network.
    ///
    /// # Errors
    /// [`AddSpaceError`] if there are too many spaces, if the stored state cannot be read, or if
    /// the node is stopped. Nothing was changed.
    pub fn add_space(&self, space: &SpaceId) -> Result<ConsolidationGossiper, AddSpaceError> {
        let hosted = self.host(space)?;
        Ok(ConsolidationGossiper { space: hosted, binding: self.clone() })
    }

    /// Returns the gossiper of one of the store's spaces.
    ///
    /// # Errors
    /// [`UnknownSpace`] if the store does not host it.
    pub fn gossiper(&self, space: &SpaceId) -> Result<ConsolidationGossiper, UnknownSpace> {
        let hosted = self.store().space(space).ok_or_else(|| UnknownSpace(space.clone()))?;
        Ok(ConsolidationGossiper { space: hosted, binding: self.clone() })
    }
}

impl ConsolidationGossiper {
    /// The space: its patterns, and the operations on them.
    pub fn space(&self) -> &Arc<Space> {
        &self.space
    }

    /// The network of the node.
    pub fn gossip(&self) -> &Gossip {
        self.binding.gossip()
    }

    /// The runtime on which the gossip runs.
    pub(crate) fn runtime(&self) -> &Handle {
        self.binding.runtime()
    }

    /// Registers the queue of a service, so that an orderly stop waits for it.
    pub(super) fn register(&self, pending: &Arc<Pending>, follower: Weak<dyn Follow>) {
        self.binding.register(pending, follower);
    }

    /// Waits for the end of the first contact of the space: from then on, submitted patterns are
    /// written and announced to the peers. Returns immediately if the space does not wait.
    /// Cancel-safe.
    ///
    /// # Errors
    /// [`StorageError::Stopped`] if the node was stopped, and the waiting patterns could not be
    /// stored.
    pub async fn first_contact(&self) -> Result<(), StorageError> {
        self.space.first_contact().await
    }

    /// Submits the patterns that this node's engine consolidated, and announces the changes to the
    /// peers.
    ///
    /// Despite its name, which Engram's plan prescribes, it rebuilds nothing: it keeps the patterns
    /// that peers contributed, and those of this node that the engine lost in a restart. See
    /// [`Space::submit`].
    ///
    /// # Errors
    /// [`Incomplete`] if a part of the changes cannot be stored. Earlier parts remain stored; submit the snapshot
    /// again to store the rest.
    pub fn rebuild_from_snapshot(
        &self,
        snapshot: &ConsolidationSnapshot,
        source: ConsolidationCacheSource,
    ) -> Result<SubmitReport, Incomplete<StorageError>> {
        self.space.submit(snapshot, source)
    }

    /// Submits one pattern. See [`Space::submit_pattern`].
    ///
    /// # Errors
    /// [`SubmitError`] if it is not valid or cannot be stored; nothing was stored.
    pub fn update_pattern(&self, pattern: &Arc<SemanticPattern>) -> Result<Submitted, SubmitError> {
        self.space.submit_pattern(pattern)
    }

    /// Withdraws this node's writes under `id`. See [`Space::withdraw`].
    ///
    /// # Errors
    /// [`SubmitError`] if the change cannot be made or stored; nothing was withdrawn.
    pub fn withdraw(&self, id: &str) -> Result<bool, SubmitError> {
        self.space.withdraw(id)
    }

    /// Forgets `id` on all nodes. See [`Space::forget`].
    ///
    /// # Errors
    /// [`SubmitError`] if the change cannot be made or stored; nothing was forgotten.
    pub fn forget(&self, id: &str) -> Result<bool, SubmitError> {
        self.space.forget(id)
    }

    /// Replaces all known versions of a pattern, on all nodes. See [`Space::resolve`].
    ///
    /// # Errors
    /// [`SubmitError`] if it is not valid or cannot be stored; no version was replaced.
    pub fn resolve(
        &self,
        pattern: &Arc<SemanticPattern>,
        citations: Citations,
    ) -> Result<(), SubmitError> {
        self.space.resolve(pattern, citations)
    }

    /// Statistics of the space, and of the writes and the network of the whole node.
    pub fn stats(&self) -> GossipStats {
        let (space, writes) = (self.space.stats(), self.space.write_stats());
        GossipStats { space, writes, network: self.gossip().stats() }
    }

    /// Syncs with a few peers now, in a shuffled round robin, instead of waiting for the timer or
    /// for their adverts. An unreachable peer does not affect the others.
    pub async fn gossip_round(&self) -> RoundReport {
        self.gossip().round().await
    }

    /// The root of the space's Merkle tree: equal on two nodes if and only if their states are.
    pub fn root_hash(&self) -> Digest {
        self.space.root()
    }

    /// Puts the roots of this node's spaces into the metadata of a membership message. See
    /// [`Gossip::attach`].
    pub fn attach_consolidation_gossip(&self, metadata: &mut BTreeMap<String, Vec<u8>>) {
        self.gossip().attach(metadata);
    }

    /// Handles the metadata of a membership message. `from` is the sender's name in the roster. See
    /// [`Gossip::handle_named`].
    ///
    /// # Errors
    /// [`AdvertError`] if no member has this name, or if the roots in the metadata cannot be read.
    /// The node then ignores them.
    pub fn handle_consolidation_gossip(
        &self,
        from: &str,
        metadata: &BTreeMap<String, Vec<u8>>,
    ) -> Result<(), AdvertError> {
        self.gossip().handle_named(from, metadata)
    }
}
