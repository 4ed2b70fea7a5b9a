//! What the operator of a node uses: configuration, metrics, notices, HTTP and snapshot files.

#[cfg(feature = "config")]
pub(crate) mod compose;
#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "config")]
mod exposure;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "metrics")]
pub mod notices;
#[cfg(any(feature = "config", feature = "metrics"))]
mod printable;
#[cfg(feature = "files")]
pub mod snapshot_file;
#[cfg(feature = "metrics")]
pub mod telemetry;
