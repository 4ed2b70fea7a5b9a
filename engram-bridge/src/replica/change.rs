//! Changes on their way into the state: planned, staged, installed.

use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_merkle::{AnyHasher, Digest, Tree};

use crate::engram::timestamp::Timestamp;
use crate::replica::content::Content;
use crate::replica::entry::Entry;
use crate::replica::placement::Placement;
use crate::replica::record::{LastWrite, Record};

/// The row of one pattern id after an operation.
pub(crate) struct Change {
    pub(crate) id: Arc<str>,
    /// The new record, if it changes.
    pub(crate) record: Option<Record>,
    /// Contents that the new record names. A content that is already held is not replaced.
    pub(crate) contents: Vec<Content>,
    pub(crate) last_submitted: Option<Digest>,
    pub(crate) last_write: Option<LastWrite>,
    /// The node that wrote the change, if it came from a peer.
    pub(crate) origin: Option<NodeId>,
}

impl Change {
    /// A change that leaves the row as it is; the caller fills in what changes.
    pub(crate) fn of(id: &Arc<str>, entry: Option<&Entry>) -> Self {
        Self {
            id: Arc::clone(id),
            record: None,
            contents: Vec::new(),
            last_submitted: entry.and_then(|entry| entry.last_submitted),
            last_write: entry.and_then(|entry| entry.last_write),
            origin: None,
        }
    }
}

/// The root of a space and the number of its records, as stored alongside the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredRoot {
    pub(crate) root: Digest,
    pub(crate) count: u64,
}

/// The effect of a list of changes, computed but not yet visible.
pub(crate) struct Staged {
    pub(super) writes: Vec<PlannedWrite>,
    pub(super) tree: Tree<Arc<str>, AnyHasher>,
    /// The `generated_at` that the state will have.
    pub(crate) generated_at: Timestamp,
}

/// The effect of one change.
pub(crate) struct PlannedWrite {
    pub(crate) id: Arc<str>,
    /// The record of the stored row, if the row changes.
    pub(crate) record: Option<Record>,
    pub(crate) last_submitted: Option<Digest>,
    pub(super) last_write: Option<LastWrite>,
    /// Contents that the record names and the space lacks.
    pub(super) added: Vec<Content>,
    /// Contents that the space holds but no record names any longer.
    pub(super) dropped: Vec<Digest>,
    /// The rows to which the contents are written, and the content rows that are removed.
    pub(crate) placement: Placement,
    pub(super) origin: Option<NodeId>,
}

impl Staged {
    /// Returns the same changes, with a `generated_at` of at least `time` if they change a stored row.
    pub(crate) fn not_before(mut self, time: Timestamp) -> Self {
        if self.rows().next().is_some() {
            self.generated_at = self.generated_at.max(time);
        }
        self
    }

    /// The writes whose stored rows change, each with its record.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&PlannedWrite, &Record)> {
        self.writes.iter().filter_map(|write| Some((write, write.record.as_ref()?)))
    }

    /// The root that the state will have.
    pub(crate) fn stored_root(&self) -> StoredRoot {
        StoredRoot { root: self.tree.root(), count: self.tree.len() as u64 }
    }
}
