//! The interface to Engram: its consolidation service, with the same names and fields.

use std::path::PathBuf;
use std::sync::Arc;

use engram_gossip_net::NodeId;

use crate::engram::pattern::SemanticPattern;
use crate::engram::timestamp::Timestamp;

/// The result of one consolidation run.
#[derive(Clone, Debug, Default)]
pub struct ConsolidationSnapshot {
    /// When the snapshot was made, by the clock of the node that made it.
    pub generated_at: Timestamp,
    /// The patterns, in no particular order. Cloning a snapshot shares them.
    pub patterns: Vec<Arc<SemanticPattern>>,
    /// The engine's statistics.
    pub stats: ConsolidationStats,
}

/// Statistics of the consolidation engine since it started. Never replicated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsolidationStats {
    /// Replay cycles.
    pub total_replays: usize,
    /// Runs that found patterns.
    pub successful_consolidations: usize,
    /// Runs that found none.
    pub failed_consolidations: usize,
    /// Average replay speed, as a multiple of real time.
    pub average_replay_speed: f32,
    /// Patterns found in total.
    pub total_patterns_extracted: usize,
    /// Average ripple frequency in hertz.
    pub avg_ripple_frequency: f32,
    /// Average ripple duration in milliseconds.
    pub avg_ripple_duration: f32,
    /// When the newest replay ran.
    pub last_replay_timestamp: Option<Timestamp>,
}

/// Where a cached snapshot comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConsolidationCacheSource {
    /// The background scheduler of this node.
    Scheduler,
    /// A request that found the cache empty, or an operation such as [`Space::forget`](crate::Space::forget).
    OnDemand,
    /// Other nodes. Engram has no such variant: its adapter maps this one to `OnDemand`.
    Gossip,
}

/// How one visible pattern changed.
#[derive(Clone, Debug, PartialEq)]
pub struct BeliefUpdateRecord {
    /// The id of the pattern.
    pub pattern_id: String,
    /// Change in its confidence; the full confidence for a new pattern.
    pub confidence_delta: f32,
    /// Change in the number of citations.
    pub citation_delta: i32,
    /// Change in its strength.
    pub novelty: f32,
    /// When this node saw the change.
    pub generated_at: Timestamp,
    /// When the snapshot that caused the change was made; for gossip, when the change arrived; for an operation, when
    /// it was executed.
    pub snapshot_generated_at: Timestamp,
    /// Where the change comes from.
    pub source: ConsolidationCacheSource,
    /// The node that wrote the change, if it came by gossip. This is the only field that Engram's record
    /// lacks.
    pub origin: Option<NodeId>,
}

/// A cache of consolidation snapshots, which Engram's scheduler writes and its queries read.
///
/// The methods have the same names as Engram's. All are synchronous and must return quickly: the
/// scheduler and the request handlers call them directly.
pub trait ConsolidationService: Send + Sync {
    /// The current snapshot, if there is one.
    fn cached_snapshot(&self) -> Option<ConsolidationSnapshot>;

    /// Caches the result of a consolidation run. Engram calls this after every run, even when nothing changed or the
    /// snapshot is empty.
    fn update_cache(&self, snapshot: &ConsolidationSnapshot, source: ConsolidationCacheSource);

    /// Sends belief updates to a different log file from now on.
    fn set_alert_log_path(&self, path: PathBuf);

    /// The file that belief updates are logged to.
    fn alert_log_path(&self) -> PathBuf;

    /// The newest belief updates, oldest first.
    fn recent_updates(&self) -> Vec<BeliefUpdateRecord>;
}
