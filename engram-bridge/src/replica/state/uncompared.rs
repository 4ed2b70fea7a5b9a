//! Changed patterns that have not been compared across ids yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use engram_merkle::Digest;

use super::SpaceState;
use crate::engram::pattern::SemanticPattern;
use crate::replica::entry::Entry;

/// An id and its visible pattern, if any, with the digest of the pattern; the digest is `None` if
/// the pattern is a blend.
type Visible = (Arc<str>, Option<(Arc<SemanticPattern>, Option<Digest>)>);

impl SpaceState {
    /// Records a change to the visible pattern of `id`.
    pub(super) fn note_uncompared(&mut self, id: &Arc<str>) {
        if let Some(uncompared) = &mut self.uncompared {
            uncompared.insert(Arc::clone(id));
        }
    }

    /// Marks all visible patterns for comparison. Does nothing if comparisons are off.
    pub(crate) fn compare_all(&mut self) {
        let visible = self.entries.iter().filter(|(_, entry)| entry.visible().is_some());
        let ids: BTreeSet<Arc<str>> = visible.map(|(id, _)| Arc::clone(id)).collect();
        if let Some(uncompared) = &mut self.uncompared {
            *uncompared = ids;
        }
    }

    pub(crate) fn clear_uncompared(&mut self) {
        self.uncompared.iter_mut().for_each(BTreeSet::clear);
    }

    pub(crate) fn uncompared_len(&self) -> u64 {
        self.uncompared.as_ref().map_or(0, |uncompared| uncompared.len() as u64)
    }

    /// Takes up to `most` of the changed patterns; returns them and the number of those left.
    pub(crate) fn take_uncompared(&mut self, most: usize) -> (Vec<Visible>, usize) {
        let Some(uncompared) = &mut self.uncompared else { return (Vec::new(), 0) };
        let ids: Vec<_> = std::iter::from_fn(|| uncompared.pop_first()).take(most).collect();
        let left = uncompared.len();
        let visible = ids.into_iter().map(|id| {
            let visible = self.entries.get(&id).and_then(|entry| self.visible_of(entry));
            (id, visible)
        });
        (visible.collect(), left)
    }

    fn visible_of(&self, entry: &Entry) -> Option<(Arc<SemanticPattern>, Option<Digest>)> {
        let visible = entry.visible()?;
        let is_it = |digest: &Digest| {
            self.contents.get(digest).is_some_and(|held| Arc::ptr_eq(&held.pattern, visible))
        };
        let digest = entry.record.siblings.values().find(|digest| is_it(digest)).copied();
        Some((Arc::clone(visible), digest))
    }
}
