//! Where a node's state outlives its process.

mod memory;
#[cfg(feature = "redb")]
mod redb;

use std::path::Path;

pub use memory::MemoryStateStore;
#[cfg(feature = "redb")]
pub use redb::RedbStateStore;

/// What a [`Store`](crate::Store) writes its state to: a few tables of bytes, changed in batches.
///
/// What the bytes mean is the store's business: it checks every row that it reads, so an
/// implementation only has to keep what it was given. The crate brings two: a file
/// ([`RedbStateStore`], feature `redb`) and memory ([`MemoryStateStore`], for tests).
///
/// Calls may wait for a disk. They are made one at a time, and never while anybody reads the state.
pub trait StateStore: Send {
    /// Hands every row of `table` to `row`, in any order: first the key, then the value.
    ///
    /// # Errors
    /// [`StorageError`]; [`StorageError::Damaged`] if what was written is not what is read.
    fn scan(&mut self, table: Table, row: &mut dyn FnMut(&[u8], &[u8]))
    -> Result<(), StorageError>;

    /// Makes the whole batch durable, or nothing of it. When this returns without an error, the
    /// rows survive the end of the process and the loss of power.
    ///
    /// # Errors
    /// [`StorageError`]. The next commit may succeed: a full disk may have been cleared meanwhile.
    fn commit(&mut self, batch: &Batch) -> Result<(), StorageError>;

    /// What tells these data, in this place, from a copy of them and from an older state of them.
    fn seal(&self) -> Seal;

    /// How many bytes it takes where it is; `None` if that is not known.
    fn size(&self) -> Option<u64> {
        None
    }

    /// Makes a new seal, so that every copy that was taken so far has another one.
    ///
    /// # Errors
    /// [`StorageError`]; the old seal may be gone then, which means no more than doubt.
    fn renew_seal(&mut self) -> Result<Seal, StorageError>;

    /// Puts data aside that cannot be read, and begins empty. Returns where they went, for people.
    ///
    /// # Errors
    /// [`StorageError`] if that is not possible; nothing was removed.
    fn set_aside(&mut self) -> Result<String, StorageError>;

    /// Writes a copy of all rows to `to`, which must not exist.
    ///
    /// # Errors
    /// [`StorageError`] if this store has no such thing as a copy, or if it cannot be written.
    fn backup(&mut self, to: &Path) -> Result<(), StorageError>;
}

/// A table of a [`StateStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Table {
    /// About the store itself: its schema, whose it is, the present life, the roots of the spaces.
    Meta,
    /// A row for each pattern id, deleted ones included.
    Records,
    /// A row for each content.
    Contents,
    /// A row for each pattern id of which nothing is visible: since when.
    Deletions,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 4] = [Self::Meta, Self::Records, Self::Contents, Self::Deletions];

    /// A name for files. It never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Records => "records",
            Self::Contents => "contents",
            Self::Deletions => "deletions",
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
pub struct Edit {
    /// Where.
    pub table: Table,
    /// Which row.
    pub key: Vec<u8>,
    /// Its new value; `None` removes it.
    pub value: Option<Vec<u8>>,
}

impl Batch {
    /// The changes, in the order in which they take effect.
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    pub(crate) fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.edits.push(Edit { table, key, value: Some(value) });
    }

    pub(crate) fn remove(&mut self, table: Table, key: Vec<u8>) {
        self.edits.push(Edit { table, key, value: None });
    }
}

/// See [`StateStore::seal`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seal {
    /// Differs in every copy, and after every [`StateStore::renew_seal`].
    pub place: String,
    /// Differs after every start of the machine; empty if that is not known. What was written
    /// before a loss of power may be lost in spite of all promises of a disk.
    pub boot: String,
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
    /// What is read is not what was written.
    #[error("{place} is damaged: {reason}")]
    Damaged {
        /// Which file.
        place: String,
        /// What was found.
        reason: String,
    },
    /// The file belongs to a newer program.
    #[error(
        "{place} was written by a newer version ({reason}); nothing was touched, use that version or another path"
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
