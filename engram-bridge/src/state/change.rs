//! Changes on their way into the state: planned, settled, prepared.

use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_merkle::{AnyHasher, Digest, Tree};
use engram_vclock::VectorClock;

use crate::content::Content;
use crate::deletions::Since;
use crate::record::{self, Record};
use crate::rows::Root;

/// What one operation leaves of one pattern id.
pub(crate) struct Change {
    pub(crate) id: Arc<str>,
    /// The new record, if it changed. The bottom means that nothing is to be remembered of it.
    pub(crate) record: Option<Record>,
    /// Contents that the new record names; those already held are left as they are.
    pub(crate) contents: Vec<Content>,
    pub(crate) last_submitted: Option<Digest>,
    /// The node that wrote the change, if it came from a peer.
    pub(crate) origin: Option<NodeId>,
}

/// Where changes lead to, before anybody sees it.
pub(crate) struct Prepared {
    pub(super) settled: Vec<Settled>,
    pub(super) tree: Tree<Arc<str>, AnyHasher>,
    /// When, if it leaves a deletion.
    pub(super) since: Since,
    /// What is added to the floor.
    pub(super) raised: VectorClock,
}

/// Where one change leads to.
pub(crate) struct Settled {
    pub(crate) id: Arc<str>,
    /// The new record, if it changed.
    pub(crate) record: Option<Record>,
    pub(crate) last_submitted: Option<Digest>,
    /// Contents that the record names and that were not held.
    pub(crate) added: Vec<Content>,
    /// Contents that were held and that no record names any more.
    pub(crate) dropped: Vec<Digest>,
    pub(super) origin: Option<NodeId>,
}

impl Prepared {
    pub(crate) fn settled(&self) -> &[Settled] {
        &self.settled
    }

    /// Since when nothing is live of the id, if so.
    pub(crate) fn since(&self, settled: &Settled) -> Option<Since> {
        let record = settled.record.as_ref()?;
        let deleted = record::is_deleted(record) && !record::is_bottom(record);
        deleted.then_some(self.since)
    }

    /// What the floor takes up, if anything.
    pub(crate) fn raised(&self) -> Option<&VectorClock> {
        (!self.raised.is_empty()).then_some(&self.raised)
    }

    /// The root that the state will have.
    pub(crate) fn stored_root(&self) -> Root {
        Root { root: self.tree.root(), count: self.tree.len() as u64 }
    }
}

impl Settled {
    /// Whether nothing is to be remembered of the id.
    pub(crate) fn is_gone(&self) -> bool {
        self.last_submitted.is_none() && self.record.as_ref().is_some_and(record::is_bottom)
    }
}
