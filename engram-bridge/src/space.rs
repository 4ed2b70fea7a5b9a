//! One memory space: what its own engine, an operator and the peers do to it.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use engram_gossip_proto::{SpaceId, Summary};
use engram_merkle::Digest;
#[cfg(feature = "metrics")]
use engram_merkle::{AnyHasher, Tree};
use tokio::sync::watch;

use crate::belief::Cause;
use crate::content::{Content, PatternError};
use crate::explain::PatternExplanation;
use crate::journal::Journal;
use crate::plan::Submitted;
use crate::report::{CROWDED, MergedView, RejectedPattern, SubmitError, SubmitReport};
use crate::state::{Change, Rules, SpaceState};
use crate::storage::StorageError;
use crate::store::Clock;
use crate::view::{SpaceView, With};
use crate::writer::Writer;
use crate::{
    BeliefUpdateRecord, ConsolidationCacheSource, ConsolidationSnapshot, SemanticPattern,
    SpaceStats, Timestamp, WriteStats,
};

/// One memory space of a [`Store`](crate::Store), shared by everybody who works on it.
///
/// All methods are synchronous, and none waits for the network. Patterns are validated and hashed
/// before any lock is taken. Whoever writes waits until the change is durable, and so do others who
/// want to write; whoever reads waits for no longer than it takes to change maps.
pub struct Space {
    id: SpaceId,
    pub(crate) rules: Rules,
    clock: Arc<Clock>,
    journal: Arc<Mutex<Journal>>,
    state: RwLock<SpaceState>,
    view_version: watch::Sender<u64>,
}

impl Space {
    pub(crate) fn new(
        id: SpaceId,
        rules: Rules,
        clock: Arc<Clock>,
        journal: Arc<Mutex<Journal>>,
        state: SpaceState,
    ) -> Self {
        let (state, view_version) = (RwLock::new(state), watch::Sender::new(0));
        Self { id, rules, clock, journal, state, view_version }
    }

    /// The name of the space.
    pub fn id(&self) -> &SpaceId {
        &self.id
    }

    /// Takes what this node's engine consolidated.
    ///
    /// A pattern that equals what this node submitted last under its id is no news. Any other is a
    /// new version beside those of the peers. A pattern that is missing is *not* removed: Engram's
    /// snapshot shrinks at every restart. When this returns, what is new is durable. Costs a
    /// comparison of every pattern with the one submitted last, a hash of each that differs, and
    /// one update of the tree for all of them.
    ///
    /// # Errors
    /// [`StorageError`] if what is new cannot be stored. Nothing was changed; submit it again.
    pub fn submit(
        &self,
        snapshot: &ConsolidationSnapshot,
        source: ConsolidationCacheSource,
    ) -> Result<SubmitReport, StorageError> {
        let mut report = SubmitReport::default();
        let mut ids = HashSet::with_capacity(snapshot.patterns.len());
        let mut contents = Vec::with_capacity(snapshot.patterns.len());
        let known = self.last_submitted(&snapshot.patterns);
        for (index, (pattern, known)) in snapshot.patterns.iter().zip(known).enumerate() {
            let content = match known {
                Some(known) if known.is_of(pattern) => Ok(known),
                _ => self.content_of(pattern),
            };
            let content = content.and_then(|content| match ids.insert(pattern.id.as_str()) {
                true => Ok(content),
                false => Err(PatternError::Duplicate),
            });
            match content {
                Ok(content) => contents.push((index, Arc::clone(pattern), content)),
                Err(reason) => {
                    report.rejected.push(RejectedPattern { index, id: pattern.id.clone(), reason });
                }
            }
        }
        self.submit_contents(contents, snapshot.generated_at, source, &mut report)?;
        Ok(report)
    }

    /// What the engine submitted last under the id of each pattern. Equal patterns have equal
    /// digests, and to compare is much cheaper than to hash.
    fn last_submitted(&self, patterns: &[Arc<SemanticPattern>]) -> Vec<Option<Content>> {
        let state = self.state();
        patterns.iter().map(|pattern| state.last_submitted(&pattern.id)).collect()
    }

    fn submit_contents(
        &self,
        contents: Vec<(usize, Arc<SemanticPattern>, Content)>,
        snapshot_generated_at: Timestamp,
        source: ConsolidationCacheSource,
        report: &mut SubmitReport,
    ) -> Result<(), StorageError> {
        let cause = Cause { source, generated_at: (self.clock)(), snapshot_generated_at };
        report.view_changed = self.change(cause, |state, writer| {
            let mut changes = Vec::new();
            for (index, pattern, content) in contents {
                let (submitted, change) = match state.plan_submit(&pattern, content, writer) {
                    Ok(planned) => planned,
                    Err(reason) => {
                        let id = pattern.id.clone();
                        report.rejected.push(RejectedPattern { index, id, reason });
                        continue;
                    }
                };
                *match submitted {
                    Submitted::Written => &mut report.written,
                    Submitted::Unchanged => &mut report.unchanged,
                    Submitted::Buried => &mut report.buried,
                    Submitted::Echoed => &mut report.echoed,
                } += 1;
                let crowded = change.iter().filter(|change| change.versions() >= CROWDED);
                report.crowded.extend(crowded.map(|change| change.id.to_string()));
                changes.extend(change);
            }
            changes
        })?;
        Ok(())
    }

    /// [`submit`](Self::submit) for a single pattern.
    ///
    /// # Errors
    /// [`SubmitError`] if it is not valid or cannot be stored; nothing was changed.
    pub fn submit_pattern(&self, pattern: &Arc<SemanticPattern>) -> Result<Submitted, SubmitError> {
        let content = self.content_of(pattern)?;
        let mut outcome = Ok(Submitted::Unchanged);
        self.change(self.cause(ConsolidationCacheSource::OnDemand), |state, writer| {
            let planned = state.plan_submit(pattern, content, writer);
            let (submitted, change) = planned.map_or_else(
                |refused| (Err(refused), None),
                |(submitted, change)| (Ok(submitted), change),
            );
            outcome = submitted;
            change.into_iter().collect()
        })?;
        Ok(outcome?)
    }

    /// Takes back what this node itself wrote under `id`; what others wrote stays. Returns whether
    /// there was anything to take back.
    ///
    /// The engine's next equal submission changes nothing; a different one is visible again.
    ///
    /// # Errors
    /// [`StorageError`] if it cannot be stored; nothing was changed.
    pub fn withdraw(&self, id: &str) -> Result<bool, StorageError> {
        self.change_one(|state, writer| state.plan_withdraw(id, writer))
    }

    /// Deletes `id`: everything that is known of it here, on all nodes. Returns whether there was
    /// anything to delete.
    ///
    /// What others write at the same time, unseen, survives. The deleted contents are remembered,
    /// at most [`MAX_BURIED`](crate::MAX_BURIED) of them, so that an engine that finds them again
    /// does not bring them back.
    ///
    /// # Errors
    /// [`StorageError`] if it cannot be stored; nothing was changed.
    pub fn forget(&self, id: &str) -> Result<bool, StorageError> {
        self.change_one(|state, writer| state.plan_forget(id, writer))
    }

    /// Replaces all versions of a pattern that are known here by `pattern`. For somebody who
    /// really looked at all of them: never to be called automatically.
    ///
    /// # Errors
    /// [`SubmitError`] if it is not valid or cannot be stored; nothing was changed.
    pub fn resolve(&self, pattern: &Arc<SemanticPattern>) -> Result<(), SubmitError> {
        let content = self.content_of(pattern)?;
        self.change_one(|state, writer| Some(state.plan_resolve(content, writer)))?;
        Ok(())
    }

    /// What is visible now. Shares the patterns; O(patterns).
    pub fn view(&self) -> MergedView {
        let (all, changed_at) = {
            let state = self.state();
            (state.visible(), state.view_changed_at())
        };
        let before = all.len();
        let patterns = self.rules.retention.shown(all);
        MergedView { hidden: before - patterns.len(), patterns, changed_at }
    }

    /// How many patterns are visible, those that the retention hides included.
    pub fn visible_len(&self) -> u64 {
        self.state().visible_len()
    }

    /// Why the pattern called `id` looks as it does: its versions, who wrote them, and what the
    /// strategy made of them. `None` if it was never heard of.
    pub fn explain(&self, id: &str) -> Option<PatternExplanation> {
        self.state().explain(id)
    }

    /// The ids of up to `most` patterns with more than one live content, ascending, from the first
    /// after `after`. O(patterns).
    pub fn conflicting(&self, after: Option<&str>, most: usize) -> Vec<Arc<str>> {
        let state = self.state();
        let ids = state.conflicting().filter(|id| after.is_none_or(|after| ***id > *after));
        ids.take(most).cloned().collect()
    }

    /// How many patterns have more than one live content, so that a strategy has to choose.
    /// O(patterns).
    pub fn conflicting_len(&self) -> u64 {
        self.state().conflicting().count() as u64
    }

    /// The root of the space's Merkle tree: equal on two nodes if and only if their states are.
    pub fn root(&self) -> Digest {
        self.state().tree().root()
    }

    /// How the space stands. O(records).
    pub fn stats(&self) -> SpaceStats {
        self.state().stats()
    }

    /// What the node writes, over all its spaces. Waits for whoever writes at the moment.
    pub(crate) fn write_stats(&self) -> WriteStats {
        self.journal().stats()
    }

    /// Root, number of records (deleted ones included) and number of changes so far.
    pub fn summary(&self) -> Summary {
        self.state().summary()
    }

    /// The newest changes of visible patterns, oldest first.
    pub fn recent_updates(&self) -> Vec<BeliefUpdateRecord> {
        self.state().updates().to_vec()
    }

    /// Counts the changes of what is visible. A receiver sees the newest number only, so somebody
    /// who is busy misses none of the outcome, however many changes there were.
    pub fn view_version(&self) -> watch::Receiver<u64> {
        self.view_version.subscribe()
    }

    /// The whole state as it is now, for one session with a peer. O(1).
    pub fn pin(self: &Arc<Self>) -> SpaceView {
        self.pin_with(With::Sync(None))
    }

    pub(crate) fn pin_with(self: &Arc<Self>, with: With) -> SpaceView {
        SpaceView::new(Arc::clone(self), &self.state(), with)
    }

    fn content_of(&self, pattern: &Arc<SemanticPattern>) -> Result<Content, PatternError> {
        Content::new(pattern, self.rules.dimension, &self.rules.hasher)
    }

    pub(crate) fn cause(&self, source: ConsolidationCacheSource) -> Cause {
        let now = (self.clock)();
        Cause { source, generated_at: now, snapshot_generated_at: now }
    }

    fn change_one(
        &self,
        plan: impl FnOnce(&SpaceState, &mut Writer) -> Option<Change>,
    ) -> Result<bool, StorageError> {
        let mut planned = false;
        self.change(self.cause(ConsolidationCacheSource::OnDemand), |state, writer| {
            let change = plan(state, writer);
            planned = change.is_some();
            change.into_iter().collect()
        })?;
        Ok(planned)
    }

    /// The only way to change the state: plans, makes durable, installs, tells whoever watches.
    /// Returns whether what is visible changed.
    ///
    /// The journal's lock makes it one step for everybody who writes. Readers see the state before
    /// until the change is durable, and are kept waiting for the moment of its installation only.
    pub(crate) fn change(
        &self,
        cause: Cause,
        plan: impl FnOnce(&SpaceState, &mut Writer) -> Vec<Change>,
    ) -> Result<bool, StorageError> {
        let mut journal = self.journal();
        let prepared = {
            let state = self.state();
            let changes = plan(&state, &mut journal.writer);
            if changes.is_empty() {
                return Ok(false);
            }
            let prepared = state.prepare(changes, cause.generated_at);
            journal.commit(&self.id, &state, &prepared)?;
            prepared
        };
        let mut state = self.state_mut();
        let view_changed = state.install(prepared, cause);
        drop(state);
        if view_changed {
            self.view_version.send_modify(|version| *version += 1);
        }
        Ok(view_changed)
    }

    /// The tree as it is now. O(1).
    #[cfg(feature = "metrics")]
    pub(crate) fn tree(&self) -> Tree<Arc<str>, AnyHasher> {
        self.state().tree().clone()
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().expect("no code panics while it holds this lock")
    }

    pub(crate) fn state_mut(&self) -> RwLockWriteGuard<'_, SpaceState> {
        self.state.write().expect("no code panics while it holds this lock")
    }

    pub(crate) fn state(&self) -> RwLockReadGuard<'_, SpaceState> {
        self.state.read().expect("no code panics while it holds this lock")
    }
}

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space").field("id", &self.id).finish_non_exhaustive()
    }
}
