//! The store in which a node's state outlives its process.

mod memory;
#[cfg(feature = "redb")]
mod redb;

use std::path::Path;

pub use memory::MemoryStateStore;
#[cfg(feature = "redb")]
pub use redb::RedbStateStore;

/// A few tables of bytes, changed in atomic batches: the place to which a [`Store`](crate::Store)
/// writes its state.
///
/// The store checks every row that it reads, so an implementation only has to keep the bytes it was
/// given. The crate brings two: a file ([`RedbStateStore`], feature `redb`) and memory
/// ([`MemoryStateStore`], for tests).
///
/// Calls may wait for a disk. Commits are made one at a time; the other methods may run beside them.
/// The suite in `conformance` (feature `conformance`) checks an implementation.
pub trait StateStore: Send + Sync {
    /// Hands every row of `table` to `row`, in any order: first the key, then the value.
    ///
    /// # Errors
    /// [`StorageError`]; [`StorageError::Damaged`] if the bytes read are not the bytes written.
    fn scan(&self, table: Table, row: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StorageError>;

    /// Makes the whole batch durable, or nothing of it. When this returns without an error, the
    /// rows survive the end of the process and the loss of power.
    ///
    /// # Errors
    /// [`StorageError`]. The next commit may succeed: a full disk may have been cleared meanwhile.
    fn commit(&self, batch: &Batch) -> Result<(), StorageError>;

    /// The size of the store, as far as it is known. Waits for no commit.
    fn usage(&self) -> StoreUsage {
        StoreUsage::default()
    }

    /// Gives space that the rows do not need back to the system. Commits may wait for it.
    ///
    /// # Errors
    /// [`StorageError`]; no row was changed. [`StorageError::Busy`] if a backup reads the store.
    fn compact(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// Puts data aside that cannot be read, and begins empty. Returns the new place of the data.
    ///
    /// # Errors
    /// [`StorageError`] if that is not possible; nothing was removed.
    fn set_aside(&self) -> Result<String, StorageError>;

    /// Writes a copy of all rows to `to`, which must not exist. Commits go on meanwhile.
    ///
    /// # Errors
    /// [`StorageError`] if this store cannot be copied, or if the copy cannot be written.
    fn backup(&self, to: &Path) -> Result<(), StorageError>;
}

/// The size of a [`StateStore`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreUsage {
    /// Bytes on the disk; `None` if that is not known.
    pub bytes: Option<u64>,
    /// Rows of [`Table::Records`]; `None` if that is not known.
    pub records: Option<u64>,
}

impl StoreUsage {
    /// The size of a store that takes `bytes` and has `records` rows of [`Table::Records`].
    #[must_use]
    pub const fn new(bytes: Option<u64>, records: Option<u64>) -> Self {
        Self { bytes, records }
    }
}

/// A table of a [`StateStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Table {
    /// The store itself: its schema, its owner, the roots of the spaces.
    Meta,
    /// A row for each pattern id, deletions included; in it the live content, if there is a single one
    /// that is not long.
    Records,
    /// A row for each other live content.
    Contents,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 3] = [Self::Meta, Self::Records, Self::Contents];

    /// A name for files. It never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Records => "records",
            Self::Contents => "contents",
        }
    }
}

/// Changes that become durable together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    edits: Vec<Edit>,
}

/// A change of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edit {
    /// The table of the row.
    pub table: Table,
    /// The key of the row.
    pub key: Vec<u8>,
    /// Its new value; `None` removes it.
    pub value: Option<Vec<u8>>,
}

impl Batch {
    /// The changes, in the order in which they take effect.
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// Appends a new value of a row.
    pub fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.edits.push(Edit { table, key, value: Some(value) });
    }

    /// Appends the removal of a row.
    pub fn remove(&mut self, table: Table, key: Vec<u8>) {
        self.edits.push(Edit { table, key, value: None });
    }

    /// Appends the changes of another batch.
    pub fn append(&mut self, other: Self) {
        self.edits.extend(other.edits);
    }

    /// Whether there are no changes.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }
}

impl StorageError {
    /// Whether the disk takes no writes now, but its rows may be readable.
    pub(crate) const fn refuses_writes(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::ReadOnly { .. })
    }
}

/// Why the state could not be written or read. What is in memory stays as it was and is served on;
/// what was to be written was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Another process has it open.
    #[error("{place} is in use by another process; stop that one, or give this node its own path")]
    InUse {
        /// Which file.
        place: String,
    },
    /// A backup of it is under way.
    #[error("{place} is read by a backup; nothing was changed, compact it once the backup is done")]
    Busy {
        /// Which file.
        place: String,
    },
    /// There is no room.
    #[error(
        "{place}: no room to write ({reason}); nothing was taken, free some space and it is tried again"
    )]
    Full {
        /// Which file.
        place: String,
        /// What the system said.
        reason: String,
    },
    /// It cannot be written to, though it may be readable.
    #[error(
        "{place} cannot be written ({reason}); nothing was taken, mount the disk for writing or set the permissions, and it is tried again"
    )]
    ReadOnly {
        /// Which file.
        place: String,
        /// What the system said.
        reason: String,
    },
    /// What is read is not what was written.
    #[error("{place} is damaged: {reason}")]
    Damaged {
        /// Which file.
        place: String,
        /// What was found.
        reason: String,
    },
    /// A program of another version wrote the file.
    #[error(
        "{place} was written by another version ({reason}); nothing was touched, use that version or another path"
    )]
    Newer {
        /// Which file.
        place: String,
        /// What was found.
        reason: String,
    },
    /// Anything else.
    #[error("{place}: {reason}; nothing was taken, check the path and its permissions")]
    Failed {
        /// Which file.
        place: String,
        /// What the system said.
        reason: String,
    },
}
