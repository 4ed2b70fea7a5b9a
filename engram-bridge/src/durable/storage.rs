//! Durable storage of a node's state.

mod error;
mod memory;
#[cfg(feature = "redb")]
mod redb;

use std::path::Path;

pub use error::StorageError;
pub use memory::MemoryStateStore;
#[cfg(feature = "redb")]
pub use redb::RedbStateStore;

/// The storage of a [`Store`](crate::Store): a few tables of byte rows, changed in atomic batches.
///
/// [`Store`](crate::Store) validates every row that it reads, so an implementation only has to keep bytes. The
/// crate has two implementations: [`RedbStateStore`] (in a file, feature `redb`) and [`MemoryStateStore`] (in
/// memory, for tests).
///
/// Only one store at a time may have the stored data open: two nodes on the same data would overwrite each
/// other's rows. If another store has the data open, an implementation fails with [`StorageError::InUse`],
/// immediately or in its first call, until that store is [closed](Self::close) or dropped.
///
/// Calls may block on a disk. The caller makes one commit at a time; the other methods may run during a commit.
/// The suite in `conformance` (feature `conformance`) checks an implementation.
pub trait StateStore: Send + Sync {
    /// Calls `row` with the table, the key and the value of every row: the tables in the order of [`Table::ALL`],
    /// the rows of a table in any order. A scan during a commit sees the whole batch or none of it. `row` never
    /// calls the store.
    ///
    /// # Errors
    /// [`StorageError`] if the rows cannot be read; [`StorageError::Damaged`] if the bytes read differ from
    /// the bytes written. The caller does not use the rows of a failed scan.
    fn scan(&self, row: &mut OnRow<'_>) -> Result<(), StorageError>;

    /// Makes the whole batch durable, or none of it. After a success, the rows survive a crash of the process
    /// and a loss of power.
    ///
    /// # Errors
    /// [`StorageError`] if the batch cannot be written. A later commit may succeed, for example once a
    /// full disk has free space again.
    fn commit(&self, batch: &Batch) -> Result<(), StorageError>;

    /// Checks whether the store accepts changes now, without changing a row. A [`Store`](crate::Store) calls it at
    /// most once, after it has read the rows. By default it returns `Ok`, and the first commit reports the failure
    /// instead.
    ///
    /// # Errors
    /// [`StorageError::Full`] or [`StorageError::ReadOnly`] if a commit would fail.
    fn check_writable(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// Checks, without changing a row, that a restart would find the data that this store holds open. A
    /// [`Binding`](crate::Binding) calls it every ten seconds, unless changes already fail. By default it returns
    /// `Ok`.
    ///
    /// # Errors
    /// [`StorageError::Replaced`] if the data was removed or replaced.
    fn check_in_place(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// The size of the store, as far as it is known. Called whenever the metrics or the status page is read, so it
    /// should be cheap: it must neither scan the rows nor wait for a commit.
    fn usage(&self) -> StoreUsage {
        StoreUsage::default()
    }

    /// Returns unused space to the file system. Commits may have to wait meanwhile.
    ///
    /// # Errors
    /// [`StorageError`] if the compaction fails; no row was changed. [`StorageError::Busy`] if a backup is reading the
    /// store.
    fn compact(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// Moves the stored data to another place, and continues with an empty store. Returns the new place for a message
    /// to the operator: the path of the file or folder, if there is one. Called when the store is opened, if the data
    /// cannot be read; an operator may still recover rows from it, so it is never deleted.
    ///
    /// # Errors
    /// [`StorageError`] if the data cannot be moved. In this case nothing is removed.
    fn set_aside(&self) -> Result<String, StorageError>;

    /// Writes a copy of all rows to `to`, which must not exist. The implementation chooses whether `to` becomes a file
    /// or a folder, and can open it as a store. The copy contains the rows as of one moment during the call. Commits
    /// continue meanwhile.
    ///
    /// # Errors
    /// [`StorageError`] if this store cannot be copied, if `to` exists, or if the copy cannot be written; no
    /// part of the copy remains.
    fn backup(&self, to: &Path) -> Result<(), StorageError>;

    /// Releases the files and locks that the store holds, so that another store can open the same data. Waits for
    /// running calls. A later call opens the data again, and fails if another store has opened it meanwhile.
    ///
    /// Does nothing by default: override it if the store holds a file, a connection or a lock. Otherwise, a
    /// stopped node keeps its data in use until it is dropped.
    fn close(&self) {}
}

/// Called with each row of a [scan](StateStore::scan): its table, key and value.
pub type OnRow<'r> = dyn FnMut(Table, &[u8], &[u8]) + 'r;

/// The size of a [`StateStore`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreUsage {
    /// Bytes on the disk; `None` if unknown.
    pub bytes: Option<u64>,
    /// Rows of [`Table::Records`]; `None` if unknown.
    pub records: Option<u64>,
}

impl StoreUsage {
    /// The size of a store that takes `bytes` on the disk and has `records` rows in [`Table::Records`].
    #[must_use]
    pub const fn new(bytes: Option<u64>, records: Option<u64>) -> Self {
        Self { bytes, records }
    }
}

/// A table of a [`StateStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Table {
    /// The schema and the owner of the store, and for each space its root, the time of its latest snapshot or change,
    /// and whether its first contact is over. In every schema, the row `owner` begins
    /// with the number of the schema, a little-endian `u32`. If the row `owner` is damaged, `owner copy` is read
    /// instead.
    Meta,
    /// One row for each pattern id, deletions included. It contains the live content if there is exactly one
    /// and it is short.
    Records,
    /// One row for each other live content.
    Contents,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 3] = [Self::Meta, Self::Records, Self::Contents];

    /// The name of the table in stored files. It never changes.
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

/// A change to one row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edit {
    /// The table of the row.
    pub table: Table,
    /// The key of the row.
    pub key: Vec<u8>,
    /// The new value of the row; `None` removes the row.
    pub value: Option<Vec<u8>>,
}

impl Batch {
    /// The edits, in the order in which they take effect.
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

    /// Appends the edits of another batch.
    pub fn append(&mut self, other: Self) {
        self.edits.extend(other.edits);
    }

    /// Whether the batch has no edits.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }
}
