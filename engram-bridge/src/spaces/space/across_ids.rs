//! The comparison of a space's visible patterns across ids.

use std::collections::BTreeMap;
use std::sync::Arc;

use engram_conflict::Version;

use super::Space;
use crate::replica::across_ids::{
    AcrossIds, AcrossIdsStats, Changed, ComparedPattern, PatternGroup,
};

impl Space {
    /// The configuration of the comparison; `None` if it is switched off.
    pub fn across_ids(&self) -> Option<&AcrossIds> {
        self.comparison.as_ref().map(|comparison| &comparison.config)
    }

    /// Compares up to `most` changed patterns with all others. Returns the number of patterns left to compare.
    ///
    /// A [`Binding`](crate::Binding) calls it in the background after changes. Each changed pattern takes
    /// time linear in the number of patterns: about half a millisecond for 10,000. Readers of the comparison wait for
    /// it; readers and writers of the patterns do not.
    pub fn compare_across_ids(&self, most: usize) -> usize {
        let Some(comparison) = &self.comparison else { return 0 };
        // Lock the comparison before the state, so that changes are compared in order.
        let mut compared = comparison.lock();
        let (changed, left) = {
            let mut state = self.state_mut();
            if state.visible_len() > comparison.config.max_patterns() as u64 {
                compared.give_up(&comparison.config);
                state.clear_uncompared();
                return 0;
            }
            if std::mem::take(&mut compared.over_limit) {
                state.compare_all();
            }
            state.take_uncompared(most)
        };
        let changed: Vec<Changed> = changed
            .into_iter()
            .map(|(id, visible)| {
                let pattern = visible.and_then(|(pattern, digest)| {
                    let digest = digest.or_else(|| Some(self.content_of(&pattern).ok()?.digest()));
                    Some(Version::new(digest?.into(), pattern))
                });
                (id, pattern)
            })
            .collect();
        if !changed.is_empty() {
            compared.update(&changed);
        }
        left
    }

    /// The role of the visible pattern of `id` among those of other ids; `None` if no visible pattern of `id` has been
    /// compared, or if the comparison is switched off.
    pub fn compared(&self, id: &str) -> Option<ComparedPattern> {
        self.comparison.as_ref()?.lock().compared(&Arc::from(id))
    }

    /// The roles of all visible patterns that were compared. O(patterns and their conflicts).
    pub fn all_compared(&self) -> BTreeMap<Arc<str>, ComparedPattern> {
        let comparison = self.comparison.as_ref();
        comparison.map(|comparison| comparison.lock().all_compared()).unwrap_or_default()
    }

    /// Up to `most` groups of at least two patterns, ordered by the confidence of their representatives, the
    /// most confident first, starting after the group that `after` represents. O(patterns).
    pub fn groups(&self, after: Option<&str>, most: usize) -> Vec<PatternGroup> {
        let Some(comparison) = &self.comparison else { return Vec::new() };
        let compared = comparison.lock();
        let mut groups = compared.groups();
        if let Some(after) = after {
            groups.find(|group| &*group.representative == after);
        }
        groups.take(most).collect()
    }

    /// Statistics of the comparison; `None` if it is switched off. O(patterns and their conflicts) if patterns changed
    /// since the last call.
    pub fn across_ids_stats(&self) -> Option<AcrossIdsStats> {
        let stats = self.comparison.as_ref()?.lock().stats();
        let pending = match stats.over_limit {
            true => 0,
            false => self.state().uncompared_len(),
        };
        Some(AcrossIdsStats { pending, ..stats })
    }
}
