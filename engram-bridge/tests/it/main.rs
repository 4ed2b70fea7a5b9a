//! The integration tests, except those in `tests/state`, as one binary, so that only one is linked.

mod common;

mod across_ids;
#[cfg(feature = "http")]
mod browser;
#[cfg(all(feature = "node", unix))]
mod certs;
#[cfg(all(feature = "node", unix))]
mod check;
#[cfg(feature = "files")]
mod cluster;
#[cfg(all(feature = "node", unix))]
mod compare;
#[cfg(feature = "config")]
mod config;
#[cfg(feature = "conformance")]
mod conformance;
mod convergence;
#[cfg(all(feature = "node", unix))]
mod ctl;
#[cfg(feature = "redb")]
mod damage;
#[cfg(feature = "node")]
mod disks;
mod durability;
mod full_disk;
mod guide;
#[cfg(all(feature = "http", feature = "redb"))]
mod host;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "node")]
mod kill;
mod laws;
#[cfg(feature = "node")]
mod members;
#[cfg(all(feature = "node", target_os = "linux"))]
mod month;
mod operations;
#[cfg(all(feature = "node", unix))]
mod permissions;
mod precision;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "config")]
mod reload;
#[cfg(all(feature = "node", unix))]
mod replaced_key;
#[cfg(all(feature = "node", unix))]
mod replaced_store;
#[cfg(feature = "node")]
mod run;
#[cfg(all(feature = "node", target_os = "linux"))]
mod series;
#[cfg(feature = "files")]
mod service;
#[cfg(feature = "http")]
mod slow_disk;
#[cfg(feature = "files")]
mod snapshot_file;
#[cfg(feature = "files")]
mod spaces;
#[cfg(feature = "node")]
mod stalled;
#[cfg(feature = "node")]
mod unsendable;
#[cfg(feature = "http")]
mod warnings;

/// The example expects this module at the root of its crate.
#[cfg(all(feature = "http", feature = "redb"))]
use host::adapter;
