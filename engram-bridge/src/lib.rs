// The page begins with an example that needs the feature.
#![cfg_attr(feature = "config", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "config"),
    doc = "A consolidation service for Engram whose nodes converge."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod durable;
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
mod replica;
mod sync;

/// Strategies and conflicts, as they appear in this crate's signatures.
pub use engram_conflict::Strategy;
pub use engram_conflict::pattern::{
    ConfidenceVoting, ConfidenceWeighted, Conflict, ConflictKind, Explanation, InvalidRules,
    KeepBoth, LastWriter, Rules, Thresholds,
};
/// The network, as it appears in this crate's signatures.
pub use engram_gossip_net::{
    ADVERT_ROOM, AdvertError, BindError, CONSOLIDATION_ROOT, Event, Events, Gossip, HostSwim,
    Identity, Liveness, Member, Membership, NetConfig, NodeId, PeerStatus, RateLimits, Roster,
    RosterError, RoundReport, SessionReport, SyncError,
};
/// Names of spaces and parameters of a cluster, as they appear in this crate's signatures.
pub use engram_gossip_proto::{Parameters, Rejection, SpaceId, SpaceIdError};
/// The tree, as it appears in this crate's signatures.
pub use engram_merkle::{AnyHasher, BaseDepth, Digest};

#[cfg(feature = "conformance")]
#[cfg_attr(docsrs, doc(cfg(feature = "conformance")))]
pub use durable::conformance;
pub use durable::migrate::{MigrateError, Migration};
pub use durable::recovery::{MAX_NAMED_LOSSES, OpenError, Recovery};
#[cfg(feature = "redb")]
#[cfg_attr(docsrs, doc(cfg(feature = "redb")))]
pub use durable::storage::RedbStateStore;
pub use durable::storage::{
    Batch, Edit, MemoryStateStore, StateStore, StorageError, StoreUsage, Table,
};
pub use engram::binding::{Binding, DEFAULT_SETTLE};
pub use engram::gossiper::{ConsolidationGossiper, UnknownSpace};
pub use engram::in_memory::InMemoryConsolidationService;
pub use engram::observer::{ConsolidationObserver, ConsolidationRun, RunStats};
pub use engram::pattern::{Confidence, ConfidenceError, ENGRAM_DIMENSION, SemanticPattern};
pub use engram::ports::{
    BeliefUpdateRecord, ConsolidationCacheSource, ConsolidationService, ConsolidationSnapshot,
    ConsolidationStats,
};
pub use engram::precision::Precision;
pub use engram::service::GossipingConsolidationService;
pub use engram::timestamp::{Timestamp, TimestampError};
#[cfg(feature = "config")]
#[cfg_attr(docsrs, doc(cfg(feature = "config")))]
pub use node::compose::{MigrateStoreError, Node, Reload, ReloadError, StartError};
#[cfg(feature = "config")]
#[cfg_attr(docsrs, doc(cfg(feature = "config")))]
pub use node::config::{
    ClusterConfig, ConfigError, ConfigProblem, ConflictConfig, GossipConfig, HttpConfig,
    MembershipConfig, MerkleTreeConfig, NodeConfig, PeerConfig, StorageConfig, StrategyChoice,
    SwimTimes, TlsConfig,
};
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub use node::http;
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use node::metrics::{METRICS, METRICS_CONTENT_TYPE, Metric, MetricKind};
#[cfg(feature = "files")]
#[cfg_attr(docsrs, doc(cfg(feature = "files")))]
pub use node::snapshot_file::{
    FileSnapshot, MAX_SNAPSHOT_LINE, RejectedLine, SnapshotFile, SnapshotFileError, SnapshotLines,
};
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use node::telemetry::{Divergence, EXPIRY_NOTICE, Telemetry, Unready, Warning};
pub use replica::across_ids::{
    AcrossIds, AcrossIdsStats, DEFAULT_MAX_COMPARED, PatternGroup, PatternRelation, PatternRole,
    PatternStanding,
};
pub use replica::caps::{Cap, CapUsage, Caps, MAX_UNLISTED_NODES};
pub use replica::clocks::CLOCK_TOLERANCE;
pub use replica::content::{MAX_EPISODE_ID_BYTES, MAX_EPISODES, MAX_ID_BYTES, PatternError};
pub use replica::environment::Environment;
pub use replica::explain::{Introduced, LiveVersion, PatternExplanation};
pub use replica::operations::{Citations, Submitted};
pub use replica::record::{MAX_NODE_DOTS, MAX_SUPPRESSED};
pub use replica::refused::RefusedPattern;
pub use replica::report::{
    MANY_VERSIONS, MergedView, RejectedPattern, SubmitError, SubmitReport, SuppressionFault,
};
pub use replica::retention::Retention;
pub use replica::shared::{STATE_EVENT_QUEUE, StateEvent};
pub use replica::space::Space;
pub use replica::stats::{GossipStats, SpaceStats, WriteStats};
pub use replica::store::{AddSpaceError, DEFAULT_SPACE, Store, StoreConfig};
pub use sync::preview::{PlannedChange, SpacePreview, SyncPreview};
pub use sync::view::SpaceView;
