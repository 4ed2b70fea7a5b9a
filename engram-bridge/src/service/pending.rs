//! Snapshots from the engine, waiting to be stored.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;

use crate::durable::storage::StorageError;
use crate::engram::pattern::SemanticPattern;
use crate::engram::ports::{BeliefUpdateRecord, ConsolidationCacheSource, ConsolidationSnapshot};
use crate::replica::report::SubmitReport;
use crate::spaces::error::Incomplete;

/// The maximum number of snapshots that wait. A further one is merged with the last.
const MAX_PENDING: usize = 8;

/// A snapshot from the engine.
pub(super) struct Handed {
    pub(super) snapshot: ConsolidationSnapshot,
    pub(super) source: ConsolidationCacheSource,
    /// Whether the snapshot is the merged view that was handed out last.
    pub(super) is_echo: bool,
    /// The number of earlier snapshots that were merged into this one, by source.
    merged: HashMap<ConsolidationCacheSource, u64>,
    /// The number of this snapshot, counted from 1.
    number: u64,
}

/// The snapshots that have not been stored yet, in order of arrival.
pub(super) struct Pending {
    /// Held only briefly.
    queue: Mutex<VecDeque<Handed>>,
    handed: watch::Sender<u64>,
    stored: watch::Sender<u64>,
    /// The report of the last snapshot.
    report: Mutex<Report>,
    /// Whether the queue is closed, so that no more snapshots arrive.
    closed: AtomicBool,
}

type Report = Result<SubmitReport, Incomplete<StorageError>>;

const HELD: &str = "no code panics while it holds this lock";

impl Pending {
    pub(super) fn new() -> Self {
        let (handed, stored) = (watch::Sender::new(0), watch::Sender::new(0));
        let report = Mutex::new(Ok(SubmitReport::default()));
        Self { queue: Mutex::default(), handed, stored, report, closed: AtomicBool::new(false) }
    }

    /// Appends a snapshot.
    pub(super) fn push(
        &self,
        snapshot: ConsolidationSnapshot,
        source: ConsolidationCacheSource,
        is_echo: bool,
    ) {
        let mut queue = self.queue();
        let number = *self.handed.borrow() + 1;
        let mut handed = Handed { snapshot, source, is_echo, merged: HashMap::new(), number };
        if queue.len() >= MAX_PENDING
            && let Some(last) = queue.pop_back()
        {
            handed.unite(last);
        }
        queue.push_back(handed);
        self.handed.send_replace(number);
    }

    /// Takes the first snapshot that is not stored.
    pub(super) fn pop(&self) -> Option<Handed> {
        self.queue().pop_front()
    }

    /// Records that snapshot `number` and all earlier ones were stored, or could not be stored.
    pub(super) fn note_stored(&self, number: u64) {
        self.stored.send_replace(number);
    }

    /// Watches the number of snapshots received.
    pub(super) fn handed(&self) -> watch::Receiver<u64> {
        self.handed.subscribe()
    }

    /// Closes the queue: no more snapshots arrive. Returns `true` if no snapshot waits to be stored.
    pub(super) fn close(&self) -> bool {
        self.closed.store(true, SeqCst);
        self.handed.send_modify(|_| ());
        *self.stored.borrow() >= *self.handed.borrow()
    }

    /// Whether the queue is closed, so that no more snapshots arrive.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(SeqCst)
    }

    /// Waits until every snapshot received before the call was stored, or could not be stored.
    /// Returns the report of the last one.
    pub(super) async fn durable(&self) -> Report {
        let all = *self.handed.borrow();
        // This cannot fail, because `self` owns the sender.
        _ = self.stored.subscribe().wait_for(|stored| *stored >= all).await;
        self.report()
    }

    /// The report of the last snapshot.
    pub(super) fn report(&self) -> Report {
        self.report.lock().expect(HELD).clone()
    }

    pub(super) fn set_report(&self, report: Report) {
        *self.report.lock().expect(HELD) = report;
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Handed>> {
        self.queue.lock().expect(HELD)
    }
}

impl Handed {
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Whether the submission of this snapshot made the change. A peer or an operator may have made it meanwhile.
    pub(super) fn has_made(&self, update: &BeliefUpdateRecord) -> bool {
        update.origin.is_none()
            && update.source == self.source
            && update.snapshot_generated_at == self.snapshot.generated_at
    }

    /// The sources of the earlier snapshots that were merged into this one.
    pub(super) fn merged(&self) -> impl Iterator<Item = ConsolidationCacheSource> {
        let runs = self.merged.iter();
        runs.flat_map(|(source, count)| (0..*count).map(|_| *source))
    }

    /// Merges an earlier snapshot into this one: appends the patterns whose ids this one lacks. Drops the patterns of
    /// an echo.
    fn unite(&mut self, earlier: Self) {
        self.merged = earlier.merged;
        *self.merged.entry(earlier.source).or_default() += 1;
        if earlier.is_echo {
            return;
        }
        if self.is_echo {
            (self.snapshot.patterns, self.is_echo) = (earlier.snapshot.patterns, false);
            return;
        }
        let ids: HashSet<&str> =
            self.snapshot.patterns.iter().map(|pattern| pattern.id.as_str()).collect();
        let lacks = |pattern: &Arc<SemanticPattern>| !ids.contains(pattern.id.as_str());
        let missing: Vec<_> = earlier.snapshot.patterns.into_iter().filter(lacks).collect();
        drop(ids);
        self.snapshot.patterns.extend(missing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engram::pattern::Confidence;
    use crate::engram::timestamp::Timestamp;

    fn snapshot(patterns: &[(String, f32)]) -> ConsolidationSnapshot {
        let pattern = |(id, strength): &(String, f32)| {
            Arc::new(SemanticPattern {
                id: id.clone(),
                embedding: Arc::from([1.0]),
                source_episodes: vec![],
                strength: *strength,
                schema_confidence: Confidence::CERTAIN,
                last_consolidated: Timestamp::EPOCH,
            })
        };
        let patterns = patterns.iter().map(pattern).collect();
        ConsolidationSnapshot { patterns, ..ConsolidationSnapshot::default() }
    }

    /// If more snapshots arrive than may wait, no pattern and no run is lost, and the latest
    /// pattern of each id is kept.
    #[test]
    fn snapshots_beyond_the_bound_are_united() {
        let pending = Pending::new();
        for n in 0..MAX_PENDING + 4 {
            let strength = n as f32;
            let patterns = [(format!("own-{n}"), strength), ("shared".to_owned(), strength)];
            pending.push(snapshot(&patterns), ConsolidationCacheSource::Scheduler, false);
            pending.push(snapshot(&[]), ConsolidationCacheSource::Scheduler, true);
        }
        let queued: Vec<Handed> = std::iter::from_fn(|| pending.pop()).collect();
        assert_eq!(queued.len(), MAX_PENDING);
        let runs = queued.iter().map(|handed| 1 + handed.merged().count()).sum::<usize>();
        assert_eq!(runs, 2 * (MAX_PENDING + 4));
        let last = queued.last().unwrap();
        assert_eq!(last.number(), 2 * (MAX_PENDING as u64 + 4));
        let mut latest = std::collections::BTreeMap::new();
        for handed in queued.iter().filter(|handed| !handed.is_echo) {
            let patterns = handed.snapshot.patterns.iter();
            latest.extend(patterns.map(|pattern| (pattern.id.clone(), pattern.strength)));
        }
        assert_eq!(latest.len(), MAX_PENDING + 5);
        assert_eq!(latest["shared"], (MAX_PENDING + 3) as f32);
    }
}
