// A stand-in for the parts of Engram that the adapter touches, with Engram's names, fields and
// signatures. Engram is on no registry, so nothing here can depend on it.

use std::path::PathBuf;
use std::sync::Arc;

pub use self::chrono::{DateTime, Utc};

/// As much of the date-time library as Engram's types show.
pub mod chrono {
    use std::marker::PhantomData;

    #[derive(Clone, Copy, Debug)]
    pub struct Utc;

    #[derive(Clone, Copy, Debug)]
    pub struct DateTime<Tz>(i64, PhantomData<Tz>);

    impl DateTime<Utc> {
        pub const fn from_timestamp_nanos(nanos: i64) -> Self {
            Self(nanos, PhantomData)
        }

        pub const fn timestamp_nanos_opt(&self) -> Option<i64> {
            Some(self.0)
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Confidence(f32);

impl Confidence {
    pub const fn exact(value: f32) -> Self {
        Self(value.clamp(0.0, 1.0))
    }

    pub const fn raw(self) -> f32 {
        self.0
    }
}

#[derive(Clone, Debug)]
pub struct SemanticPattern {
    pub id: String,
    pub embedding: [f32; 768],
    pub source_episodes: Vec<String>,
    pub strength: f32,
    pub schema_confidence: Confidence,
    pub last_consolidated: DateTime<Utc>,
}

#[derive(Clone, Debug, Default)]
pub struct ConsolidationStats {
    pub total_replays: usize,
    pub successful_consolidations: usize,
    pub failed_consolidations: usize,
    pub average_replay_speed: f32,
    pub total_patterns_extracted: usize,
    pub avg_ripple_frequency: f32,
    pub avg_ripple_duration: f32,
    pub last_replay_timestamp: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug)]
pub struct ConsolidationSnapshot {
    pub generated_at: DateTime<Utc>,
    pub patterns: Vec<SemanticPattern>,
    pub stats: ConsolidationStats,
}

#[derive(Clone, Copy, Debug)]
pub enum ConsolidationCacheSource {
    Scheduler,
    OnDemand,
}

#[derive(Clone, Debug)]
pub struct BeliefUpdateRecord {
    pub pattern_id: String,
    pub confidence_delta: f32,
    pub citation_delta: i32,
    pub novelty: f32,
    pub generated_at: DateTime<Utc>,
    pub snapshot_generated_at: DateTime<Utc>,
    pub source: ConsolidationCacheSource,
}

pub trait ConsolidationService: Send + Sync {
    fn cached_snapshot(&self) -> Option<ConsolidationSnapshot>;
    fn update_cache(&self, snapshot: &ConsolidationSnapshot, source: ConsolidationCacheSource);
    fn set_alert_log_path(&self, path: PathBuf);
    fn alert_log_path(&self) -> PathBuf;
    fn recent_updates(&self) -> Vec<BeliefUpdateRecord>;
}

/// The store of one memory space, with the two methods that upstream needs.
pub struct MemoryStore {
    consolidation_service: Arc<dyn ConsolidationService>,
}

impl MemoryStore {
    pub fn with_consolidation_service(service: Arc<dyn ConsolidationService>) -> Self {
        Self { consolidation_service: service }
    }

    pub fn consolidation_service(&self) -> Arc<dyn ConsolidationService> {
        Arc::clone(&self.consolidation_service)
    }
}
