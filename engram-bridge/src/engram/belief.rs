//! How visible patterns change, for people and for alerts.

use std::collections::VecDeque;

use engram_gossip_net::NodeId;

use crate::{BeliefUpdateRecord, ConsolidationCacheSource, SemanticPattern, Timestamp};

/// How many belief updates are remembered, as in Engram.
pub(crate) const MAX_RECENT_UPDATES: usize = 512;

/// What caused a change of the merged view.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause {
    pub(crate) source: ConsolidationCacheSource,
    pub(crate) generated_at: Timestamp,
    pub(crate) snapshot_generated_at: Timestamp,
}

impl Cause {
    /// The update that leads from `before` to `after`.
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

/// The newest updates; the oldest leave first.
#[derive(Debug, Default)]
pub(crate) struct RecentUpdates(VecDeque<BeliefUpdateRecord>);

impl RecentUpdates {
    pub(crate) fn push(&mut self, update: BeliefUpdateRecord) {
        if self.0.len() == MAX_RECENT_UPDATES {
            self.0.pop_front();
        }
        self.0.push_back(update);
    }

    pub(crate) fn to_vec(&self) -> Vec<BeliefUpdateRecord> {
        self.0.iter().cloned().collect()
    }
}
