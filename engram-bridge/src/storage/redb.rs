//! The state in a folder of its own: an embedded database, and the seal beside it.

use std::any::Any;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::{Batch, Seal, StateStore, StorageError, Table};

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

const STATE: &str = "state.redb";
const SEAL: &str = "seal";
/// The state is in memory anyway, so the database needs pages for its own work only.
const CACHE: usize = 256 << 10;

/// Keeps the state in a folder: `state.redb`, a redb database of which every commit is synced to
/// the disk, and `seal`, by which a copy or an older state is noticed.
///
/// One process at a time has it open. The folder is made when it is first used. After a failure
/// the database is opened anew at the next attempt.
#[derive(Debug)]
pub struct RedbStateStore {
    folder: PathBuf,
    database: Option<Database>,
}

impl RedbStateStore {
    /// The store in `folder`. Nothing is read or made yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), database: None }
    }

    fn state(&self) -> PathBuf {
        self.folder.join(STATE)
    }

    fn place(&self) -> String {
        self.state().display().to_string()
    }

    /// Runs `work` on the database, which it opens if need be, and closes after any error.
    ///
    /// A file that was altered behind its back may make redb panic. To the node that is one more way
    /// in which a file can be damaged.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StorageError> {
        let done = catch_unwind(AssertUnwindSafe(|| {
            let database = match self.database.take() {
                Some(database) => database,
                None => open(&self.folder)?,
            };
            let done = work(&database)?;
            self.database = Some(database);
            Ok(done)
        }));
        match done {
            Ok(done) => done.map_err(|error| storage_error(error, self.place())),
            Err(panic) => {
                let reason = format!("the database gave up: {}", message(&*panic));
                Err(StorageError::Damaged { place: self.place(), reason })
            }
        }
    }

    fn failed(&self, path: &Path, error: &io::Error) -> StorageError {
        io_error(error, path.display().to_string())
    }
}

impl StateStore for RedbStateStore {
    fn scan(
        &mut self,
        table: Table,
        row: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), StorageError> {
        self.with(|database| {
            let transaction = database.begin_read()?;
            for entry in transaction.open_table(definition(table))?.iter()? {
                let (key, value) = entry?;
                row(key.value(), value.value());
            }
            Ok(())
        })
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StorageError> {
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

    fn seal(&self) -> Seal {
        let path = self.folder.join(SEAL);
        let token = fs::read_to_string(&path).unwrap_or_default();
        let place = match fs::metadata(&path) {
            Ok(metadata) => format!("{}{}", token.trim(), identity(&metadata)),
            Err(_) => String::new(),
        };
        // Linux has a name for each start of the machine. Elsewhere every crash is in doubt.
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Seal { place, boot: boot.trim().to_owned() }
    }

    fn size(&self) -> Option<u64> {
        fs::metadata(self.state()).ok().map(|file| file.len())
    }

    fn renew_seal(&mut self) -> Result<Seal, StorageError> {
        let (path, fresh) = (self.folder.join(SEAL), self.folder.join("seal.new"));
        let token = getrandom::u64().expect("the operating system gives random numbers");
        let written = File::create(&fresh).and_then(|mut file| {
            writeln!(file, "{token:016x}")?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            sync(&self.folder)
        });
        written.map_err(|error| self.failed(&path, &error))?;
        Ok(self.seal())
    }

    fn set_aside(&mut self) -> Result<String, StorageError> {
        self.database = None;
        let free = (1..).map(|n| self.folder.join(format!("{STATE}.damaged-{n}")));
        let mut free = free.skip_while(|path| path.exists());
        let aside = free.next().expect("some number is free");
        let renamed = fs::rename(self.state(), &aside).and_then(|()| sync(&self.folder));
        renamed.map_err(|error| self.failed(&aside, &error))?;
        Ok(aside.display().to_string())
    }

    fn backup(&mut self, to: &Path) -> Result<(), StorageError> {
        let failed = |error: &io::Error| io_error(error, to.display().to_string());
        fs::create_dir(to).map_err(|error| failed(&error))?;
        let mut copy = Self::new(to);
        self.with(|database| {
            let transaction = database.begin_read()?;
            let target = open(&copy.folder)?;
            let copied = target.begin_write()?;
            for table in Table::ALL {
                let mut rows = copied.open_table(definition(table))?;
                for entry in transaction.open_table(definition(table))?.iter()? {
                    let (key, value) = entry?;
                    rows.insert(key.value(), value.value())?;
                }
            }
            copied.commit()?;
            copy.database = Some(target);
            Ok(())
        })?;
        drop(copy);
        sync(to).map_err(|error| failed(&error))
    }
}

/// Opens the database of a folder, checks all of it, and makes what is missing.
fn open(folder: &Path) -> Result<Database, redb::Error> {
    fs::create_dir_all(folder)?;
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
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

/// Makes a new name in `folder` durable.
fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Which file it is, whatever its name: a copy is another one.
#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt as _;
    format!("@{}:{}", metadata.dev(), metadata.ino())
}

/// No such thing is known here: only a copy of an older state is noticed.
#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> String {
    String::new()
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
