//! What is said about a space and about what was done to it.

use std::sync::Arc;

use engram_gossip_proto::Rejection;

use crate::content::PatternError;
use crate::storage::StorageError;
use crate::{SemanticPattern, Timestamp};

/// From so many different live versions on, a pattern is called crowded.
pub const CROWDED: usize = 8;

/// What became of a submitted snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubmitReport {
    /// Patterns that are new versions.
    pub written: usize,
    /// Patterns that are as this node submitted them last.
    pub unchanged: usize,
    /// Patterns that were forgotten on purpose and stay so.
    pub buried: usize,
    /// Patterns that came from the merged view and were never this node's own.
    pub echoed: usize,
    /// Patterns that were refused. The others are not affected.
    pub rejected: Vec<RejectedPattern>,
    /// The ids of new versions that live beside many others: [`CROWDED`] or more in all. Nodes
    /// disagree about them; somebody should look, and resolve them.
    pub crowded: Vec<String>,
    /// Whether what is visible changed.
    pub view_changed: bool,
}

/// A pattern that was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct RejectedPattern {
    /// Its place in the snapshot, from 0.
    pub index: usize,
    /// Its id.
    pub id: String,
    /// What is wrong with it, and what to do.
    pub reason: PatternError,
}

/// What is visible of a space.
#[derive(Clone, Debug, Default)]
pub struct MergedView {
    /// One pattern for each id of which anything lives, in ascending order of the ids.
    pub patterns: Vec<Arc<SemanticPattern>>,
    /// How many further patterns are hidden by the [`Retention`](crate::Retention).
    pub hidden: usize,
    /// When this changed last, by the clock of this node; the epoch if it never did.
    pub changed_at: Timestamp,
}

impl SubmitReport {
    /// How many patterns were valid: all but the rejected.
    pub fn taken(&self) -> usize {
        self.written + self.unchanged + self.buried + self.echoed
    }
}

/// Why a pattern was not taken. Nothing was changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// It is not valid.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// It cannot be stored.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a record is refused, for people, with what to do.
pub fn refusal(reason: Rejection) -> &'static str {
    match reason {
        Rejection::WrongDigest => {
            "a content is not what its digest says; the peer, or its disk, is broken"
        }
        Rejection::MissingContent => "a content did not come along; the next session tries again",
        Rejection::InvalidContent => {
            "a content breaks the rules of patterns; the peer runs another version, or is broken"
        }
        Rejection::InvalidRecord => {
            "its record is not valid, or a write has two contents; see whether a node runs twice"
        }
        Rejection::OverLimit => {
            "a limit would be exceeded, or the disk is full; resolve or forget it"
        }
        Rejection::Reaped => {
            "it was deleted while the peer was away, or was set back, for longer than deletions are \
             kept; start that node with an empty store, and submit there what it alone knew"
        }
        _ => "this version does not know the reason",
    }
}
