//! A suite that checks the contract of [`StateStore`] (feature `conformance`). Any implementation can run it in its own
//! tests.
//!
//! ```
//! # use std::{collections::BTreeMap, path::Path, sync::Arc};
//! use engram_bridge::durable::{MemoryStateStore, conformance};
//!
//! let mut stores = BTreeMap::new();
//! conformance::check(Path::new("in memory"), &mut |place| {
//!     let store: &mut MemoryStateStore = stores.entry(place.to_owned()).or_default();
//!     Ok(Arc::new(store.clone()))
//! })?;
//! # Ok::<(), conformance::Violation>(())
//! ```

mod history;
mod steps;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::storage::{StateStore, StorageError, Table};

/// Opens the store at a path, and creates it if it is missing. Equal paths open the same store; different paths
/// open independent stores.
pub type OpenStore<'o> = dyn FnMut(&Path) -> Result<Arc<dyn StateStore>, StorageError> + 'o;

/// Checks that the stores opened by `open` satisfy the contract of [`StateStore`].
///
/// Opens stores at paths below `root`; these paths must not exist yet. A store without files may treat them as
/// mere names. Drops or closes a store before it opens its path again, except when it checks that a second
/// opening is refused. Makes several hundred commits.
///
/// The suite does not check that a commit survives a power loss, that commits continue during a backup, or that data
/// set aside still exists in its new place.
///
/// # Errors
/// The first [`Violation`] found.
pub fn check(root: &Path, open: &mut OpenStore<'_>) -> Result<(), Violation> {
    let mut subject = Subject { root, open };
    steps::rows_are_kept(&mut subject)?;
    steps::edits_take_effect_in_order(&mut subject)?;
    history::histories_are_kept(&mut subject)?;
    steps::scans_see_whole_batches(&mut subject)?;
    steps::paths_are_separate(&mut subject)?;
    steps::a_second_opening_is_refused(&mut subject)?;
    steps::a_closed_store_can_be_opened(&mut subject)?;
    steps::a_writable_store_says_so(&mut subject)?;
    steps::a_set_aside_store_is_empty(&mut subject)?;
    steps::a_backup_has_all_rows(&mut subject)?;
    steps::compaction_keeps_all_rows(&mut subject)
}

/// A breach of the contract of [`StateStore`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A committed row is missing.
    #[error("{step}: the committed row {} of {table:?} is missing", Shown(.key))]
    Lost {
        /// The step of the suite.
        step: &'static str,
        /// The table of the row.
        table: Table,
        /// The key of the row.
        key: Vec<u8>,
    },
    /// A row does not have the value committed last.
    #[error("{step}: the row {} of {table:?} does not have the value committed last", Shown(.key))]
    Stale {
        /// The step of the suite.
        step: &'static str,
        /// The table of the row.
        table: Table,
        /// The key of the row.
        key: Vec<u8>,
    },
    /// The store holds a row that was removed or never committed.
    #[error(
        "{step}: the store holds the row {} of {table:?}, which was removed or never committed",
        Shown(.key)
    )]
    Unknown {
        /// The step of the suite.
        step: &'static str,
        /// The table of the row.
        table: Table,
        /// The key of the row.
        key: Vec<u8>,
    },
    /// A scan yields a row twice.
    #[error("{step}: a scan of {table:?} yields the row {} twice", Shown(.key))]
    Repeated {
        /// The step of the suite.
        step: &'static str,
        /// The table of the row.
        table: Table,
        /// The key of the row.
        key: Vec<u8>,
    },
    /// A scan yields a row of a table after rows of a later table.
    #[error("{step}: a scan yields a row of {table:?} after rows of a later table")]
    Unordered {
        /// The step of the suite.
        step: &'static str,
        /// The table of the row.
        table: Table,
    },
    /// A scan during a commit saw part of its batch.
    #[error("a scan during a commit saw part of its batch")]
    Torn,
    /// [`StateStore::usage`] and a scan count different numbers of records.
    #[error("{step}: usage counts {counted} records, but a scan finds {found}")]
    Miscounted {
        /// The step of the suite.
        step: &'static str,
        /// The number of records that `usage` reports.
        counted: u64,
        /// The number of records that a scan finds.
        found: u64,
    },
    /// Two stores opened at one path both accept changes.
    #[error(
        "{step}: two stores at one path accept changes; the second one must fail with \
         StorageError::InUse until the first one is closed"
    )]
    OpenTwice {
        /// The step of the suite.
        step: &'static str,
    },
    /// A backup overwrote an existing path.
    #[error("a backup overwrote an existing path instead of refusing it")]
    Overwritten,
    /// A call that must succeed at this step failed, or a call that must fail with [`StorageError::InUse`] failed with
    /// another error.
    #[error("{step}: {error}")]
    Failed {
        /// The step of the suite.
        step: &'static str,
        /// The error.
        error: StorageError,
    },
}

/// Displays the first bytes of a key in a message, and the number of further bytes.
struct Shown<'k>(&'k [u8]);

/// The maximum number of bytes of a key that a message shows.
const SHOWN: usize = 16;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(key) = self;
        write!(f, "{:02x?}", &key[..key.len().min(SHOWN)])?;
        match key.len() {
            len if len > SHOWN => write!(f, " and {} more bytes", len - SHOWN),
            _ => Ok(()),
        }
    }
}

/// The rows that a store should hold.
type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// The implementation under test, and the folder for its stores.
struct Subject<'s, 'o> {
    root: &'s Path,
    open: &'s mut OpenStore<'o>,
}

impl Subject<'_, '_> {
    fn open(&mut self, step: &'static str, name: &str) -> Result<Arc<dyn StateStore>, Violation> {
        let opened = (self.open)(&self.root.join(name));
        opened.map_err(|error| Violation::Failed { step, error })
    }
}

/// Compares the rows of `store` with the expected `rows`.
fn compare(step: &'static str, store: &dyn StateStore, rows: &Rows) -> Result<(), Violation> {
    let (mut found, mut breach, mut last) = (Rows::new(), None, Table::Meta);
    let scanned = store.scan(&mut |table, key, value| {
        if found.insert((table, key.to_vec()), value.to_vec()).is_some() {
            breach = Some(Violation::Repeated { step, table, key: key.to_vec() });
        } else if table < last && breach.is_none() {
            breach = Some(Violation::Unordered { step, table });
        }
        last = table;
    });
    scanned.map_err(|error| Violation::Failed { step, error })?;
    breach.map_or(Ok(()), Err)?;
    for ((table, key), value) in rows {
        let (table, key) = (*table, key.clone());
        match found.get(&(table, key.clone())) {
            None => return Err(Violation::Lost { step, table, key }),
            Some(other) if other != value => return Err(Violation::Stale { step, table, key }),
            Some(_) => {}
        }
    }
    if let Some((table, key)) = found.keys().find(|row| !rows.contains_key(*row)) {
        return Err(Violation::Unknown { step, table: *table, key: key.clone() });
    }
    let records = found.keys().filter(|(table, _)| *table == Table::Records).count() as u64;
    match store.usage().records {
        Some(counted) if counted != records => {
            Err(Violation::Miscounted { step, counted, found: records })
        }
        _ => Ok(()),
    }
}
