//! Errors of the operations on spaces.

use std::fmt;

use engram_gossip_proto::SpaceId;
use engram_gossip_proto::limits::MAX_SPACES;

use crate::durable::recovery::{OpenError, counted};
use crate::durable::storage::StorageError;
use crate::replica::content::PatternError;

const UNCHANGED: &str = "nothing was changed";

/// Why an operation on a pattern failed. No record was changed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SubmitError {
    /// The pattern cannot be shared.
    Pattern(PatternError),
    /// The change cannot be stored.
    Storage(StorageError),
}

impl SubmitError {
    /// The message for an operation that failed with this error. `outcome` says what the operation had already changed.
    fn with_outcome(&self, outcome: &str) -> String {
        match self {
            Self::Pattern(error) => format!("{error}; {outcome}"),
            Self::Storage(error) => error.with_outcome(outcome),
        }
    }
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_outcome(UNCHANGED))
    }
}

impl std::error::Error for SubmitError {}

impl From<PatternError> for SubmitError {
    fn from(error: PatternError) -> Self {
        Self::Pattern(error)
    }
}

impl From<StorageError> for SubmitError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// Why an operation with several commits did not finish. The commits before the failed one remain in effect;
/// repeat the operation to change the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Incomplete<E = SubmitError> {
    /// The number of patterns that the earlier commits changed.
    pub changed: usize,
    /// Why the next commit failed.
    pub error: E,
}

impl<E> Incomplete<E> {
    /// The failure of an operation whose earlier commits changed `changed` patterns.
    pub(crate) const fn after(changed: usize, error: E) -> Self {
        Self { changed, error }
    }

    fn outcome(&self) -> String {
        match self.changed {
            0 => UNCHANGED.to_owned(),
            n => {
                let changed = counted(n as u64, "pattern was", "patterns were");
                format!("{changed} changed before, but the rest was not")
            }
        }
    }
}

/// The cause, the number of patterns that were changed, and, in most cases, the next step.
impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error.with_outcome(&self.outcome()))
    }
}

/// The cause, the number of patterns that were changed, and the next step.
impl fmt::Display for Incomplete<StorageError> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error.with_outcome(&self.outcome()))
    }
}

impl std::error::Error for Incomplete {}

impl std::error::Error for Incomplete<StorageError> {}

/// Adds up the numbers of patterns that several operations change, until one of them fails.
pub(crate) fn total(
    operations: impl IntoIterator<Item = Result<usize, Incomplete>>,
) -> Result<usize, Incomplete> {
    let mut total = 0;
    for changed in operations {
        total += changed
            .map_err(|Incomplete { changed, error }| Incomplete::after(total + changed, error))?;
    }
    Ok(total)
}

/// Why a space was not added. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddSpaceError {
    /// The node hosts as many spaces as a session can name.
    #[error(
        "a node hosts at most {MAX_SPACES} spaces, so {space} was not added; distribute the spaces over \
         several clusters"
    )]
    TooMany {
        /// The space.
        space: SpaceId,
    },
    /// The node is stopped.
    #[error("the node is stopped, so the space {space} was not added; start it again")]
    Stopped {
        /// The space.
        space: SpaceId,
    },
    /// The stored state of the space cannot be read or repaired.
    #[error(transparent)]
    Open(#[from] OpenError),
}
