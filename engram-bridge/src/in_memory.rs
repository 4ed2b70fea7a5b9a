//! A plain consolidation cache, as Engram's stock service is one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::belief::{Cause, RecentUpdates};
use crate::{
    BeliefUpdateRecord, ConsolidationCacheSource, ConsolidationService, ConsolidationSnapshot,
    SemanticPattern, Timestamp,
};

/// Keeps the latest snapshot and how it differs from the one before. Nothing leaves the process:
/// the path of the alert log is remembered, but no file is written.
///
/// `update_cache` *replaces*, as in Engram. Wrapped in a
/// [`GossipingConsolidationService`](crate::GossipingConsolidationService) it only ever sees
/// merged snapshots.
#[derive(Debug)]
pub struct InMemoryConsolidationService {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    snapshot: Option<ConsolidationSnapshot>,
    updates: RecentUpdates,
    alert_log_path: PathBuf,
}

impl Default for InMemoryConsolidationService {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                snapshot: None,
                updates: RecentUpdates::default(),
                alert_log_path: PathBuf::from("data/consolidation/alerts/belief_updates.jsonl"),
            }),
        }
    }
}

impl InMemoryConsolidationService {
    /// A service without a snapshot.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds this lock")
    }
}

impl ConsolidationService for InMemoryConsolidationService {
    fn cached_snapshot(&self) -> Option<ConsolidationSnapshot> {
        self.state().snapshot.clone()
    }

    fn update_cache(&self, snapshot: &ConsolidationSnapshot, source: ConsolidationCacheSource) {
        let cause = Cause {
            source,
            generated_at: Timestamp::now(),
            snapshot_generated_at: snapshot.generated_at,
        };
        let mut state = self.state();
        let before = state.snapshot.replace(snapshot.clone()).unwrap_or_default();
        let (before, after) = (by_id(&before), by_id(snapshot));
        for (id, &pattern) in &after {
            let old = before.get(id).copied();
            // Most patterns are shared with the snapshot before: to compare them takes no look.
            if old.is_none_or(|old| !Arc::ptr_eq(old, pattern) && old != pattern) {
                let old = old.map(|old| &**old);
                state.updates.push(cause.update(id, old, Some(pattern), None));
            }
        }
        for (id, &pattern) in &before {
            if !after.contains_key(id) {
                state.updates.push(cause.update(id, Some(pattern), None, None));
            }
        }
    }

    fn set_alert_log_path(&self, path: PathBuf) {
        self.state().alert_log_path = path;
    }

    fn alert_log_path(&self) -> PathBuf {
        self.state().alert_log_path.clone()
    }

    fn recent_updates(&self) -> Vec<BeliefUpdateRecord> {
        self.state().updates.to_vec()
    }
}

fn by_id(snapshot: &ConsolidationSnapshot) -> BTreeMap<&str, &Arc<SemanticPattern>> {
    snapshot.patterns.iter().map(|pattern| (pattern.id.as_str(), pattern)).collect()
}
