//! Durable state: storage, the format of its rows, recovery and migration.

#[cfg(feature = "conformance")]
#[cfg_attr(docsrs, doc(cfg(feature = "conformance")))]
pub mod conformance;
pub(crate) mod journal;
pub(crate) mod migrate;
pub(crate) mod recovery;
pub(crate) mod restore;
pub(crate) mod rows;
pub(crate) mod schema;
pub(crate) mod storage;

pub use migrate::{MigrateError, Migration};
pub use recovery::{MAX_NAMED_LOSSES, OpenError, Recovery};
#[cfg(feature = "redb")]
#[cfg_attr(docsrs, doc(cfg(feature = "redb")))]
pub use storage::RedbStateStore;
pub use storage::{
    Batch, Edit, MemoryStateStore, OnRow, StateStore, StorageError, StoreUsage, Table,
};
