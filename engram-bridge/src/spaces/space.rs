//! One memory space, with the operations for its engine, for operators and for peers.

mod across_ids;
mod contact;
mod observed;
mod write;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use engram_gossip_net::NodeId;
use engram_gossip_proto::{Clocks, SpaceId, Summary};
use engram_merkle::Digest;
#[cfg(feature = "metrics")]
use engram_merkle::{AnyHasher, Tree};
use tokio::sync::watch;

use crate::engram::belief::Cause;
use crate::engram::pattern::SemanticPattern;
use crate::engram::ports::{BeliefUpdateRecord, ConsolidationCacheSource};
use crate::replica::across_ids::Comparison;
use crate::replica::content::{Content, PatternError};
use crate::replica::explain::PatternExplanation;
use crate::replica::report::MergedView;
use crate::replica::rules::Rules;
use crate::replica::state::SpaceState;
use crate::replica::stats::SpaceStats;
use crate::spaces::observer::RunStats;
use crate::spaces::shared::Shared;
use crate::spaces::stats::WriteStats;

/// The right to change a space, held from the planning of a change until the change is visible. Readers do
/// not need it. They never see a change to a record that a crash could undo, because a change to a record
/// becomes visible only once it is durable.
pub(crate) struct Writer<'s> {
    _alone: MutexGuard<'s, ()>,
}

/// One memory space of a [`Store`](crate::Store), shared by its engine, its gossip and operators.
///
/// All methods are synchronous, and none waits for the network. Submitted patterns are validated and hashed while no
/// lock is held. A writer waits until its change is durable, and other writers of the space wait for it; changes to
/// other spaces may become durable together with it. A reader waits only for work in memory, never for the disk. Large
/// changes are split into parts, so that other writers get their turn.
pub struct Space {
    id: SpaceId,
    rules: Rules,
    pub(crate) shared: Arc<Shared>,
    writers: Mutex<()>,
    state: RwLock<SpaceState>,
    view_version: watch::Sender<u64>,
    /// Whether submissions wait for the first contact.
    waits: watch::Sender<bool>,
    pub(super) comparison: Option<Comparison>,
    runs: Mutex<RunStats>,
    /// Whether the last attempt to write the belief log failed.
    log_fails: Mutex<bool>,
}

impl Space {
    pub(crate) fn new(id: SpaceId, shared: Arc<Shared>, mut state: SpaceState) -> Self {
        state.set_members(&shared.members());
        state.limit_generated(shared.now());
        let (rules, view_version) = (state.rules().clone(), watch::Sender::new(0));
        let comparison = rules.across_ids.map(Comparison::new);
        let (state, runs, log_fails) = (RwLock::new(state), Mutex::default(), Mutex::default());
        let (writers, waits) = (Mutex::new(()), watch::Sender::new(false));
        Self { id, rules, shared, writers, state, view_version, waits, comparison, runs, log_fails }
    }

    /// The name of the space.
    pub fn id(&self) -> &SpaceId {
        &self.id
    }

    /// The visible patterns, the submissions of other ids that wait for the first contact of the space, and the refused
    /// patterns. Shares the patterns. O(patterns).
    pub fn view(&self) -> MergedView {
        self.view_of(self.state())
    }

    fn view_of(&self, state: RwLockReadGuard<'_, SpaceState>) -> MergedView {
        let earliest = self.rules.retention.earliest(|| state.present());
        let (all, refused) = (state.merged(), state.refused().iter().cloned().collect());
        let (changed_at, generated_at) = (state.view_changed_at(), state.generated_at());
        drop(state);
        let before = all.len();
        let patterns = self.rules.retention.shown(all, earliest);
        MergedView { hidden: before - patterns.len(), patterns, refused, changed_at, generated_at }
    }

    /// Returns the [`view`](Self::view) for the cache of an engine, which may submit the patterns again: a resubmitted
    /// blend of several versions writes nothing. Costs a hash of each new blend.
    pub fn hand_out(&self) -> MergedView {
        let state = self.state();
        let blends = state.new_blends();
        // Take the view under the same lock, so that it contains no other blends.
        let view = self.view_of(state);
        for (id, blend) in blends {
            // A strategy should compose only valid patterns. An invalid one is shown, but not remembered.
            if let Ok(content) = self.content_of(&blend) {
                self.state_mut().hand_out(&id, &blend, content.digest());
            }
        }
        view
    }

    /// The number of ids with a visible pattern, including ids whose patterns the retention hides.
    pub fn visible_len(&self) -> u64 {
        self.state().visible_len()
    }

    /// How often a pattern acquired more than one version since the process started.
    pub fn conflicts_met(&self) -> u64 {
        self.state().conflicts_met()
    }

    /// The number of patterns of this node's engine that the cluster refuses.
    pub fn refused_len(&self) -> u64 {
        self.state().refused().len() as u64
    }

    /// The number of submitted patterns that wait for the first contact of the space.
    pub fn waiting_len(&self) -> u64 {
        self.state().waiting_len()
    }

    /// Explains the visible pattern of `id`: its versions, their writers, and the decision of the strategy.
    /// `None` if there is no record of `id`.
    pub fn explain(&self, id: &str) -> Option<PatternExplanation> {
        let explained = self.state().explain(id)?;
        Some(PatternExplanation { compared: self.compared(id), ..explained })
    }

    /// The ids of up to `most` patterns with more than one version to choose from, ascending, starting after
    /// `after`. O(patterns).
    pub fn conflicting(&self, after: Option<&str>, most: usize) -> Vec<Arc<str>> {
        let state = self.state();
        let ids = state.conflicting().filter(|id| after.is_none_or(|after| ***id > *after));
        ids.take(most).cloned().collect()
    }

    /// The root of the space's Merkle tree: equal on two nodes if and only if their states are equal.
    pub fn root(&self) -> Digest {
        self.state().tree().root()
    }

    /// The current statistics of the space.
    pub fn stats(&self) -> SpaceStats {
        self.state().stats()
    }

    /// The current statistics of the node's writes, over all its spaces.
    pub(crate) fn write_stats(&self) -> WriteStats {
        self.shared.stats()
    }

    /// The root, the number of records (deletions included), and the number of changes since the process
    /// started.
    pub fn summary(&self) -> Summary {
        self.state().summary()
    }

    /// The newest changes to visible patterns, oldest first.
    pub fn recent_updates(&self) -> Vec<BeliefUpdateRecord> {
        self.state().updates().to_vec()
    }

    /// Returns a receiver for the number of changes to the visible patterns. It sees only the newest number, so a slow
    /// receiver still learns of the latest state.
    pub fn view_version(&self) -> watch::Receiver<u64> {
        self.view_version.subscribe()
    }

    /// Whether the store can keep records from peers now: its last commit and all later checks succeeded, or it stores
    /// nothing.
    pub(crate) fn accepts_records(&self) -> bool {
        !self.shared.journal.is_failing()
    }

    /// Calls `work` with the index of the space's records by version, which contains the version summary.
    pub(crate) fn with_clocks(&self, work: &mut dyn FnMut(&mut dyn Clocks)) {
        work(self.state_mut().clocks());
    }

    /// The greatest version of `node` in the context of any record of the space; 0 if there is none.
    pub(crate) fn greatest(&self, node: &NodeId) -> u64 {
        self.state().tallies().greatest(node.as_bytes())
    }

    pub(crate) fn set_members(&self) {
        self.state_mut().set_members(&self.shared.members());
    }

    fn content_of(&self, pattern: &Arc<SemanticPattern>) -> Result<Content, PatternError> {
        Content::new(pattern, self.rules.shape, &self.rules.hasher)
    }

    pub(crate) const fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) fn cause(&self, source: ConsolidationCacheSource) -> Cause {
        let now = self.shared.now();
        Cause { source, generated_at: now, snapshot_generated_at: now }
    }

    /// A snapshot of the tree. O(1).
    #[cfg(feature = "metrics")]
    pub(crate) fn tree(&self) -> Tree<Arc<str>, AnyHasher> {
        self.state().tree().clone()
    }

    /// Waits for the right to change the space.
    pub(crate) fn writer(&self) -> Writer<'_> {
        Writer { _alone: self.writers.lock().expect("no code panics while it holds this lock") }
    }

    pub(crate) fn state(&self) -> RwLockReadGuard<'_, SpaceState> {
        self.state.read().expect("no code panics while it holds this lock")
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, SpaceState> {
        self.state.write().expect("no code panics while it holds this lock")
    }

    fn note_view_change(&self) {
        self.view_version.send_modify(|version| *version += 1);
        self.shared.note_view_change();
    }
}

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space").field("id", &self.id).finish_non_exhaustive()
    }
}
