//! The part of a node's state that outlives the process.

#[cfg(feature = "conformance")]
pub mod conformance;
pub(crate) mod journal;
pub(crate) mod migrate;
pub(crate) mod placement;
pub(crate) mod recovery;
pub(crate) mod restore;
pub(crate) mod schema;
pub(crate) mod storage;
