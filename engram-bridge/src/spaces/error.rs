//! Errors of the operations on spaces.

use engram_gossip_proto::SpaceId;
use engram_gossip_proto::limits::MAX_SPACES;

use crate::durable::recovery::OpenError;
use crate::durable::storage::StorageError;
use crate::replica::content::PatternError;

/// Why an operation on a pattern failed. The pattern is unchanged, except that a submission that
/// waited for the first contact may have been written; an operation on many patterns may have
/// changed others.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The pattern cannot be shared.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The change cannot be stored.
    #[error(transparent)]
    Storage(#[from] StorageError),
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
