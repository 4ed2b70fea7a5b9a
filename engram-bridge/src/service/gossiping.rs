//! Engram's consolidation service, backed by the cluster.

mod builder;
mod observed;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use engram_gossip_proto::SpaceId;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

pub use self::builder::ServiceBuilder;
use self::observed::{Observed, Run, Settings};
use crate::durable::storage::StorageError;
use crate::engram::ports::{
    BeliefUpdateRecord, ConsolidationCacheSource, ConsolidationService, ConsolidationSnapshot,
    ConsolidationStats,
};
use crate::replica::content::is_same;
use crate::replica::report::SubmitReport;
use crate::service::binding::Follow;
use crate::service::gossiper::ConsolidationGossiper;
use crate::service::pending::{Handed, Pending};
use crate::spaces::error::Incomplete;

/// Wraps a consolidation service, so that it serves the patterns of the whole cluster.
///
/// - `update_cache` queues the engine's patterns and returns without waiting for the disk. A
///   background task submits them in order, and passes the *merged* snapshot to the inner service,
///   unless the service already has it. [`durable`](Self::durable) waits until they are stored.
/// - Contributions of peers reach the inner service soon after they arrive; one call may pass on
///   many changes.
/// - `cached_snapshot` returns the merged view, together with this engine's
///   [refused](crate::replica::MergedView::refused) patterns whose ids have no visible pattern; `recent_updates` lists
///   the newest changes to visible patterns, each with the node that wrote it if it came from a peer.
/// - Each changed belief is appended to the belief log, at the path of the inner service's alert
///   log, as one line of JSON in Engram's format. A space has one such log at most, and therefore
///   one service at a time.
/// - Each call of `update_cache` counts as a run in [`Space::run_stats`](crate::Space::run_stats), and the run is
///   passed to the [observer](ServiceBuilder::with_observer). If several snapshots are merged, because they arrive
///   faster than they are stored, the last run counts the changes and refusals of all of them.
/// - Passing the last snapshot from `cached_snapshot` back to `update_cache` writes nothing.
///
/// Only [`durable`](Self::durable) waits for the disk, and no method waits for the network. A
/// background task calls `update_cache` of the inner service, one call at a time.
pub struct GossipingConsolidationService {
    shared: Arc<Shared>,
}

impl fmt::Debug for GossipingConsolidationService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut service = f.debug_struct("GossipingConsolidationService");
        service.field("gossiper", &self.shared.gossiper).finish_non_exhaustive()
    }
}

struct Shared {
    inner: Arc<dyn ConsolidationService>,
    gossiper: ConsolidationGossiper,
    observed: Observed,
    pending: Arc<Pending>,
    /// Held only briefly.
    local: Mutex<Local>,
    /// The snapshot that was handed out last. Locked while it is compared.
    handed_out: Mutex<Option<ConsolidationSnapshot>>,
    /// The version of the view that the inner service has. Locked while the inner service is
    /// called, so that it never sees an older view after a newer one.
    forwarded: Mutex<Option<u64>>,
}

/// Why a service was not created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The space already has a service, which receives its belief updates.
    #[error(
        "the space {space} already has a consolidation service; use that one, or drop it first"
    )]
    Exists {
        /// The space.
        space: SpaceId,
    },
}

/// The number of snapshots of this node's engine, and the statistics of the latest one.
#[derive(Default)]
struct Local {
    snapshots: u64,
    stats: ConsolidationStats,
}

impl GossipingConsolidationService {
    /// Wraps `inner`, and starts to pass the peers' contributions to it. Set the path of its alert
    /// log first: the log immediately receives the changes since the node began to host the space, or
    /// since the previous service of the space ended, at most 4,096.
    ///
    /// May be called outside a tokio runtime: the background tasks run on the runtime of the
    /// gossip.
    ///
    /// # Errors
    /// [`ServiceError::Exists`] if the space has a service already.
    pub fn new(
        inner: Arc<dyn ConsolidationService>,
        gossiper: ConsolidationGossiper,
    ) -> Result<Self, ServiceError> {
        Self::builder(inner, gossiper).start()
    }

    /// Prepares a service with an observer, or without a belief log. See [`new`](Self::new).
    pub fn builder(
        inner: Arc<dyn ConsolidationService>,
        gossiper: ConsolidationGossiper,
    ) -> ServiceBuilder {
        ServiceBuilder::new(inner, gossiper)
    }

    fn start(
        inner: Arc<dyn ConsolidationService>,
        gossiper: ConsolidationGossiper,
        settings: Settings,
    ) -> Result<Self, ServiceError> {
        if !gossiper.space().begin_service() {
            return Err(ServiceError::Exists { space: gossiper.space().id().clone() });
        }
        let version = gossiper.space().view_version();
        let observed = Observed::new(Arc::clone(gossiper.space()), settings);
        let runtime = gossiper.runtime().clone();
        let pending = Arc::new(Pending::new());
        let shared = Arc::new(Shared {
            inner,
            gossiper,
            observed,
            pending,
            local: Mutex::default(),
            handed_out: Mutex::default(),
            forwarded: Mutex::default(),
        });
        let follower: Weak<Shared> = Arc::downgrade(&shared);
        shared.gossiper.register(&shared.pending, follower);
        // Create both receivers before the first snapshot arrives.
        let handed = shared.pending.handed();
        runtime.spawn(Arc::clone(&shared).work(handed, version));
        Ok(Self { shared })
    }

    /// The gossiper of this service's memory space.
    pub fn gossiper(&self) -> &ConsolidationGossiper {
        &self.shared.gossiper
    }

    /// Waits until every snapshot passed to `update_cache` before the call is durable, and the
    /// inner service has the merged view that includes it. [`Node::stop`](crate::Node::stop) also
    /// waits for these snapshots. Returns the [`last_report`](Self::last_report) at that time.
    ///
    /// This method does not wait for a first contact: the patterns that the report counts as `waiting` are only in
    /// memory until the first contact ends or the node stops.
    ///
    /// # Errors
    /// [`Incomplete`] if the last of these snapshots could not be stored completely; its cause is
    /// [`StorageError::Stopped`] if it came after the node had stopped.
    pub async fn durable(&self) -> Result<SubmitReport, Incomplete<StorageError>> {
        self.shared.pending.durable().await
    }

    /// The report of the latest submitted snapshot, with every refused pattern, or the error if it
    /// could not be stored. Patterns that could not be stored are submitted again with the next
    /// snapshot that contains them. The report does not change afterwards: it counts patterns
    /// as waiting even after the first contact has ended.
    /// [`Space::waiting_len`](crate::Space::waiting_len) is the number of patterns that currently
    /// wait.
    ///
    /// If snapshots arrive faster than they are stored, later ones are merged, and the report is
    /// that of the merged snapshot: the patterns of the last snapshot, followed by those of the
    /// earlier ones whose ids it lacks. An
    /// [index](crate::replica::RejectedPattern::index) beyond the last snapshot belongs to an
    /// earlier one; identify the pattern by its id.
    ///
    /// # Errors
    /// [`Incomplete`] from [`ConsolidationGossiper::rebuild_from_snapshot`].
    pub fn last_report(&self) -> Result<SubmitReport, Incomplete<StorageError>> {
        self.shared.pending.report()
    }
}

impl Shared {
    fn local(&self) -> MutexGuard<'_, Local> {
        self.local.lock().expect("no code panics while it holds this lock")
    }

    fn handed_out(&self) -> MutexGuard<'_, Option<ConsolidationSnapshot>> {
        self.handed_out.lock().expect("no code panics while it holds this lock")
    }

    /// Whether `snapshot` is the one handed out last, so that the engine has found nothing new.
    fn is_echo(&self, snapshot: &ConsolidationSnapshot) -> bool {
        self.handed_out().as_ref().is_some_and(|handed_out| {
            let pairs = handed_out.patterns.iter().zip(&snapshot.patterns);
            handed_out.generated_at == snapshot.generated_at
                && handed_out.patterns.len() == snapshot.patterns.len()
                && pairs.into_iter().all(|(ours, theirs)| is_same(ours, theirs))
        })
    }

    /// Submits the engine's snapshots, and passes on the peers' contributions. Ends once the service
    /// has been dropped and its snapshots have been submitted.
    async fn work(
        self: Arc<Self>,
        mut handed: watch::Receiver<u64>,
        mut version: watch::Receiver<u64>,
    ) {
        let shared = Arc::clone(&self);
        _ = spawn_blocking(move || shared.catch_up()).await;
        loop {
            let going_on = tokio::select! {
                handed = handed.changed() => handed,
                changed = version.changed() => changed,
            };
            if going_on.is_err() {
                return;
            }
            // Read this before the queue is drained: a closed queue receives nothing more.
            let closed = self.pending.is_closed();
            while let Some(snapshot) = self.pending.pop() {
                let (shared, number) = (Arc::clone(&self), snapshot.number());
                _ = spawn_blocking(move || shared.take(&snapshot)).await;
                self.pending.note_stored(number);
            }
            if closed {
                return;
            }
            let shared = Arc::clone(&self);
            // `follow` blocks on files. If the inner service panics, the next change calls it again.
            _ = spawn_blocking(move || shared.follow()).await;
        }
    }

    /// Submits a snapshot of the engine, and passes the resulting merged view to the inner service.
    fn take(&self, handed: &Handed) {
        let Handed { snapshot, source, .. } = handed;
        let mut forwarded = self.forwarded();
        // Changes that arrived before are not those of the snapshot.
        self.observed.log(&self.inner.alert_log_path());
        let mut report = self.submit(handed);
        let stored = report.is_ok();
        let (waiting, rejected) = match &mut report {
            Ok(report) => (std::mem::take(&mut report.shown_waiting), report.rejected.clone()),
            Err(_) => Default::default(),
        };
        {
            let mut local = self.local();
            local.snapshots += 1;
            local.stats.clone_from(&snapshot.stats);
        }
        self.pending.set_report(report);
        let mut updates = self.observed.log(&self.inner.alert_log_path());
        updates.retain(|update| handed.has_made(update));
        updates.extend(waiting);
        let generated_at = snapshot.generated_at;
        for source in handed.merged() {
            let run = Run { generated_at, source, updates: &[], rejected: &[], stored };
            self.observed.note_run(&run);
        }
        let run =
            Run { generated_at, source: *source, updates: &updates, rejected: &rejected, stored };
        self.observed.note_run(&run);
        self.forward(&mut forwarded, *source);
    }

    fn submit(&self, handed: &Handed) -> Result<SubmitReport, Incomplete<StorageError>> {
        if handed.is_echo {
            return Ok(SubmitReport::of_echo(handed.snapshot.patterns.len()));
        }
        self.gossiper.rebuild_from_snapshot(&handed.snapshot, handed.source)
    }

    /// Locks the last forwarded version. Poisoning is ignored: the version stays correct even if the inner service
    /// panics.
    fn forwarded(&self) -> MutexGuard<'_, Option<u64>> {
        self.forwarded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on the changes from before the service was created.
    fn catch_up(&self) {
        let mut forwarded = self.forwarded();
        if !self.observed.log(&self.inner.alert_log_path()).is_empty() {
            self.forward(&mut forwarded, ConsolidationCacheSource::Gossip);
        }
    }

    /// Passes the merged view to the inner service, unless the service already has it.
    fn forward(&self, forwarded: &mut Option<u64>, source: ConsolidationCacheSource) {
        // Read the version before the view: a change in between is then forwarded again.
        let version = *self.gossiper.space().view_version().borrow();
        if *forwarded != Some(version) {
            self.inner.update_cache(&self.merged(), source);
            *forwarded = Some(version);
        }
    }

    fn merged(&self) -> ConsolidationSnapshot {
        let view = self.gossiper.space().hand_out();
        let (generated_at, stats) = (view.generated_at, self.local().stats.clone());
        ConsolidationSnapshot { generated_at, patterns: view.into_local(), stats }
    }
}

impl Follow for Shared {
    fn follow(&self) {
        let mut forwarded = self.forwarded();
        self.observed.log(&self.inner.alert_log_path());
        self.forward(&mut forwarded, ConsolidationCacheSource::Gossip);
    }
}

impl ConsolidationService for GossipingConsolidationService {
    /// The merged view; `None` until this node consolidates or receives a pattern.
    fn cached_snapshot(&self) -> Option<ConsolidationSnapshot> {
        let merged = self.shared.merged();
        let anything = !merged.patterns.is_empty() || self.shared.local().snapshots > 0;
        anything.then(|| {
            *self.shared.handed_out() = Some(merged.clone());
            merged
        })
    }

    fn update_cache(&self, snapshot: &ConsolidationSnapshot, source: ConsolidationCacheSource) {
        let is_echo = self.shared.is_echo(snapshot);
        self.shared.pending.push(snapshot.clone(), source, is_echo);
    }

    fn set_alert_log_path(&self, path: PathBuf) {
        self.shared.inner.set_alert_log_path(path);
    }

    fn alert_log_path(&self) -> PathBuf {
        self.shared.inner.alert_log_path()
    }

    /// The newest changes to visible patterns. The inner service keeps its own list.
    fn recent_updates(&self) -> Vec<BeliefUpdateRecord> {
        self.shared.gossiper.space().recent_updates()
    }
}

impl Drop for GossipingConsolidationService {
    fn drop(&mut self) {
        if self.shared.pending.close() {
            self.shared.observed.end();
        }
        self.shared.gossiper.space().end_service();
    }
}
