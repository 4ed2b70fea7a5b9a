//! A custom state store on SQLite. The crate's suite checks the store; then a node stores its state
//! and reads it back.
//!
//! `cargo run -p engram-bridge --example sqlite_store --features conformance`

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engram_bridge::durable::{
    Batch, OnRow, StateStore, StorageError, StoreUsage, Table, conformance,
};
use engram_bridge::{
    Confidence, DEFAULT_SPACE, ENGRAM_DIMENSION, Environment, SemanticPattern, SpaceId, Store,
    StoreConfig, Timestamp,
};
use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS engram_rows (
        kind TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, key)
    ) WITHOUT ROWID;";

/// Keeps the state in an SQLite database. Each commit is a transaction. Only one store can have the
/// database open at a time.
struct SqliteStateStore {
    file: PathBuf,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// Holds an exclusive transaction on the lock file beside the data, so that no other store
    /// opens the data. SQLite's exclusive mode on the data itself would allow only one connection.
    lock: Option<Connection>,
    /// The connection for writes. Each scan and each backup opens a separate connection, so that
    /// commits do not wait for it.
    writer: Option<Connection>,
}

impl SqliteStateStore {
    /// Creates a store in `file`, without accessing the file yet.
    fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), open: Mutex::default() }
    }

    /// Locks the database, unless this store has already locked it.
    fn opened(&self) -> Result<MutexGuard<'_, Open>, rusqlite::Error> {
        let mut open = self.open();
        if open.lock.is_none() {
            let lock = Connection::open(format!("{}.lock", self.file.display()))?;
            lock.busy_timeout(Duration::ZERO)?;
            lock.execute_batch("BEGIN EXCLUSIVE")?;
            open.lock = Some(lock);
        }
        Ok(open)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self) -> Result<Connection, rusqlite::Error> {
        let connection = Connection::open(&self.file)?;
        connection.execute_batch(SCHEMA)?;
        Ok(connection)
    }

    /// Runs `work` on the connection for writes, and closes the connection after an error.
    fn write<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, StorageError> {
        let mut open = self.opened().map_err(|error| self.error(&error))?;
        let done = match &mut open.writer {
            Some(connection) => work(connection),
            None => self.connect().and_then(|connection| work(open.writer.insert(connection))),
        };
        if done.is_err() {
            open.writer = None;
        }
        done.map_err(|error| self.error(&error))
    }

    fn error(&self, error: &rusqlite::Error) -> StorageError {
        let (place, reason) = (self.file.display().to_string(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StorageError::Full { place, reason },
            Some(ErrorCode::ReadOnly) => StorageError::ReadOnly { place, reason },
            Some(ErrorCode::DatabaseBusy) => StorageError::InUse { place },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StorageError::Damaged { place, reason }
            }
            _ => StorageError::Failed { place, reason },
        }
    }
}

impl StateStore for SqliteStateStore {
    fn scan(&self, row: &mut OnRow<'_>) -> Result<(), StorageError> {
        let scanned = self.opened().and_then(|_| self.connect()).and_then(|mut connection| {
            // One transaction, so that all tables are read as of the same commit.
            let transaction = connection.transaction()?;
            let query = "SELECT key, value FROM engram_rows WHERE kind = ?1";
            let mut statement = transaction.prepare(query)?;
            for table in Table::ALL {
                let mut rows = statement.query(params![table.name()])?;
                while let Some(found) = rows.next()? {
                    row(table, found.get_ref(0)?.as_blob()?, found.get_ref(1)?.as_blob()?);
                }
            }
            Ok(())
        });
        scanned.map_err(|error| self.error(&error))
    }

    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        self.write(|connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut put = transaction
                    .prepare("INSERT OR REPLACE INTO engram_rows VALUES (?1, ?2, ?3)")?;
                let mut remove =
                    transaction.prepare("DELETE FROM engram_rows WHERE kind = ?1 AND key = ?2")?;
                for edit in batch.edits() {
                    let kind = edit.table.name();
                    match &edit.value {
                        Some(value) => put.execute(params![kind, edit.key, value])?,
                        None => remove.execute(params![kind, edit.key])?,
                    };
                }
            }
            transaction.commit()
        })
    }

    fn usage(&self) -> StoreUsage {
        StoreUsage::new(fs::metadata(&self.file).ok().map(|file| file.len()), None)
    }

    fn compact(&self) -> Result<(), StorageError> {
        self.write(|connection| connection.execute_batch("VACUUM"))
    }

    fn set_aside(&self) -> Result<String, StorageError> {
        self.open().writer = None;
        let aside = (1..).map(|n| PathBuf::from(format!("{}.damaged-{n}", self.file.display())));
        let aside = aside.into_iter().find(|path| !path.exists()).expect("some number is free");
        let place = aside.display().to_string();
        // The write-ahead log and its index belong to the damaged file, so they are renamed with
        // it.
        for part in ["-wal", "-shm", ""] {
            let from = PathBuf::from(format!("{}{part}", self.file.display()));
            if from.exists() {
                let to = format!("{place}{part}");
                fs::rename(from, to).map_err(|error| StorageError::Failed {
                    place: place.clone(),
                    reason: error.to_string(),
                })?;
            }
        }
        Ok(place)
    }

    fn backup(&self, to: &Path) -> Result<(), StorageError> {
        let to = to.display().to_string();
        let copied = self.opened().and_then(|_| self.connect()).and_then(|connection| {
            // Fails if the file exists.
            connection.execute("VACUUM INTO ?1", params![to]).map(|_| ())
        });
        copied.map_err(|error| self.error(&error))
    }

    fn close(&self) {
        *self.open() = Open::default();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    conformance::check(folder.path(), &mut |place| Ok(Arc::new(SqliteStateStore::new(place))))?;
    println!("the SQLite store satisfies the contract of a state store");

    let file = folder.path().join("state.sqlite");
    let node = open(&file)?;
    let space = node.iter().next().ok_or("no space")?;
    space.submit_pattern(&Arc::new(pattern()?))?;
    let root = node.root();
    node.close()?;
    let node = open(&file)?;
    println!("{}, with the root {}", node.recovery(), node.root());
    if node.root() != root || node.visible_len() != 1 {
        return Err("the node lost its state".into());
    }
    Ok(())
}

/// Opens the state of a node without a network. `Node::start_with` also accepts a custom state
/// store.
fn open(file: &Path) -> Result<Store, Box<dyn Error>> {
    let config = StoreConfig::new([1; 32].into(), [SpaceId::new(DEFAULT_SPACE)?]);
    Ok(Store::open(config, Environment::system(), Arc::new(SqliteStateStore::new(file)))?)
}

fn pattern() -> Result<SemanticPattern, Box<dyn Error>> {
    Ok(SemanticPattern {
        id: "pattern_rain".to_owned(),
        embedding: vec![0.5; ENGRAM_DIMENSION].into(),
        source_episodes: vec!["episode-1".to_owned()],
        strength: 0.9,
        schema_confidence: Confidence::new(0.9)?,
        last_consolidated: Timestamp::now(),
    })
}
