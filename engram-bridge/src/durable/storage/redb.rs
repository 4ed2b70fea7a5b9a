//! A state store in a folder of its own: an embedded database.

use std::any::Any;
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::{Batch, StateStore, StorageError, Table};

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

const STATE: &str = "state.redb";
/// The state is in memory anyway, so the database needs pages for its own work only.
const CACHE: usize = 256 << 10;

/// Keeps the state in a folder: `state.redb`, a redb database of which every commit is synced to
/// the disk.
///
/// One process at a time has it open. The folder is made when it is first used. After a failure
/// the database is opened anew at the next attempt.
#[derive(Debug)]
pub struct RedbStateStore {
    folder: PathBuf,
    /// Held for moments only, so that nothing waits for a commit but the next one.
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    database: Option<Arc<Database>>,
    /// Whether this process checked the whole file already.
    checked: bool,
}

impl RedbStateStore {
    /// The store in `folder`. Nothing is read or made yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), open: Mutex::default() }
    }

    fn state(&self) -> PathBuf {
        self.folder.join(STATE)
    }

    fn place(&self) -> String {
        self.state().display().to_string()
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database, which is opened if need be.
    fn database(&self) -> Result<Arc<Database>, redb::Error> {
        let mut open = self.open();
        if let Some(database) = &open.database {
            return Ok(Arc::clone(database));
        }
        let check = if open.checked { Check::AfterCrash } else { Check::Whole };
        let database = Arc::new(open_file(&self.folder, check)?);
        (open.database, open.checked) = (Some(Arc::clone(&database)), true);
        Ok(database)
    }

    /// Runs `work` on the database, and closes it after any error.
    ///
    /// A file that another program altered may make redb panic. To the node that is one more way in
    /// which a file can be damaged.
    fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StorageError> {
        let done = catch_unwind(AssertUnwindSafe(|| work(&*self.database()?)));
        if !matches!(done, Ok(Ok(_))) {
            self.open().database = None;
        }
        match done {
            Ok(done) => done.map_err(|error| storage_error(error, self.place())),
            Err(panic) => {
                let reason = format!("the database gave up: {}", message(&*panic));
                Err(StorageError::Damaged { place: self.place(), reason })
            }
        }
    }
}

impl StateStore for RedbStateStore {
    fn scan(&self, table: Table, row: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StorageError> {
        self.with(|database| {
            let transaction = database.begin_read()?;
            for entry in transaction.open_table(definition(table))?.iter()? {
                let (key, value) = entry?;
                row(key.value(), value.value());
            }
            Ok(())
        })
    }

    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            for table in Table::ALL {
                let mut rows = transaction.open_table(definition(table))?;
                for edit in batch.edits().iter().filter(|edit| edit.table == table) {
                    match &edit.value {
                        Some(value) => _ = rows.insert(&*edit.key, &**value)?,
                        None => _ = rows.remove(&*edit.key)?,
                    }
                }
            }
            Ok(transaction.commit()?)
        })
    }

    fn size(&self) -> Option<u64> {
        fs::metadata(self.state()).ok().map(|file| file.len())
    }

    fn set_aside(&self) -> Result<String, StorageError> {
        *self.open() = Open::default();
        let free = (1..).map(|n| self.folder.join(format!("{STATE}.damaged-{n}")));
        let mut free = free.skip_while(|path| path.exists());
        let aside = free.next().expect("some number is free");
        let renamed = fs::rename(self.state(), &aside).and_then(|()| sync(&self.folder));
        renamed.map_err(|error| io_error(&error, aside.display().to_string()))?;
        Ok(aside.display().to_string())
    }

    fn backup(&self, to: &Path) -> Result<(), StorageError> {
        let failed = |error: &io::Error| io_error(error, to.display().to_string());
        make_private(to).map_err(|error| failed(&error))?;
        self.with(|database| {
            let transaction = database.begin_read()?;
            let target = open_file(to, Check::AfterCrash)?;
            let copied = target.begin_write()?;
            for table in Table::ALL {
                let mut rows = copied.open_table(definition(table))?;
                for entry in transaction.open_table(definition(table))?.iter()? {
                    let (key, value) = entry?;
                    rows.insert(key.value(), value.value())?;
                }
            }
            Ok(copied.commit()?)
        })?;
        sync(to).map_err(|error| failed(&error))
    }
}

/// How much of a file is checked when it is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    /// All pages.
    Whole,
    /// What a crash may have left unfinished.
    AfterCrash,
}

/// Opens the database of a folder, and makes what is missing.
fn open_file(folder: &Path, check: Check) -> Result<Database, redb::Error> {
    fs::create_dir_all(folder)?;
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(check == Check::Whole);
    let database = builder.create(folder.join(STATE))?;
    let transaction = database.begin_write()?;
    for table in Table::ALL {
        transaction.open_table(definition(table))?;
    }
    transaction.commit()?;
    Ok(database)
}

fn definition(table: Table) -> Definition {
    TableDefinition::new(table.name())
}

/// Makes a folder that only its owner may read.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Makes a new name in `folder` durable.
fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason")
}

fn storage_error(error: redb::Error, place: String) -> StorageError {
    let reason = error.to_string();
    match error {
        redb::Error::DatabaseAlreadyOpen => StorageError::InUse { place },
        redb::Error::Io(error) => io_error(&error, place),
        redb::Error::UpgradeRequired(_) => StorageError::Newer { place, reason },
        redb::Error::Corrupted(_)
        | redb::Error::RepairAborted
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. } => StorageError::Damaged { place, reason },
        _ => StorageError::Failed { place, reason },
    }
}

fn io_error(error: &io::Error, place: String) -> StorageError {
    let reason = error.to_string();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StorageError::Full { place, reason }
        }
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            StorageError::Damaged { place, reason }
        }
        _ => StorageError::Failed { place, reason },
    }
}
