//! Submissions that wait for the first contact, and the view that includes them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::SpaceState;
use crate::engram::belief::Cause;
use crate::engram::pattern::SemanticPattern;
use crate::engram::ports::BeliefUpdateRecord;
use crate::engram::timestamp::Timestamp;
use crate::replica::content::Content;
use crate::replica::entry::Entry;

impl SpaceState {
    /// Holds submissions back from now on, unless the first contact is over. Returns whether
    /// submissions wait.
    pub(crate) fn await_contact(&mut self) -> bool {
        if !self.settled {
            self.waiting.get_or_insert_default();
        }
        self.waiting.is_some()
    }

    pub(crate) const fn is_settled(&self) -> bool {
        self.settled
    }

    pub(crate) const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// The contents that wait for the first contact.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Content> {
        self.waiting.iter().flat_map(|waiting| waiting.contents.values())
    }

    /// The content of `id` that waits for the first contact.
    pub(crate) fn waiting_for(&self, id: &str) -> Option<&Content> {
        self.waiting.as_ref()?.contents.get(id)
    }

    pub(crate) fn waiting_len(&self) -> u64 {
        self.waiting.as_ref().map_or(0, |waiting| waiting.contents.len() as u64)
    }

    /// The cause of the latest submission that changed the waiting contents.
    pub(crate) fn waiting_cause(&self) -> Option<Cause> {
        self.waiting.as_ref()?.cause
    }

    /// Holds the contents back until the first contact is over. Returns the changes to the merged view.
    pub(crate) fn wait_with(
        &mut self,
        contents: impl Iterator<Item = Content>,
        cause: Cause,
    ) -> Vec<BeliefUpdateRecord> {
        let waiting = self.waiting.get_or_insert_default();
        let (mut changed, mut updates) = (false, Vec::new());
        for content in contents {
            let (id, digest) = (Arc::from(content.pattern().id.as_str()), content.digest());
            let before = waiting.contents.insert(Arc::clone(&id), content.clone());
            if before.as_ref().is_some_and(|before| before.digest() == digest) {
                continue;
            }
            changed = true;
            let entry = self.entries.get(&id).map(|entry| &**entry);
            let shown =
                |content: &Content| shows(entry, content).then(|| content.pattern().clone());
            let (was, is) = (before.as_ref().and_then(shown), shown(&content));
            if was.is_some() || is.is_some() {
                updates.push(cause.update(&id, was.as_deref(), is.as_deref(), None));
            }
        }
        if changed {
            waiting.cause = Some(cause);
            self.note_generated(cause.generated_at);
        }
        if !updates.is_empty() {
            self.view_changed_at = cause.generated_at;
        }
        updates
    }

    /// Drops the waiting contents of these ids.
    pub(crate) fn stop_waiting(&mut self, ids: &BTreeSet<&str>) {
        if let Some(waiting) = &mut self.waiting {
            waiting.contents.retain(|id, _| !ids.contains(&**id));
        }
    }

    /// Drops the waiting contents of these ids, because an operation at the time `at` covers them. Returns whether
    /// there were any: the merged view may have shown them.
    pub(crate) fn cover_waiting(&mut self, ids: &BTreeSet<&str>, at: Timestamp) -> bool {
        let before = self.waiting_len();
        self.stop_waiting(ids);
        let covered = self.waiting_len() < before;
        if covered {
            self.view_changed_at = at;
        }
        covered
    }

    /// Ends the first contact: nothing waits any longer.
    pub(crate) fn settle(&mut self) {
        (self.settled, self.waiting) = (true, None);
    }

    /// The visible patterns and, for ids without one, the content that waits for the first contact
    /// unless it is suppressed, in ascending order of ids.
    pub(crate) fn merged(&self) -> Vec<Arc<SemanticPattern>> {
        let mut patterns = self.visible();
        let missing = self.waiting().filter(|content| {
            let entry = self.entries.get(content.pattern().id.as_str());
            shows(entry.map(|entry| &**entry), content)
        });
        let before = patterns.len();
        patterns.extend(missing.map(|content| Arc::clone(content.pattern())));
        if patterns.len() > before {
            patterns.sort_by(|one, other| one.id.cmp(&other.id));
        }
        patterns
    }
}

/// Whether the merged view shows a waiting content, given the entry of its id.
fn shows(entry: Option<&Entry>, waiting: &Content) -> bool {
    entry.is_none_or(|entry| {
        entry.visible().is_none() && !entry.record.suppression.is_suppressed(&waiting.digest())
    })
}
