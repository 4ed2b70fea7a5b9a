//! A whole node, as an operator meets it.

#[cfg(feature = "config")]
pub(crate) mod compose;
#[cfg(feature = "config")]
pub(crate) mod config;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "metrics")]
pub(crate) mod metrics;
#[cfg(feature = "files")]
pub(crate) mod snapshot_file;
#[cfg(feature = "metrics")]
pub(crate) mod telemetry;
