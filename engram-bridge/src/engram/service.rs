//! Engram's consolidation service, with a cluster behind it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

use crate::{
    BeliefUpdateRecord, ConsolidationCacheSource, ConsolidationGossiper, ConsolidationService,
    ConsolidationSnapshot, ConsolidationStats, StorageError, SubmitReport, Timestamp,
};

/// Wraps a consolidation service, so that what it serves is what the whole cluster knows.
///
/// - `update_cache` submits what the engine found, and passes the *merged* snapshot on to the inner
///   service, but only if what is visible changed: Engram calls it after every run, changed or not,
///   and its stock service then logs a line per pattern.
/// - What peers contribute reaches the inner service soon after it arrived, many changes at once.
/// - `cached_snapshot` is the merged view; `recent_updates` says what changed in it, and which node
///   wrote what came from elsewhere.
///
/// No method waits for the network. Calls to the inner service are made one at a time; at worst
/// `update_cache` waits for one of them.
pub struct GossipingConsolidationService {
    shared: Arc<Shared>,
    follower: AbortHandle,
}

struct Shared {
    inner: Arc<dyn ConsolidationService>,
    gossiper: ConsolidationGossiper,
    /// Held for moments only.
    local: Mutex<Local>,
    /// The version of the view that the inner service has. Held while it is called, so that it
    /// never sees an older view after a newer one.
    forwarded: Mutex<Option<u64>>,
}

/// What the own engine said last, apart from its patterns.
struct Local {
    snapshots: u64,
    generated_at: Timestamp,
    stats: ConsolidationStats,
    report: Result<SubmitReport, StorageError>,
}

impl Default for Local {
    fn default() -> Self {
        Self {
            snapshots: 0,
            generated_at: Timestamp::EPOCH,
            stats: ConsolidationStats::default(),
            report: Ok(SubmitReport::default()),
        }
    }
}

impl GossipingConsolidationService {
    /// Wraps `inner`, and passes on to it from now on what the peers contribute.
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    pub fn new(inner: Arc<dyn ConsolidationService>, gossiper: ConsolidationGossiper) -> Self {
        let mut version = gossiper.space().view_version();
        let shared = Arc::new(Shared {
            inner,
            gossiper,
            local: Mutex::default(),
            forwarded: Mutex::default(),
        });
        let following = Arc::clone(&shared);
        let follower = tokio::spawn(async move {
            while version.changed().await.is_ok() {
                let shared = Arc::clone(&following);
                // The inner service may write files. If it panics, the next change tries again.
                let refresh = move || {
                    shared.forward(&mut shared.forwarded(), ConsolidationCacheSource::Gossip);
                };
                let _ = tokio::task::spawn_blocking(refresh).await;
            }
        });
        Self { shared, follower: follower.abort_handle() }
    }

    /// The gossip of this service's memory space.
    pub fn gossiper(&self) -> &ConsolidationGossiper {
        &self.shared.gossiper
    }

    /// What became of the snapshot that was submitted last, with every pattern that was refused;
    /// or why none of it could be stored. What could not be stored is submitted again with the next
    /// snapshot that holds it.
    ///
    /// # Errors
    /// [`StorageError`] as [`ConsolidationGossiper::rebuild_from_snapshot`] gave it.
    pub fn last_report(&self) -> Result<SubmitReport, StorageError> {
        self.shared.local().report.clone()
    }
}

impl Shared {
    fn local(&self) -> MutexGuard<'_, Local> {
        self.local.lock().expect("no code panics while it holds this lock")
    }

    /// Whether the inner service panicked or not, the version it has is what the lock says.
    fn forwarded(&self) -> MutexGuard<'_, Option<u64>> {
        self.forwarded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the inner service the merged view, if it does not have it yet.
    fn forward(&self, forwarded: &mut Option<u64>, source: ConsolidationCacheSource) {
        // The version is read first: what changes after that is forwarded once more.
        let version = *self.gossiper.space().view_version().borrow();
        if *forwarded != Some(version) {
            self.inner.update_cache(&self.merged(), source);
            *forwarded = Some(version);
        }
    }

    fn merged(&self) -> ConsolidationSnapshot {
        let view = self.gossiper.space().view();
        let local = self.local();
        ConsolidationSnapshot {
            generated_at: local.generated_at.max(view.changed_at),
            patterns: view.patterns,
            stats: local.stats.clone(),
        }
    }
}

impl ConsolidationService for GossipingConsolidationService {
    /// The merged view: `None` until this node consolidated or heard of a pattern.
    fn cached_snapshot(&self) -> Option<ConsolidationSnapshot> {
        let merged = self.shared.merged();
        let anything = !merged.patterns.is_empty() || self.shared.local().snapshots > 0;
        anything.then_some(merged)
    }

    fn update_cache(&self, snapshot: &ConsolidationSnapshot, source: ConsolidationCacheSource) {
        // Taken before the submission, so that the follower does not forward it as if it had come
        // from a peer.
        let mut forwarded = self.shared.forwarded();
        let report = self.shared.gossiper.rebuild_from_snapshot(snapshot, source);
        {
            let mut local = self.shared.local();
            local.snapshots += 1;
            local.generated_at = snapshot.generated_at;
            local.stats.clone_from(&snapshot.stats);
            local.report = report;
        }
        self.shared.forward(&mut forwarded, source);
    }

    fn set_alert_log_path(&self, path: PathBuf) {
        self.shared.inner.set_alert_log_path(path);
    }

    fn alert_log_path(&self) -> PathBuf {
        self.shared.inner.alert_log_path()
    }

    /// What changed in the merged view. The inner service keeps its own list.
    fn recent_updates(&self) -> Vec<BeliefUpdateRecord> {
        self.shared.gossiper.space().recent_updates()
    }
}

impl Drop for GossipingConsolidationService {
    fn drop(&mut self) {
        self.follower.abort();
    }
}
