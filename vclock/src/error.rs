use core::error::Error;
use core::fmt;

use crate::siblings::MAX_NODE_DOTS;
use crate::suppression::{MAX_LENGTH, MAX_SUPPRESSED};

/// The error for entries that do not form a [`VectorClock`](crate::VectorClock).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockError {
    /// The nodes do not strictly ascend.
    OutOfOrder {
        /// The index of the first entry that is out of place, counted from 0.
        index: usize,
    },
    /// An entry has version 0, which no write has.
    ZeroVersion {
        /// The index of the first such entry, counted from 0.
        index: usize,
    },
}

/// The error for a write that [`Siblings`](crate::Siblings) refused, and for values and a context
/// that do not form a state. A refused write changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SiblingsError {
    /// The version of a write is not above the known versions of its node.
    NotAbove {
        /// The greatest known version of the node.
        known: u64,
    },
    /// The write would make more than [`MAX_NODE_DOTS`] values of its node live.
    TooManyValues,
    /// The context does not cover a live dot.
    NotCovered {
        /// The index of the first such sibling, counted from 0.
        index: usize,
    },
    /// A live dot has version 0, which no write has.
    ZeroVersion {
        /// The index of the first such sibling, counted from 0.
        index: usize,
    },
    /// The siblings do not strictly ascend by dot and value.
    OutOfOrder {
        /// The index of the first sibling that is out of place, counted from 0.
        index: usize,
    },
    /// More than [`MAX_NODE_DOTS`] siblings belong to one node.
    TooManyOfNode {
        /// The index of the first sibling over the limit, counted from 0.
        index: usize,
    },
}

/// The error for entries that do not form a [`Suppression`](crate::Suppression).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuppressionError {
    /// The digests do not strictly ascend.
    OutOfOrder {
        /// The index of the first digest that is out of place, counted from 0.
        index: usize,
    },
    /// An entry has length 0, which denotes a digest that was never suppressed.
    ZeroLength {
        /// The index of the first such digest, counted from 0.
        index: usize,
    },
    /// A length is above [`MAX_LENGTH`].
    TooLong {
        /// The index of the first such digest, counted from 0.
        index: usize,
    },
    /// There are more than [`MAX_SUPPRESSED`] digests.
    TooMany,
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfOrder { index } => write!(
                f,
                "entry {index} is not above the one before it, so nothing was built; \
                 sort the entries and name each node only once"
            ),
            Self::ZeroVersion { index } => write!(
                f,
                "entry {index} has version 0, which no write has, so nothing was built; drop the entry"
            ),
        }
    }
}

impl Error for ClockError {}

impl fmt::Display for SiblingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAbove { known } => write!(
                f,
                "the version of the write is not above {known}, the greatest known version of its node, \
                 so nothing was written; recall {known} in the node's clock and write under its next version"
            ),
            Self::TooManyValues => write!(
                f,
                "{MAX_NODE_DOTS} values of the node are live and the write supersedes none of them, \
                 so nothing was written; read the values and write under the current context"
            ),
            Self::NotCovered { index } => write!(
                f,
                "the context does not cover sibling {index}, so nothing was built; refuse the sender"
            ),
            Self::ZeroVersion { index } => write!(
                f,
                "sibling {index} has version 0, which no write has, so nothing was built; drop the sibling"
            ),
            Self::OutOfOrder { index } => write!(
                f,
                "sibling {index} is not above the one before it, so nothing was built; \
                 sort by dot and value and drop duplicates"
            ),
            Self::TooManyOfNode { index } => write!(
                f,
                "sibling {index} exceeds the limit of {MAX_NODE_DOTS} siblings of one node, \
                 so nothing was built; refuse the sender"
            ),
        }
    }
}

impl Error for SiblingsError {}

impl fmt::Display for SuppressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfOrder { index } => write!(
                f,
                "digest {index} is not above the one before it, so nothing was built; \
                 sort the digests and name each of them only once"
            ),
            Self::ZeroLength { index } => {
                write!(f, "digest {index} has length 0, so nothing was built; drop the entry")
            }
            Self::TooLong { index } => write!(
                f,
                "digest {index} has a length above {MAX_LENGTH}, so nothing was built; refuse the sender"
            ),
            Self::TooMany => write!(
                f,
                "there are more than {MAX_SUPPRESSED} digests, so nothing was built; refuse the sender"
            ),
        }
    }
}

impl Error for SuppressionError {}
