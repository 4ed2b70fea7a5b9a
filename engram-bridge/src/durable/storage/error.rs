//! Errors of the storage.

use std::fmt;
#[cfg(any(feature = "redb", feature = "config"))]
use std::io::{self, ErrorKind};

/// Why the stored state could not be read or written. The state in memory is unchanged and still served; a
/// change that cannot be written does not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageError {
    /// The store is already open, in another process or in this one: [`Node::stop`](crate::Node::stop) has not
    /// returned, or a [`Store`](crate::Store) has not been closed.
    InUse {
        /// The place, usually the path of a file.
        place: String,
    },
    /// The node is stopped.
    Stopped,
    /// A backup is reading the store.
    Busy {
        /// The place, usually the path of a file.
        place: String,
    },
    /// The disk has no room.
    Full {
        /// The place, usually the path of a file.
        place: String,
        /// The error of the operating system.
        reason: String,
    },
    /// The store cannot be written, but may be readable.
    ReadOnly {
        /// The place, usually the path of a file.
        place: String,
        /// The error of the operating system.
        reason: String,
    },
    /// The file was removed, moved or replaced while this process had it open.
    Replaced {
        /// The place, usually the path of a file.
        place: String,
    },
    /// The bytes read differ from the bytes written.
    Damaged {
        /// The place, usually the path of a file.
        place: String,
        /// The evidence.
        reason: String,
    },
    /// Another version of the program wrote the file.
    Newer {
        /// The place, usually the path of a file.
        place: String,
        /// The evidence.
        reason: String,
    },
    /// Any other failure.
    Failed {
        /// The place, usually the path of a file.
        place: String,
        /// The cause.
        reason: String,
    },
}

impl std::error::Error for StorageError {}

/// States the cause, that nothing was changed, and the next step. This is the message for one commit; for several,
/// see [`with_outcome`](StorageError::with_outcome).
impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_outcome("nothing was changed"))
    }
}

impl StorageError {
    /// The message for an operation that failed with this error: the cause, `outcome`, and the next step. `outcome` says
    /// what the earlier commits of the operation changed.
    pub fn with_outcome(&self, outcome: &str) -> String {
        format!("{}; {outcome}; {}", self.cause(), self.next_step())
    }

    fn cause(&self) -> String {
        match self {
            Self::InUse { place } => format!(
                "{place} is in use by another process, or by a node of this process that is not stopped"
            ),
            Self::Stopped => "the node is stopped".to_owned(),
            Self::Busy { place } => format!("a backup is reading {place}"),
            Self::Full { place, reason } => format!("{place}: no room to write ({reason})"),
            Self::ReadOnly { place, reason } => format!("{place} cannot be written ({reason})"),
            Self::Replaced { place } => {
                format!("{place} is missing, or is not the file that this node has open")
            }
            Self::Damaged { place, reason } => format!("{place} is damaged: {reason}"),
            Self::Newer { place, reason } => {
                format!("{place} was written by another version ({reason})")
            }
            Self::Failed { place, reason } => format!("{place}: {reason}"),
        }
    }

    const fn next_step(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "stop it, or give this node its own store",
            Self::Stopped => "start it again to store more",
            Self::Busy { .. } => "compact the store after the backup",
            Self::Full { .. } => {
                "free some space: a running node then recovers by itself, and refused requests can be retried"
            }
            Self::ReadOnly { .. } => {
                "mount the disk for writing or correct the permissions: a running node then recovers by itself, and refused requests can be retried"
            }
            Self::Replaced { .. } => {
                "put the file back: a running node then recovers by itself; if it cannot be put back, make a backup, which copies the open file, before you stop the node"
            }
            Self::Damaged { .. } => {
                "restore a backup, or start with an empty store, which the peers fill"
            }
            Self::Newer { .. } => "use that version or another path",
            Self::Failed { .. } => "check the path and its permissions",
        }
    }

    /// The error for a failure of the operating system at `place`.
    #[cfg(any(feature = "redb", feature = "config"))]
    pub(crate) fn of_io(error: &io::Error, place: String) -> Self {
        let reason = error.to_string();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full { place, reason }
            }
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
                Self::ReadOnly { place, reason }
            }
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Self::Damaged { place, reason },
            _ => Self::Failed { place, reason },
        }
    }

    /// Whether the disk refuses writes; the rows may still be readable.
    pub(crate) const fn refuses_writes(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::ReadOnly { .. })
    }
}
