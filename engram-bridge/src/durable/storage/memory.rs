//! A state store in memory, for tests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{Batch, OnRow, StateStore, StorageError, StoreUsage, Table};

/// Keeps the rows in memory. All clones share them, so that a test can drop a [`Store`](crate::Store), alter
/// the rows, and open another store on them.
///
/// Each clone opens the rows separately: from its first [`scan`](StateStore::scan), [`commit`](StateStore::commit)
/// or [`set_aside`](StateStore::set_aside) until it is closed or dropped, these methods of the other clones fail
/// with [`StorageError::InUse`]. All other methods work on every clone.
#[derive(Debug, Default)]
pub struct MemoryStateStore {
    inner: Arc<Mutex<Inner>>,
    opening: Arc<()>,
}

/// The clone shares the rows, but opens them separately.
impl Clone for MemoryStateStore {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), opening: Arc::default() }
    }
}

#[derive(Debug, Default)]
struct Inner {
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    /// The clone that has the rows open.
    open: Weak<()>,
    commits: u64,
    failure: Option<StorageError>,
    /// The number of commits that still succeed before `failure` applies.
    spared: u64,
}

impl MemoryStateStore {
    /// Creates an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes every later commit fail with `failure`; `None` lets commits succeed again.
    pub fn fail(&self, failure: Option<StorageError>) {
        let mut inner = self.inner();
        (inner.failure, inner.spared) = (failure, 0);
    }

    /// Lets `commits` more commits succeed, and then makes every commit fail with `failure` until
    /// [`fail`](Self::fail) is called.
    pub fn fail_after(&self, commits: u64, failure: StorageError) {
        let mut inner = self.inner();
        (inner.failure, inner.spared) = (Some(failure), commits);
    }

    /// The number of committed batches.
    pub fn commits(&self) -> u64 {
        self.inner().commits
    }

    /// Calls `spoil` with each row. It may change the value; if it returns `false`, the row is removed.
    pub fn spoil(&self, mut spoil: impl FnMut(Table, &[u8], &mut Vec<u8>) -> bool) {
        self.inner().rows.retain(|(table, key), value| spoil(*table, key, value));
    }

    /// Returns an independent store with the same rows, like the copy of a file.
    #[must_use]
    pub fn copy(&self) -> Self {
        let inner = self.inner();
        let copy = Inner { rows: inner.rows.clone(), ..Inner::default() };
        Self { inner: Arc::new(Mutex::new(copy)), opening: Arc::default() }
    }

    /// Opens the rows for this clone; fails if another clone has them open.
    fn open(&self) -> Result<MutexGuard<'_, Inner>, StorageError> {
        let mut inner = self.inner();
        match inner.open.upgrade() {
            Some(other) if !Arc::ptr_eq(&other, &self.opening) => {
                Err(StorageError::InUse { place: "the store in memory".to_owned() })
            }
            _ => {
                inner.open = Arc::downgrade(&self.opening);
                Ok(inner)
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for MemoryStateStore {
    fn scan(&self, row: &mut OnRow<'_>) -> Result<(), StorageError> {
        let inner = self.open()?;
        inner.rows.iter().for_each(|((table, key), value)| row(*table, key, value));
        Ok(())
    }

    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        let mut inner = self.open()?;
        match &inner.failure {
            Some(failure) if inner.spared == 0 => return Err(failure.clone()),
            _ => inner.spared = inner.spared.saturating_sub(1),
        }
        for edit in batch.edits() {
            let key = (edit.table, edit.key.clone());
            match &edit.value {
                Some(value) => _ = inner.rows.insert(key, value.clone()),
                None => _ = inner.rows.remove(&key),
            }
        }
        inner.commits += 1;
        Ok(())
    }

    fn usage(&self) -> StoreUsage {
        let inner = self.inner();
        let records = inner.rows.keys().filter(|(table, _)| *table == Table::Records).count();
        let bytes: usize = inner.rows.iter().map(|((_, key), value)| key.len() + value.len()).sum();
        StoreUsage::new(Some(bytes as u64), Some(records as u64))
    }

    fn set_aside(&self) -> Result<String, StorageError> {
        self.open()?.rows.clear();
        Ok("nowhere".to_owned())
    }

    fn backup(&self, to: &Path) -> Result<(), StorageError> {
        let (place, reason) =
            (to.display().to_string(), "a store in memory cannot be backed up".to_owned());
        Err(StorageError::Failed { place, reason })
    }

    fn close(&self) {
        let mut inner = self.inner();
        if inner.open.ptr_eq(&Arc::downgrade(&self.opening)) {
            inner.open = Weak::new();
        }
    }
}
