//! Belief updates: changes to visible patterns, recorded for operators and alerts.

use std::collections::VecDeque;

use engram_gossip_net::NodeId;

use crate::engram::pattern::SemanticPattern;
use crate::engram::ports::{BeliefUpdateRecord, ConsolidationCacheSource};
use crate::engram::timestamp::Timestamp;

/// The maximum number of recent belief updates that are kept, the same as in Engram.
pub(crate) const MAX_RECENT_UPDATES: usize = 512;

/// The maximum number of belief updates that wait for the log of a service; further ones displace the oldest.
pub(crate) const MAX_COLLECTED_UPDATES: usize = 65_536;

/// The maximum number of belief updates that a space without a service keeps for its next service.
pub(crate) const MAX_UNSERVED_UPDATES: usize = 4_096;

/// The cause of a change to the merged view.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause {
    pub(crate) source: ConsolidationCacheSource,
    pub(crate) generated_at: Timestamp,
    pub(crate) snapshot_generated_at: Timestamp,
}

impl Cause {
    /// Returns the update for a change from `before` to `after`.
    pub(crate) fn update(
        &self,
        id: &str,
        before: Option<&SemanticPattern>,
        after: Option<&SemanticPattern>,
        origin: Option<NodeId>,
    ) -> BeliefUpdateRecord {
        let confidence = |p: Option<&SemanticPattern>| p.map_or(0.0, |p| p.schema_confidence.raw());
        let strength = |p: Option<&SemanticPattern>| p.map_or(0.0, |p| p.strength);
        let citations = |p: Option<&SemanticPattern>| {
            p.map_or(0, |p| i32::try_from(p.source_episodes.len()).unwrap_or(i32::MAX))
        };
        BeliefUpdateRecord {
            pattern_id: id.to_owned(),
            confidence_delta: confidence(after) - confidence(before),
            citation_delta: citations(after) - citations(before),
            novelty: strength(after) - strength(before),
            generated_at: self.generated_at,
            snapshot_generated_at: self.snapshot_generated_at,
            source: self.source,
            origin,
        }
    }
}

/// The newest updates; the oldest are dropped first.
#[derive(Debug, Default)]
pub(crate) struct RecentUpdates {
    recent: VecDeque<BeliefUpdateRecord>,
    /// Updates for the belief log of a service.
    collected: VecDeque<BeliefUpdateRecord>,
    /// Whether a service has reserved the collected updates.
    served: bool,
    /// The number of updates dropped before a service took them.
    missed: u64,
}

impl RecentUpdates {
    pub(crate) fn push(&mut self, update: BeliefUpdateRecord) {
        let most = if self.served { MAX_COLLECTED_UPDATES } else { MAX_UNSERVED_UPDATES };
        self.missed += keep(&mut self.collected, update.clone(), most);
        keep(&mut self.recent, update, MAX_RECENT_UPDATES);
    }

    pub(crate) fn to_vec(&self) -> Vec<BeliefUpdateRecord> {
        self.recent.iter().cloned().collect()
    }

    /// Reserves the collected updates for a service. Returns `true` if no other service has reserved them.
    pub(crate) fn begin_service(&mut self) -> bool {
        !std::mem::replace(&mut self.served, true)
    }

    /// Keeps the newest collected updates, at most [`MAX_UNSERVED_UPDATES`], for the next service.
    pub(crate) fn end_service(&mut self) {
        self.served = false;
        while self.collected.len() > MAX_UNSERVED_UPDATES {
            self.collected.pop_front();
            self.missed += 1;
        }
    }

    /// Takes the collected updates and the number of updates dropped since the last call.
    pub(crate) fn take_collected(&mut self) -> (Vec<BeliefUpdateRecord>, u64) {
        (std::mem::take(&mut self.collected).into(), std::mem::take(&mut self.missed))
    }
}

/// Appends an update; returns how many were dropped.
fn keep(
    updates: &mut VecDeque<BeliefUpdateRecord>,
    update: BeliefUpdateRecord,
    most: usize,
) -> u64 {
    let full = updates.len() >= most;
    if full {
        updates.pop_front();
    }
    updates.push_back(update);
    full.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_updates_are_dropped_and_counted() {
        let now = Timestamp::EPOCH;
        let (source, generated_at) = (ConsolidationCacheSource::Gossip, now);
        let cause = Cause { source, generated_at, snapshot_generated_at: now };
        let mut updates = RecentUpdates::default();
        let push = |updates: &mut RecentUpdates, count| {
            for n in 0..count {
                updates.push(cause.update(&n.to_string(), None, None, None));
            }
        };
        push(&mut updates, MAX_UNSERVED_UPDATES + 1);
        assert!(updates.begin_service());
        let (collected, missed) = updates.take_collected();
        assert_eq!((collected.len(), missed), (MAX_UNSERVED_UPDATES, 1));
        assert_eq!(collected[0].pattern_id, "1");

        assert!(!updates.begin_service(), "another service has reserved the updates");
        push(&mut updates, MAX_COLLECTED_UPDATES + 2);
        let (collected, missed) = updates.take_collected();
        assert_eq!((collected.len(), missed), (MAX_COLLECTED_UPDATES, 2));
        assert_eq!(collected[0].pattern_id, "2");
        assert_eq!(updates.to_vec().len(), MAX_RECENT_UPDATES);
        assert_eq!(updates.take_collected(), (vec![], 0));

        push(&mut updates, MAX_UNSERVED_UPDATES + 3);
        updates.end_service();
        let (collected, missed) = updates.take_collected();
        assert_eq!((collected.len(), missed), (MAX_UNSERVED_UPDATES, 3));
        assert!(updates.begin_service());
    }
}
