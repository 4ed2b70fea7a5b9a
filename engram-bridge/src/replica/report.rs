//! Reports of operations on a space.

use std::sync::Arc;

use crate::engram::pattern::SemanticPattern;
use crate::engram::ports::BeliefUpdateRecord;
use crate::engram::timestamp::Timestamp;
use crate::replica::content::PatternError;
use crate::replica::refused::RefusedPattern;

/// A pattern with at least this many versions to choose from is reported: most likely the nodes
/// disagree about it, and an operator should look at it.
pub const MANY_VERSIONS: usize = 8;

/// The outcome of a submitted snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SubmitReport {
    /// Patterns that became new versions.
    pub written: usize,
    /// Patterns equal to this node's last submission under the same id.
    pub unchanged: usize,
    /// Patterns whose contents were forgotten on purpose and stay forgotten.
    pub suppressed: usize,
    /// Patterns of the merged view that were handed back: blends of several versions, or all patterns of a view
    /// that is handed back unchanged.
    pub echoed: usize,
    /// Patterns that wait for the first contact of the space.
    pub waiting: usize,
    /// Patterns that were refused. The others are not affected.
    pub rejected: Vec<RejectedPattern>,
    /// The ids whose records the submission changed, and that have at least [`MANY_VERSIONS`] versions to choose from.
    pub many_versions: Vec<String>,
    /// Whether the visible patterns changed.
    pub view_changed: bool,
    /// The changes that waiting patterns made to the merged view.
    pub(crate) shown_waiting: Vec<BeliefUpdateRecord>,
}

/// A pattern that was refused.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RejectedPattern {
    /// Its position in the submitted snapshot, from 0. A service may
    /// [merge snapshots](crate::GossipingConsolidationService::last_report).
    pub index: usize,
    /// Its id.
    pub id: String,
    /// The reason, whose text names the limit or the next step.
    pub reason: PatternError,
}

/// The visible patterns of a space.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MergedView {
    /// The visible patterns and, for ids without one, the waiting submissions that are not suppressed, in ascending
    /// order of ids. A strategy that keeps all versions shows them all, the representative of the id first.
    pub patterns: Vec<Arc<SemanticPattern>>,
    /// The number of further patterns that the [`Retention`](crate::replica::Retention) hides.
    pub hidden: usize,
    /// Patterns from this node's engine that the cluster refuses, in ascending order of ids. They are not
    /// among `patterns`.
    pub refused: Vec<RefusedPattern>,
    /// The time of the latest change to the visible patterns in this process, by the clock of this
    /// node; the epoch if there was none.
    pub changed_at: Timestamp,
    /// The time of the engine's latest snapshot or of the latest change, whichever is later, by the clock of this node.
    /// A snapshot with a future time counts as made at its submission. The time survives a restart if the store does.
    /// If the snapshot changed nothing, or its patterns wait for a first contact, the time survives only an orderly
    /// stop.
    pub generated_at: Timestamp,
}

impl MergedView {
    /// The visible patterns, and the refused patterns whose ids have no visible pattern.
    pub(crate) fn into_local(self) -> Vec<Arc<SemanticPattern>> {
        let Self { mut patterns, refused, .. } = self;
        let of_id = |id: &str| patterns.binary_search_by(|pattern| pattern.id.as_str().cmp(id));
        let missing = refused.into_iter().filter(|refused| of_id(&refused.pattern.id).is_err());
        let missing: Vec<_> = missing.map(|refused| refused.pattern).collect();
        if !missing.is_empty() {
            patterns.extend(missing);
            patterns.sort_by(|one, other| one.id.cmp(&other.id));
        }
        patterns
    }
}

impl SubmitReport {
    /// The report of a submission that hands back a merged view of `patterns` patterns.
    pub(crate) fn of_echo(patterns: usize) -> Self {
        Self { echoed: patterns, ..Self::default() }
    }

    /// The number of valid patterns: all but the rejected ones.
    #[must_use]
    pub const fn taken(&self) -> usize {
        self.written + self.unchanged + self.suppressed + self.echoed + self.waiting
    }

    pub(crate) fn reject(&mut self, index: usize, id: &str, reason: PatternError) {
        self.rejected.push(RejectedPattern { index, id: id.to_owned(), reason });
    }

    pub(crate) fn count(&mut self, submitted: Submitted) {
        *match submitted {
            Submitted::Written => &mut self.written,
            Submitted::Unchanged => &mut self.unchanged,
            Submitted::Suppressed => &mut self.suppressed,
            Submitted::Echoed => &mut self.echoed,
            Submitted::Waiting => &mut self.waiting,
        } += 1;
    }

    /// The outcome of a snapshot that contains one pattern.
    pub(crate) fn into_single(mut self) -> Result<Submitted, PatternError> {
        if let Some(rejected) = self.rejected.pop() {
            return Err(rejected.reason);
        }
        let outcomes = [
            (self.written, Submitted::Written),
            (self.suppressed, Submitted::Suppressed),
            (self.echoed, Submitted::Echoed),
            (self.waiting, Submitted::Waiting),
        ];
        let outcome = outcomes.into_iter().find(|(count, _)| *count > 0);
        Ok(outcome.map_or(Submitted::Unchanged, |(_, outcome)| outcome))
    }
}

/// The outcome of a submitted pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Submitted {
    /// It is a new version.
    Written,
    /// This node submitted the same content last; nothing was written.
    Unchanged,
    /// Its content was forgotten on purpose and stays forgotten. No version was written; this node's versions with
    /// other contents were removed.
    Suppressed,
    /// It is a blend of several versions that was handed out before; nothing was written.
    Echoed,
    /// It waits for the first contact of the space. Until then, the merged view shows it if its id has
    /// no visible pattern and its content is not suppressed.
    Waiting,
}

/// A limit of suppression that an operation reached. The operation itself succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuppressionFault {
    /// A record would have suppressed more than [`MAX_SUPPRESSED`](crate::replica::MAX_SUPPRESSED) contents:
    /// the greatest digests were dropped, and an engine that submits these contents again makes them visible.
    Dropped {
        /// The number of dropped digests.
        digests: usize,
    },
    /// A content was forgotten and released so often that its causal length cannot grow further.
    AtBound,
}
