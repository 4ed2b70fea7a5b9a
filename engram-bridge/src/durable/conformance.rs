//! The contract of a [`StateStore`] as a suite that any implementation can run in its own tests.
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
use std::path::Path;
use std::sync::Arc;

use super::storage::{StateStore, StorageError, Table};

/// Opens the store at a path, and makes it if it is missing. The same path is the same store; two
/// paths have nothing in common.
pub type OpenStore<'o> = dyn FnMut(&Path) -> Result<Arc<dyn StateStore>, StorageError> + 'o;

/// Checks that the stores which `open` opens keep the contract of [`StateStore`].
///
/// Uses paths below `root`, which must be free; a store that keeps no files may ignore them. Opens
/// a path again only after it dropped the store there, except to check that a second opening is
/// refused or coherent. Takes some 400 commits.
///
/// The suite cannot cut the power: that a commit survives it is the promise of the implementation.
///
/// # Errors
/// The first [`Violation`].
pub fn check(root: &Path, open: &mut OpenStore<'_>) -> Result<(), Violation> {
    let mut subject = Subject { root, open };
    steps::rows_are_kept(&mut subject)?;
    steps::edits_take_effect_in_order(&mut subject)?;
    history::histories_are_kept(&mut subject)?;
    steps::scans_see_whole_batches(&mut subject)?;
    steps::paths_are_separate(&mut subject)?;
    steps::a_second_opening_is_refused_or_coherent(&mut subject)?;
    steps::a_set_aside_store_is_empty(&mut subject)?;
    steps::a_backup_has_all_rows(&mut subject)?;
    steps::compaction_keeps_all_rows(&mut subject)
}

/// A breach of the contract of [`StateStore`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A committed row is missing.
    #[error("{step}: the committed row {key:02x?} of {table:?} is missing")]
    Lost {
        /// What the suite did.
        step: &'static str,
        /// The table of the row.
        table: Table,
        /// The key of the row.
        key: Vec<u8>,
    },
    /// A row has another value than the one that was committed last.
    #[error("{step}: the row {key:02x?} of {table:?} has not the value that was committed last")]
    Stale {
        /// What the suite did.
        step: &'static str,
        /// The table of the row.
        table: Table,
        /// The key of the row.
        key: Vec<u8>,
    },
    /// A row is there that was removed, or never committed to this store.
    #[error("{step}: the row {key:02x?} of {table:?} was removed, or never committed here")]
    Unknown {
        /// What the suite did.
        step: &'static str,
        /// The table of the row.
        table: Table,
        /// The key of the row.
        key: Vec<u8>,
    },
    /// A scan hands out one row twice.
    #[error("{step}: a scan of {table:?} hands out the row {key:02x?} twice")]
    Repeated {
        /// What the suite did.
        step: &'static str,
        /// The table of the row.
        table: Table,
        /// The key of the row.
        key: Vec<u8>,
    },
    /// A scan beside a commit saw a part of its batch.
    #[error("a scan beside a commit saw a part of its batch")]
    Torn,
    /// [`StateStore::usage`] counts other rows than a scan.
    #[error("{step}: usage counts {counted} records, a scan finds {found}")]
    Miscounted {
        /// What the suite did.
        step: &'static str,
        /// The count of `usage`.
        counted: u64,
        /// The count of a scan.
        found: u64,
    },
    /// A backup overwrote what was at its path.
    #[error("a backup to a path that exists has to be refused")]
    Overwritten,
    /// A call failed that must not fail here.
    #[error("{step}: {error}")]
    Failed {
        /// What the suite did.
        step: &'static str,
        /// The error.
        error: StorageError,
    },
}

/// The rows that a store should hold.
type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// The kind of store under test.
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

/// Compares the rows of `store` with those that it should hold.
fn compare(step: &'static str, store: &dyn StateStore, rows: &Rows) -> Result<(), Violation> {
    let (mut found, mut repeated) = (Rows::new(), None);
    for table in Table::ALL {
        let scanned = store.scan(table, &mut |key, value| {
            if found.insert((table, key.to_vec()), value.to_vec()).is_some() {
                repeated = Some(Violation::Repeated { step, table, key: key.to_vec() });
            }
        });
        scanned.map_err(|error| Violation::Failed { step, error })?;
    }
    repeated.map_or(Ok(()), Err)?;
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
