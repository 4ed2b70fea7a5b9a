//! A memory space's seat at the gossip.

use std::collections::BTreeMap;
use std::sync::Arc;

use engram_gossip_net::{AdvertError, Gossip, NodeId, RoundReport};
use engram_gossip_proto::SpaceId;
use engram_merkle::Digest;

use crate::{
    ConsolidationCacheSource, ConsolidationSnapshot, GossipStats, Reaper, SemanticPattern, Space,
    StorageError, Store, SubmitError, SubmitReport, Submitted,
};

/// The key under which membership metadata carries the roots of a node.
pub const CONSOLIDATION_ROOT: &str = "consolidation_root";

/// How many bytes the roots take at most: they fit a datagram beside a SWIM ping.
pub const ADVERT_ROOM: usize = 512;

/// Keeps one memory space equal on all nodes: Engram's consolidation goes in, gossip goes on by
/// itself.
///
/// Cheap to clone; make one for each memory space. The network runs in the [`Gossip`] handle, over
/// the same [`Store`]; nothing here waits for it but [`gossip_round`](Self::gossip_round).
#[derive(Clone, Debug)]
pub struct ConsolidationGossiper {
    space: Arc<Space>,
    gossip: Gossip,
    /// Deletions leave as long as anybody takes part.
    _reaper: Option<Arc<Reaper>>,
}

/// A memory space that this node does not host. Name it in the store's configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this node does not host the space {0}; add it to node.spaces")]
pub struct UnknownSpace(pub SpaceId);

impl ConsolidationGossiper {
    /// The seat of `space`. `gossip` must have been bound to the same store.
    ///
    /// # Errors
    /// [`UnknownSpace`] if the store does not host it.
    pub fn new(store: &Store, space: &SpaceId, gossip: Gossip) -> Result<Self, UnknownSpace> {
        let space = store.space(space).cloned().ok_or_else(|| UnknownSpace(space.clone()))?;
        Ok(Self { space, gossip, _reaper: None })
    }

    /// The seat keeps `reaper` at work.
    #[cfg(feature = "config")]
    pub(crate) fn with_reaper(self, reaper: Arc<Reaper>) -> Self {
        Self { _reaper: Some(reaper), ..self }
    }

    /// The space: its patterns, and what an operator does to them.
    pub fn space(&self) -> &Arc<Space> {
        &self.space
    }

    /// The network.
    pub fn gossip(&self) -> &Gossip {
        &self.gossip
    }

    /// Takes what this node's engine consolidated, and lets the peers know if it is news.
    ///
    /// In spite of its name, which is the one Engram's plan gave it, it replaces nothing: patterns
    /// that peers contributed stay, and so do own ones that the engine has lost in a restart. See
    /// [`Space::submit`].
    ///
    /// # Errors
    /// [`StorageError`] if what is new cannot be stored. Nothing was changed; submit it again.
    pub fn rebuild_from_snapshot(
        &self,
        snapshot: &ConsolidationSnapshot,
        source: ConsolidationCacheSource,
    ) -> Result<SubmitReport, StorageError> {
        let report = self.space.submit(snapshot, source)?;
        self.announce_if(report.written > 0);
        Ok(report)
    }

    /// Takes one pattern, and lets the peers know if it is news. See [`Space::submit_pattern`].
    ///
    /// # Errors
    /// [`SubmitError`] if it is not valid or cannot be stored; nothing was changed.
    pub fn update_pattern(&self, pattern: &Arc<SemanticPattern>) -> Result<Submitted, SubmitError> {
        let submitted = self.space.submit_pattern(pattern)?;
        self.announce_if(submitted == Submitted::Written);
        Ok(submitted)
    }

    /// Takes back what this node wrote under `id`, and lets the peers know. See [`Space::withdraw`].
    ///
    /// # Errors
    /// [`StorageError`] if it cannot be stored; nothing was changed.
    pub fn withdraw(&self, id: &str) -> Result<bool, StorageError> {
        self.space.withdraw(id).inspect(|done| self.announce_if(*done))
    }

    /// Deletes `id` on all nodes. See [`Space::forget`].
    ///
    /// # Errors
    /// [`StorageError`] if it cannot be stored; nothing was changed.
    pub fn forget(&self, id: &str) -> Result<bool, StorageError> {
        self.space.forget(id).inspect(|done| self.announce_if(*done))
    }

    /// Replaces all known versions of a pattern, on all nodes. See [`Space::resolve`].
    ///
    /// # Errors
    /// [`SubmitError`] if it is not valid or cannot be stored; nothing was changed.
    pub fn resolve(&self, pattern: &Arc<SemanticPattern>) -> Result<(), SubmitError> {
        self.space.resolve(pattern).inspect(|()| self.announce_if(true))
    }

    fn announce_if(&self, changed: bool) {
        if changed {
            self.gossip.announce();
        }
    }

    /// How the space and its gossip stand. O(records); waits for whoever writes at the moment.
    pub fn stats(&self) -> GossipStats {
        let (space, writes) = (self.space.stats(), self.space.write_stats());
        GossipStats { space, writes, network: self.gossip.stats() }
    }

    /// Syncs with a few random peers now, instead of waiting for the timer or for their adverts. A
    /// peer that cannot be reached costs the others nothing.
    pub async fn gossip_round(&self) -> RoundReport {
        self.gossip.round().await
    }

    /// The root of the space's Merkle tree: equal on two nodes if and only if their states are.
    pub fn root_hash(&self) -> Digest {
        self.space.root()
    }

    /// Puts the roots of this node's spaces into the metadata of a membership message, under
    /// [`CONSOLIDATION_ROOT`], in at most [`ADVERT_ROOM`] bytes. With more spaces than fit, the
    /// messages that follow name the others.
    pub fn attach_consolidation_gossip(&self, metadata: &mut BTreeMap<String, Vec<u8>>) {
        metadata.insert(CONSOLIDATION_ROOT.to_owned(), self.gossip.advert(ADVERT_ROOM));
    }

    /// Takes the metadata of a membership message that `from` sent. If its roots differ from ours,
    /// a session with it begins soon, in the background. Metadata without roots mean nothing.
    ///
    /// # Errors
    /// [`AdvertError`] if `from` is not in the roster or its roots cannot be read. They are ignored.
    pub fn handle_consolidation_gossip(
        &self,
        from: NodeId,
        metadata: &BTreeMap<String, Vec<u8>>,
    ) -> Result<(), AdvertError> {
        match metadata.get(CONSOLIDATION_ROOT) {
            Some(advert) => self.gossip.handle_advert(from, advert),
            None => Ok(()),
        }
    }
}
