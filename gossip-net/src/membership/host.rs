//! The host's failure detector, and root adverts in its messages.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use crate::{AdvertError, Gossip, Liveness, Membership, NodeId};

/// The metadata key of the roots in a membership message.
pub const CONSOLIDATION_ROOT: &str = "consolidation_root";
/// Maximum size of the roots in one membership message, in bytes. Roots of this size fit into a
/// datagram together with a SWIM ping.
pub const ADVERT_ROOM: usize = 512;

/// Relays the findings of the host's own failure detector, for a host that already runs SWIM.
///
/// The host's messages may carry this node's roots; see [`Gossip::attach`] and [`Gossip::handle`].
///
/// ```
/// use engram_gossip_net::{HostSwim, Liveness, Membership, NodeId};
/// let (membership, node) = (HostSwim::default(), NodeId::from([7; 32]));
/// membership.set(node, Liveness::Down, Some(3));
/// assert_eq!(membership.liveness(&node), Liveness::Down);
/// ```
#[derive(Debug, Default)]
pub struct HostSwim {
    members: RwLock<BTreeMap<NodeId, (Liveness, Option<u64>)>>,
}

impl HostSwim {
    /// Sets the liveness of `node` and its incarnation.
    pub fn set(&self, node: NodeId, liveness: Liveness, incarnation: Option<u64>) {
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        members.insert(node, (liveness, incarnation));
    }

    /// Removes `node`. Call this method when the host no longer lists the node.
    pub fn forget(&self, node: &NodeId) {
        self.members.write().unwrap_or_else(PoisonError::into_inner).remove(node);
    }

    fn member(&self, node: &NodeId) -> Option<(Liveness, Option<u64>)> {
        self.members.read().unwrap_or_else(PoisonError::into_inner).get(node).copied()
    }
}

impl Membership for HostSwim {
    fn liveness(&self, node: &NodeId) -> Liveness {
        self.member(node).map_or(Liveness::Alive, |(liveness, _)| liveness)
    }

    fn incarnation(&self, node: &NodeId) -> Option<u64> {
        self.member(node)?.1
    }
}

impl Gossip {
    /// Puts this node's roots into the metadata of a membership message of the host, under
    /// [`CONSOLIDATION_ROOT`], in at most [`ADVERT_ROOM`] bytes. If not all spaces fit, successive
    /// messages rotate through them.
    pub fn attach(&self, metadata: &mut BTreeMap<String, Vec<u8>>) {
        metadata.insert(CONSOLIDATION_ROOT.to_owned(), self.advert(ADVERT_ROOM));
    }

    /// Handles the metadata of a membership message that `from` sent. If the roots in it
    /// differ from ours, a session with `from` begins soon in the background. Metadata without
    /// roots is ignored.
    ///
    /// # Errors
    /// The same as those of [`handle_advert`](Self::handle_advert).
    pub fn handle(
        &self,
        from: NodeId,
        metadata: &BTreeMap<String, Vec<u8>>,
    ) -> Result<(), AdvertError> {
        match metadata.get(CONSOLIDATION_ROOT) {
            Some(advert) => self.handle_advert(from, advert),
            None => Ok(()),
        }
    }

    /// Like [`handle`](Self::handle), but identifies the sender by its name in the
    /// [`Roster`](crate::Roster). The roster must use the host's names.
    ///
    /// # Errors
    /// [`AdvertError::UnknownName`] if no member has this name; otherwise the errors of
    /// [`handle_advert`](Self::handle_advert).
    pub fn handle_named(
        &self,
        from: &str,
        metadata: &BTreeMap<String, Vec<u8>>,
    ) -> Result<(), AdvertError> {
        let id = self.roster().named(from).map(|member| member.id);
        self.handle(id.ok_or_else(|| AdvertError::UnknownName(from.to_owned()))?, metadata)
    }
}
