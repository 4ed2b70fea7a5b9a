// The page begins with an example that needs the feature.
#![cfg_attr(feature = "config", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "config"),
    doc = "A consolidation service for Engram whose nodes converge."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod arrival;
mod belief;
#[cfg(feature = "config")]
mod config;
mod content;
mod deletions;
mod encoding;
#[cfg(doc)]
#[doc = include_str!("../docs/ENGRAM.md")]
///
/// ```
/// # #[allow(dead_code)]
/// # mod engram { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/engram_stub/engram.rs")); }
#[doc = include_str!("../examples/engram_stub/adapter.rs")]
/// # fn main() {}
/// ```
pub mod engram {}
mod explain;
mod gossiper;
mod gossiping;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub mod http;
mod in_memory;
mod journal;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "config")]
mod node;
mod opening;
mod pattern;
mod plan;
mod ports;
mod reap;
mod record;
mod rehearsal;
mod report;
mod restore;
mod retention;
mod rows;
#[cfg(feature = "files")]
mod snapshot_file;
mod space;
mod state;
mod stats;
mod storage;
mod store;
#[cfg(feature = "metrics")]
mod telemetry;
mod timestamp;
mod view;
mod visible;
mod writer;

#[cfg(feature = "config")]
#[cfg_attr(docsrs, doc(cfg(feature = "config")))]
pub use config::{
    ClusterConfig, ConfigError, ConfigProblem, ConflictConfig, GossipConfig, HttpConfig,
    MembershipConfig, MerkleTreeConfig, NodeConfig, PeerConfig, StorageConfig, StrategyChoice,
    SwimTimes, TlsConfig,
};
pub use content::{MAX_EPISODE_ID_BYTES, MAX_EPISODES, MAX_ID_BYTES, PatternError};
pub use explain::{Introduced, LiveVersion, PatternExplanation};
pub use gossiper::{ADVERT_ROOM, CONSOLIDATION_ROOT, ConsolidationGossiper, UnknownSpace};
pub use gossiping::GossipingConsolidationService;
pub use in_memory::InMemoryConsolidationService;
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use metrics::{METRICS, METRICS_CONTENT_TYPE, Metric, MetricKind};
#[cfg(feature = "config")]
#[cfg_attr(docsrs, doc(cfg(feature = "config")))]
pub use node::{Node, Reload, ReloadError, StartError};
pub use opening::{Doubt, OpenError, Opening};
pub use pattern::{Confidence, ConfidenceError, ENGRAM_DIMENSION, SemanticPattern};
pub use plan::Submitted;
pub use ports::{
    BeliefUpdateRecord, ConsolidationCacheSource, ConsolidationService, ConsolidationSnapshot,
    ConsolidationStats,
};
pub use reap::Reaper;
pub use record::{MAX_BURIED, MAX_CONTENTS, MAX_DOTS};
pub use rehearsal::{PlannedChange, SpacePlan, SyncPlan};
pub use report::{CROWDED, MergedView, RejectedPattern, SubmitError, SubmitReport, refusal};
pub use retention::Retention;
#[cfg(feature = "files")]
#[cfg_attr(docsrs, doc(cfg(feature = "files")))]
pub use snapshot_file::{FileSnapshot, RejectedLine, SnapshotFile, SnapshotFileError};
pub use space::Space;
pub use stats::{GossipStats, SpaceStats, WriteStats};
#[cfg(feature = "redb")]
#[cfg_attr(docsrs, doc(cfg(feature = "redb")))]
pub use storage::RedbStateStore;
pub use storage::{Batch, Edit, MemoryStateStore, Seal, StateStore, StorageError, Table};
pub use store::{DEFAULT_GRACE, DEFAULT_SPACE, Environment, Store, StoreConfig};
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use telemetry::{Divergence, Telemetry};
pub use timestamp::Timestamp;
#[cfg(feature = "files")]
#[cfg_attr(docsrs, doc(cfg(feature = "files")))]
pub use timestamp::TimestampError;
pub use view::SpaceView;
