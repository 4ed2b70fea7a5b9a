//! The row of one pattern id in the state of a space.

use std::sync::Arc;

use engram_merkle::Digest;

use crate::engram::pattern::SemanticPattern;
use crate::replica::blends::Blends;
use crate::replica::content::Contents;
use crate::replica::record::{LastWrite, Record};
use crate::replica::visible::Visible;

/// The row of one pattern id.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    /// The content that this node's own engine submitted last. Stored with the record.
    pub(crate) last_submitted: Option<Digest>,
    /// The latest write that this process made or confirmed. Not stored.
    pub(crate) last_write: Option<LastWrite>,
    pub(super) visible: Visible,
    pub(super) blends: Blends,
}

impl Entry {
    /// The visible pattern that represents the id.
    pub(crate) const fn visible(&self) -> Option<&Arc<SemanticPattern>> {
        self.visible.first()
    }

    /// The remembered blends of this id.
    pub(crate) const fn blends(&self) -> &Blends {
        &self.blends
    }

    /// The visible pattern, if it is a blend other than the one handed out last.
    pub(super) fn new_blend(&self, contents: &Contents) -> Option<&Arc<SemanticPattern>> {
        let visible = self.visible.first().filter(|visible| !self.blends.is_latest(visible))?;
        let is_it =
            |digest| contents.get(&digest).is_some_and(|it| Arc::ptr_eq(&it.pattern, visible));
        (!self.record.shown().into_iter().any(is_it)).then_some(visible)
    }
}
