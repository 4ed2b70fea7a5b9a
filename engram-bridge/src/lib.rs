// The README begins with an example that needs the feature `config`.
#![cfg_attr(feature = "config", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "config"),
    doc = "A consolidation service for Engram that brings all nodes of a cluster to the same state."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod durable;
mod engram;
#[cfg(doc)]
#[doc = include_str!("../docs/ENGRAM.md")]
///
/// ```
/// # #[allow(dead_code)]
/// # mod engram {
/// #     pub mod chrono { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/engram_stub/chrono.rs")); }
/// #     pub mod engram_core { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/engram_stub/engram_core.rs")); }
/// # }
/// # use engram::{chrono, engram_core};
#[doc = include_str!("../examples/engram_stub/adapter.rs")]
/// # fn main() {}
/// ```
pub mod guide {}
mod node;
pub mod replica;
mod service;
pub mod spaces;
pub mod sync;

/// Strategies and conflicts, as they appear in this crate's signatures.
pub use engram_conflict as conflict;
/// The network, as it appears in this crate's signatures.
pub use engram_gossip_net as net;
pub use engram_gossip_net::NodeId;
/// Parameters of a cluster and rejections, as they appear in this crate's signatures.
pub use engram_gossip_proto as proto;
pub use engram_gossip_proto::SpaceId;
/// Digests and hashers, as they appear in this crate's signatures.
pub use engram_merkle as merkle;

pub use engram::pattern::{Confidence, ConfidenceError, ENGRAM_DIMENSION, SemanticPattern};
pub use engram::ports::{
    BeliefUpdateRecord, ConsolidationCacheSource, ConsolidationService, ConsolidationSnapshot,
    ConsolidationStats,
};
pub use engram::precision::Precision;
pub use engram::timestamp::{Timestamp, TimestampError};
#[cfg(feature = "config")]
#[cfg_attr(docsrs, doc(cfg(feature = "config")))]
pub use node::compose::{MigrateStoreError, Node, Reload, ReloadError, StartError};
#[cfg(feature = "config")]
#[cfg_attr(docsrs, doc(cfg(feature = "config")))]
pub use node::config;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub use node::http;
#[cfg(feature = "files")]
#[cfg_attr(docsrs, doc(cfg(feature = "files")))]
pub use node::snapshot_file;
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use node::{metrics, notices, telemetry};
pub use replica::environment::Environment;
pub use service::binding::{Binding, DEFAULT_SETTLE};
pub use service::gossiper::{ConsolidationGossiper, UnknownSpace};
pub use service::gossiping::{GossipingConsolidationService, ServiceBuilder, ServiceError};
pub use service::in_memory::InMemoryConsolidationService;
pub use spaces::{
    ConsolidationObserver, ConsolidationRun, DEFAULT_SPACE, Space, Store, StoreConfig,
};
