//! The present of a space, derived from its members' patterns.

use std::collections::BTreeMap;

use crate::replica::state::SpaceState;

impl SpaceState {
    /// The present of the space in nanoseconds: the lower median of the times of the members'
    /// newest live patterns. Suppressed patterns, and members without a live pattern, do not count.
    /// O(live versions).
    pub(crate) fn present(&self) -> Option<i64> {
        let mut newest = BTreeMap::<[u8; 32], i64>::new();
        for (_, entry) in self.entries() {
            for (dot, digest) in entry.record.siblings.iter() {
                let is_member = self.tallies().is_member(&dot.node);
                if !is_member || entry.record.suppression.is_suppressed(digest) {
                    continue;
                }
                let content = self.content(digest).expect("every live content is held");
                let time = content.last_consolidated.as_nanoseconds();
                let newest = newest.entry(dot.node).or_insert(time);
                *newest = time.max(*newest);
            }
        }
        let mut times: Vec<i64> = newest.into_values().collect();
        times.sort_unstable();
        times.get(times.len().checked_sub(1)? / 2).copied()
    }
}
