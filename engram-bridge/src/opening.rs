//! What a node finds when it starts: the state that it left, or doubt.

use std::fmt;

use engram_gossip_net::NodeId;

use crate::storage::StorageError;

/// In which state a node found what it had stored. Show it to whoever runs the node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opening {
    /// Nothing is stored: the state ends with the process.
    InMemory,
    /// There was nothing yet.
    New,
    /// Everything was there, and is proven to be what was written last. The node goes on in the
    /// life that it had.
    Resumed {
        /// How many pattern ids there are.
        records: u64,
    },
    /// There is doubt. The node kept what is sound and began a new life: whatever it wrote in the
    /// old one and has lost comes back from its peers, and cannot be mistaken for what it writes
    /// now.
    Doubted {
        /// How many pattern ids were kept.
        records: u64,
        /// What is in doubt.
        doubt: Doubt,
    },
}

/// Why a node cannot go on in the life that it had.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// The file is a copy, or an older state came back.
    Moved,
    /// The machine was started anew and the node had not been closed.
    PowerLost,
    /// The rows are sound, but they are not the state that was committed last, or it names a write
    /// that was never made.
    Inconsistent,
    /// Some rows are damaged.
    Damaged {
        /// How many were left out.
        rows: u64,
    },
    /// Nothing could be read.
    Unreadable {
        /// Where the data were put.
        aside: String,
        /// What was found.
        reason: String,
    },
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InMemory => f.write_str("nothing is stored; the state ends with the process"),
            Self::New => f.write_str("a new store"),
            Self::Resumed { records } => write!(f, "{records} records, all as they were left"),
            Self::Doubted { records, doubt } => {
                write!(f, "{doubt}; {records} records were kept and a new life was begun, ")?;
                f.write_str("what is missing comes from the peers")
            }
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved => f.write_str("the store is a copy, or an older state of it came back"),
            Self::PowerLost => {
                f.write_str("the machine was started anew and the node had not been closed")
            }
            Self::Inconsistent => f.write_str("the store is not in the state it was left in"),
            Self::Damaged { rows } => write!(f, "{rows} rows of the store are damaged"),
            Self::Unreadable { aside, reason } => {
                write!(f, "the store cannot be read ({reason}) and was put aside as {aside}")
            }
        }
    }
}

/// Why a store cannot be opened. Nothing was changed in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A newer program wrote it.
    #[error(
        "the store has schema {found}, this version knows {known}; install the newer version again, or start with another store.path and let the peers fill it"
    )]
    Newer {
        /// Its schema.
        found: u32,
        /// The newest that this version reads.
        known: u32,
    },
    /// Another node wrote it.
    #[error(
        "the store belongs to another node ({found}); give this one its own store.path, or the certificate and key of that node"
    )]
    Foreign {
        /// Whose it is.
        found: NodeId,
    },
    /// It was written with other parameters.
    #[error(
        "the store was written with {found}, the configuration says {configured}; set it back, or start with another store.path and let the peers fill it"
    )]
    Parameters {
        /// What the store says.
        found: String,
        /// What the configuration says.
        configured: String,
    },
}
