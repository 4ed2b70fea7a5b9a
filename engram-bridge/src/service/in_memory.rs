//! A plain consolidation cache, like Engram's stock service.

use std::cmp::Ordering;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::engram::belief::{Cause, RecentUpdates};
use crate::engram::pattern::SemanticPattern;
use crate::engram::ports::{
    BeliefUpdateRecord, ConsolidationCacheSource, ConsolidationService, ConsolidationSnapshot,
};
use crate::engram::timestamp::Timestamp;

/// Keeps the latest snapshot, and the newest belief updates that successive snapshots caused.
/// Stores the path of the alert log but writes no file. The initial path is that of Engram: the
/// value of the variable `ENGRAM_CONSOLIDATION_ALERT_LOG`, or Engram's default.
///
/// `update_cache` *replaces* the whole snapshot, as in Engram. A
/// [`GossipingConsolidationService`](crate::GossipingConsolidationService) that wraps this service
/// passes it only merged snapshots.
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
                alert_log_path: default_alert_log_path(),
            }),
        }
    }
}

/// The initial path of Engram's stock service.
fn default_alert_log_path() -> PathBuf {
    let path = std::env::var_os("ENGRAM_CONSOLIDATION_ALERT_LOG");
    path.unwrap_or_else(|| "data/consolidation/alerts/belief_updates.jsonl".into()).into()
}

impl InMemoryConsolidationService {
    /// Creates a service without a snapshot.
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
        for (old, new) in changes(&by_id(&before), &by_id(snapshot)) {
            let id = old.or(new).map_or("", |pattern| &pattern.id);
            state.updates.push(cause.update(id, old, new, None));
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

/// Returns the patterns in ascending order of ids, with only the last one of each id.
///
/// Merged snapshots are in that order already, so the sort takes only one pass.
fn by_id(snapshot: &ConsolidationSnapshot) -> Vec<&Arc<SemanticPattern>> {
    let mut patterns: Vec<_> = snapshot.patterns.iter().rev().collect();
    patterns.sort_by(|one, other| one.id.cmp(&other.id));
    patterns.dedup_by(|later, earlier| later.id == earlier.id);
    patterns
}

/// Returns the differences between two lists from [`by_id`], id by id.
fn changes<'p>(
    before: &[&'p Arc<SemanticPattern>],
    after: &[&'p Arc<SemanticPattern>],
) -> Vec<(Option<&'p SemanticPattern>, Option<&'p SemanticPattern>)> {
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    let mut changes = Vec::new();
    loop {
        let order = match (before.peek(), after.peek()) {
            (None, None) => return changes,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            // Most patterns are shared with the previous snapshot: comparing pointers suffices.
            (Some(old), Some(new)) if Arc::ptr_eq(old, new) => Ordering::Equal,
            (Some(old), Some(new)) => old.id.cmp(&new.id),
        };
        let old = before.next_if(|_| order.is_le());
        let new = after.next_if(|_| order.is_ge());
        let same =
            matches!((old, new), (Some(old), Some(new)) if Arc::ptr_eq(old, new) || old == new);
        if !same {
            changes.push((old.map(|old| &***old), new.map(|new| &***new)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engram::pattern::Confidence;
    use crate::engram::ports::ConsolidationCacheSource::Scheduler;

    fn snapshot(patterns: &[(&str, f32)]) -> ConsolidationSnapshot {
        let pattern = |&(id, strength): &(&str, f32)| {
            Arc::new(SemanticPattern {
                id: id.to_owned(),
                embedding: Arc::from([1.0]),
                source_episodes: vec!["e".to_owned()],
                strength,
                schema_confidence: Confidence::new(0.5).unwrap(),
                last_consolidated: Timestamp::EPOCH,
            })
        };
        let patterns = patterns.iter().map(pattern).collect();
        ConsolidationSnapshot { patterns, ..ConsolidationSnapshot::default() }
    }

    #[test]
    fn updates_report_exactly_the_changes() {
        let service = InMemoryConsolidationService::new();
        let told = |patterns: &[(&str, f32)]| -> Vec<(String, f32, i32)> {
            let known = service.recent_updates().len();
            service.update_cache(&snapshot(patterns), Scheduler);
            let updates = service.recent_updates().split_off(known).into_iter();
            updates.map(|it| (it.pattern_id, it.novelty, it.citation_delta)).collect()
        };
        let of = |id: &str, novelty, citations| (id.to_owned(), novelty, citations);
        assert_eq!(told(&[("b", 1.0), ("a", 1.0)]), [of("a", 1.0, 1), of("b", 1.0, 1)]);
        assert_eq!(told(&[("a", 1.0), ("b", 1.0)]), []);
        // Of several patterns with one id, the last one is used.
        let repeated = [("b", 7.0), ("c", 1.0), ("b", 1.5)];
        assert_eq!(told(&repeated), [of("a", -1.0, -1), of("b", 0.5, 0), of("c", 1.0, 1)]);
        assert_eq!(told(&[("b", 1.5), ("c", 1.0)]), []);
        assert_eq!(told(&[]), [of("b", -1.5, -1), of("c", -1.0, -1)]);
    }
}
