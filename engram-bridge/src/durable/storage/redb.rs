//! A state store in a file.

mod copy;
mod error;
mod file;
mod identity;
mod overlay;
mod private;

use std::any::Any;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard, TryLockError, TryLockResult};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _};

use self::copy::copy;
use self::error::storage_error;
use self::file::{Check, definition, has_other_format, open_file, open_unwritten, sync};
use self::identity::Identity;
use self::private::create_folder;
use super::{Batch, OnRow, StateStore, StorageError, StoreUsage, Table};

const STATE: &str = "state.redb";

/// A [`StateStore`] in a redb database, the file `state.redb` of a folder. Every commit is synced to the disk.
///
/// Only one store at a time can have the database open. The first use creates the folder and the file. On Unix, only
/// the owner can access the folder and the files that the store creates. After a failure, the next call reopens the
/// database; if the disk was full, it first writes a probe file to check that the failed batch now fits. A file that
/// cannot be written can still be read.
///
/// On Unix, the store remembers the device and the inode of the file. While the file is missing or another file is in
/// its place, scans, commits and compactions fail with [`StorageError::Replaced`]. The store keeps the original file
/// open, and a backup copies it.
#[derive(Debug)]
pub struct RedbStateStore {
    folder: PathBuf,
    cache: usize,
    /// Read-locked by each use of `database`. Opening, closing, compaction and each use of `unwritten` take the
    /// write lock, so they wait for all running calls.
    open: RwLock<Open>,
    /// Read-locked by each backup. A compaction fails if it cannot take the write lock immediately: if it
    /// waited for a backup, commits would wait, too.
    copying: RwLock<()>,
    /// The number of records after the last commit; [`u64::MAX`] before the first opening.
    records: AtomicU64,
}

#[derive(Debug, Default)]
struct Open {
    database: Option<Database>,
    /// Whether this process has already checked the whole file.
    checked: bool,
    /// The identity of the file that this process read; `None` before the first opening, and after the store was
    /// closed or set aside.
    identity: Option<Identity>,
    /// The disk space that must be free before the database is opened again, in bytes: the space that a failed commit
    /// or check required, or 0.
    lacking: u64,
    /// A read-only view of a file that cannot be written, kept from the first scan until the store tries to
    /// commit, proves writable, or is closed.
    unwritten: Option<Database>,
}

impl RedbStateStore {
    /// The default size of the page cache in bytes. See [`with_cache`](Self::with_cache). The state is in
    /// memory anyway, so the database needs pages only for its own work.
    pub const DEFAULT_CACHE: usize = 256 << 10;

    /// Creates a store in `folder`, without reading or creating any file yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            cache: Self::DEFAULT_CACHE,
            open: RwLock::default(),
            copying: RwLock::default(),
            records: AtomicU64::new(u64::MAX),
        }
    }

    /// Sets the size of the page cache to `bytes`. A larger cache makes commits of many rows faster.
    #[must_use]
    pub fn with_cache(self, bytes: usize) -> Self {
        Self { cache: bytes, ..self }
    }

    fn state(&self) -> PathBuf {
        self.folder.join(STATE)
    }

    fn place(&self) -> String {
        self.state().display().to_string()
    }

    fn open_mut(&self) -> RwLockWriteGuard<'_, Open> {
        self.open.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the database, unless it is open.
    fn prepare(&self) -> Result<(), redb::Error> {
        let mut open = self.open_mut();
        if open.database.is_some() {
            return Ok(());
        }
        if open.lacking > 0 {
            file::probe(&self.folder, open.lacking)?;
        }
        let check = if open.checked { Check::AfterCrash } else { Check::Whole };
        let (database, identity) = open_file(&self.folder, self.cache, check)?;
        let rows = database.begin_read()?.open_table(definition(Table::Records))?.len()?;
        self.records.store(rows, Relaxed);
        (open.database, open.checked, open.lacking) = (Some(database), true, 0);
        open.identity = Some(identity);
        Ok(())
    }

    /// Runs `work` on the database, and closes the database after any error. Fails, and leaves the database
    /// open, if the file was removed or replaced.
    ///
    /// A file that another program altered may make redb panic. The panic is reported as damage to the file.
    fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StorageError> {
        self.check_in_place()?;
        self.with_opened(work)
    }

    /// Like [`with`](Self::with), but runs `work` even if the file was removed or replaced.
    fn with_opened<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StorageError> {
        self.guarded(|| {
            loop {
                let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
                if let Some(database) = &open.database {
                    return work(database);
                }
                drop(open);
                self.prepare()?;
            }
        })
    }

    /// Runs `work`, which uses the database, and closes the database after any error or panic.
    fn guarded<T>(&self, work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, StorageError> {
        let done = catch_unwind(AssertUnwindSafe(work));
        if !matches!(done, Ok(Ok(_))) {
            self.open_mut().database = None;
        }
        match done {
            Ok(done) => done.map_err(|error| match storage_error(error, self.place()) {
                StorageError::Damaged { place, reason } if has_other_format(&self.state()) => {
                    StorageError::Newer { place, reason }
                }
                error => error,
            }),
            Err(panic) => {
                let reason = format!("the database panicked: {}", message(&*panic));
                Err(StorageError::Damaged { place: self.place(), reason })
            }
        }
    }

    fn is_open(&self) -> bool {
        self.open.read().unwrap_or_else(PoisonError::into_inner).database.is_some()
    }

    fn is_unwritten(&self) -> bool {
        self.open.read().unwrap_or_else(PoisonError::into_inner).unwritten.is_some()
    }

    /// Scans a file that cannot be written now. Recovery from a crash happens in memory.
    fn scan_unwritten(&self, row: &mut OnRow<'_>) -> Result<(), StorageError> {
        self.guarded(|| {
            let mut open = self.open_mut();
            let database = match open.unwritten.take() {
                Some(database) => database,
                None => {
                    let (database, identity) = open_unwritten(&self.state(), self.cache)?;
                    open.identity = Some(identity);
                    database
                }
            };
            scan_rows(open.unwritten.insert(database), row)
        })
    }
}

impl StateStore for RedbStateStore {
    fn scan(&self, row: &mut OnRow<'_>) -> Result<(), StorageError> {
        if self.is_unwritten() {
            return self.scan_unwritten(row);
        }
        // Open the database before the scan, so that the fallback cannot yield a row twice.
        match self.with(|_| Ok(())) {
            Ok(()) => self.with(|database| scan_rows(database, row)),
            Err(error) if error.refuses_writes() && self.state().exists() => {
                self.scan_unwritten(row)
            }
            Err(error) => Err(error),
        }
    }

    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        self.check_in_place()?;
        // A backup holds the read lock for a long time, so the write lock is taken only if there is something
        // to change.
        if self.is_unwritten() {
            self.open_mut().unwritten = None;
        }
        let committed = self.with(|database| {
            let transaction = database.begin_write()?;
            let mut records = None;
            for table in Table::ALL {
                let mut edits = batch.edits().iter().filter(|edit| edit.table == table).peekable();
                if edits.peek().is_none() {
                    continue;
                }
                let mut rows = transaction.open_table(definition(table))?;
                for edit in edits {
                    match &edit.value {
                        Some(value) => _ = rows.insert(&*edit.key, &**value)?,
                        None => _ = rows.remove(&*edit.key)?,
                    }
                }
                if table == Table::Records {
                    records = Some(rows.len()?);
                }
            }
            transaction.commit()?;
            Ok(records)
        });
        match committed {
            Ok(records) => {
                records.into_iter().for_each(|records| self.records.store(records, Relaxed));
                Ok(())
            }
            Err(error) => {
                if matches!(error, StorageError::Full { .. }) {
                    self.open_mut().lacking = file::room_for(batch);
                }
                Err(error)
            }
        }
    }

    fn check_writable(&self) -> Result<(), StorageError> {
        // An open database is writable. A file that has only been opened for reading is now opened for writing, which
        // fails if the file still refuses writes.
        if self.is_unwritten() {
            self.with(|_| Ok(()))?;
            self.open_mut().unwritten = None;
        }
        match file::probe(&self.folder, file::COMMIT_ROOM) {
            Ok(()) => Ok(()),
            Err(error) => match StorageError::of_io(&error, self.place()) {
                full @ StorageError::Full { .. } => {
                    let mut open = self.open_mut();
                    (open.database, open.lacking) = (None, file::COMMIT_ROOM);
                    Err(full)
                }
                // The file may be writable although no other file can be created beside it.
                _ => Ok(()),
            },
        }
    }

    fn check_in_place(&self) -> Result<(), StorageError> {
        let identity = self.open.read().unwrap_or_else(PoisonError::into_inner).identity;
        match identity {
            Some(identity) if !identity.is_at(&self.state()) => {
                Err(StorageError::Replaced { place: self.place() })
            }
            _ => Ok(()),
        }
    }

    fn usage(&self) -> StoreUsage {
        let bytes = fs::metadata(self.state()).ok().map(|file| file.len());
        let records = Some(self.records.load(Relaxed)).filter(|records| *records != u64::MAX);
        StoreUsage::new(bytes, records)
    }

    fn compact(&self) -> Result<(), StorageError> {
        let Some(_alone) = unless_blocked(self.copying.try_write()) else {
            return Err(StorageError::Busy { place: self.place() });
        };
        self.with(|_| Ok(()))?;
        self.guarded(|| match &mut self.open_mut().database {
            // A call failed and closed the database meanwhile; the next commit reopens it.
            None => Ok(()),
            Some(database) => Ok(database.compact().map(|_| ())?),
        })
    }

    fn set_aside(&self) -> Result<String, StorageError> {
        *self.open_mut() = Open::default();
        let free = (1..).map(|n| self.folder.join(format!("{STATE}.damaged-{n}")));
        let mut free = free.skip_while(|path| path.exists());
        let aside = free.next().expect("some number is free");
        let renamed = fs::rename(self.state(), &aside).and_then(|()| sync(&self.folder));
        renamed.map_err(|error| StorageError::of_io(&error, aside.display().to_string()))?;
        Ok(aside.display().to_string())
    }

    fn backup(&self, to: &Path) -> Result<(), StorageError> {
        let _copying = self.copying.read().unwrap_or_else(PoisonError::into_inner);
        let place = || to.display().to_string();
        // If the file is open and has been removed, this copy may be the only way to keep its rows.
        if !self.is_open() {
            self.check_in_place()?;
        }
        create_folder(to).map_err(|error| StorageError::of_io(&error, place()))?;
        let copied =
            self.with_opened(|database| copy(database, to, self.cache)).and_then(|copied| {
                copied.map_err(|error| storage_error(error, place()))?;
                sync(to).map_err(|error| StorageError::of_io(&error, place()))
            });
        if copied.is_err() {
            // The copy is incomplete. The first error is the one to report.
            _ = fs::remove_dir_all(to);
        }
        copied
    }

    fn close(&self) {
        let mut open = self.open_mut();
        (open.database, open.unwritten, open.identity) = (None, None, None);
    }
}

fn scan_rows(database: &Database, row: &mut OnRow<'_>) -> Result<(), redb::Error> {
    let transaction = database.begin_read()?;
    for table in Table::ALL {
        for entry in transaction.open_table(definition(table))?.iter()? {
            let (key, value) = entry?;
            row(table, key.value(), value.value());
        }
    }
    Ok(())
}

/// Returns the guard from a `try_` call on a lock; `None` if another thread holds the lock.
fn unless_blocked<G>(tried: TryLockResult<G>) -> Option<G> {
    match tried {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason")
}

#[cfg(test)]
mod tests;
