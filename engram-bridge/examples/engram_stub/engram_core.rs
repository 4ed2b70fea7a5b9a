// A stand-in for the parts of `engram-core` that a cluster uses, with its paths, names, fields and
// signatures at revision 5d54816. Engram is not on a registry, so this crate cannot depend on it.
//
// The bodies belong to this example, and are minimal.

use std::sync::Arc;

pub use self::store::MemoryStore;
use super::chrono;

#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Confidence(f32);

impl Confidence {
    #[must_use]
    pub const fn exact(value: f32) -> Self {
        Self(value.clamp(0.0, 1.0))
    }

    #[must_use]
    pub const fn raw(self) -> f32 {
        self.0
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemorySpaceId(Arc<str>);

impl MemorySpaceId {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for MemorySpaceId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

pub mod completion {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::chrono::{DateTime, Utc};
    use super::consolidation::ConsolidationCacheSource;
    use super::{Confidence, MemoryStore};

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

    #[derive(Clone, Debug, Default)]
    pub struct CompletionConfig {
        pub ca3_sparsity: f32,
    }

    #[derive(Clone, Debug)]
    pub struct SchedulerConfig {
        pub consolidation_interval_secs: u64,
        pub min_episodes_threshold: usize,
        pub max_episodes_per_run: usize,
        pub enabled: bool,
    }

    impl Default for SchedulerConfig {
        fn default() -> Self {
            Self {
                consolidation_interval_secs: 300,
                min_episodes_threshold: 10,
                max_episodes_per_run: 100,
                enabled: true,
            }
        }
    }

    pub struct ConsolidationScheduler {
        /// The patterns found so far; this engine finds another in each run.
        found: Mutex<Vec<SemanticPattern>>,
        config: SchedulerConfig,
    }

    impl ConsolidationScheduler {
        #[must_use]
        pub fn new(
            _completion_config: CompletionConfig,
            scheduler_config: SchedulerConfig,
        ) -> Self {
            Self { found: Mutex::default(), config: scheduler_config }
        }

        pub fn spawn(
            self: Arc<Self>,
            store: Arc<MemoryStore>,
            mut shutdown_rx: tokio::sync::watch::Receiver<bool>,
        ) -> tokio::task::JoinHandle<()> {
            tokio::spawn(async move {
                let period = Duration::from_secs(self.config.consolidation_interval_secs);
                let mut interval = tokio::time::interval(period);
                loop {
                    tokio::select! {
                        _ = shutdown_rx.changed() => break,
                        _ = interval.tick() => self.run_consolidation(&store),
                    }
                }
            })
        }

        fn run_consolidation(&self, store: &Arc<MemoryStore>) {
            let snapshot = {
                let mut found = self.found.lock().expect("no code panics while it holds this lock");
                let next = store.discover(found.len());
                found.extend(next);
                ConsolidationSnapshot {
                    generated_at: super::now(),
                    patterns: found.clone(),
                    stats: ConsolidationStats::default(),
                }
            };
            store
                .consolidation_service()
                .update_cache(&snapshot, ConsolidationCacheSource::Scheduler);
        }
    }
}

pub mod consolidation {
    use std::path::PathBuf;

    use super::chrono::{DateTime, Utc};
    use super::completion::ConsolidationSnapshot;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// The stock service. This stand-in stores nothing.
    #[derive(Default)]
    pub struct InMemoryConsolidationService;

    impl ConsolidationService for InMemoryConsolidationService {
        fn cached_snapshot(&self) -> Option<ConsolidationSnapshot> {
            None
        }

        fn update_cache(&self, _: &ConsolidationSnapshot, _: ConsolidationCacheSource) {}

        fn set_alert_log_path(&self, _: PathBuf) {}

        fn alert_log_path(&self) -> PathBuf {
            PathBuf::new()
        }

        fn recent_updates(&self) -> Vec<BeliefUpdateRecord> {
            Vec::new()
        }
    }
}

pub mod metrics {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    pub const CONSOLIDATION_RUNS_TOTAL: &str = "engram_consolidation_runs_total";
    pub const CONSOLIDATION_NOVELTY_GAUGE: &str = "engram_consolidation_novelty_gauge";
    pub const CONSOLIDATION_NOVELTY_VARIANCE: &str = "engram_consolidation_novelty_variance";
    pub const CONSOLIDATION_CITATION_CHURN: &str = "engram_consolidation_citation_churn";
    pub const CONSOLIDATION_FRESHNESS_SECONDS: &str = "engram_consolidation_freshness_seconds";
    pub const CONSOLIDATION_CITATIONS_CURRENT: &str = "engram_consolidation_citations_current";

    /// The recorded metrics, for this example to print.
    pub static RECORDED: Mutex<BTreeMap<&str, f64>> = Mutex::new(BTreeMap::new());

    pub fn increment_counter(name: &'static str, value: u64) {
        let mut recorded = RECORDED.lock().expect("no code panics while it holds this lock");
        *recorded.entry(name).or_default() += value as f64;
    }

    pub fn record_gauge(name: &'static str, value: f64) {
        RECORDED.lock().expect("no code panics while it holds this lock").insert(name, value);
    }
}

pub mod store {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::completion::{ConsolidationSnapshot, SemanticPattern};
    use super::consolidation::{ConsolidationService, InMemoryConsolidationService};
    use super::{Confidence, MemorySpaceId, now};

    pub struct MemoryStore {
        memory_space_id: MemorySpaceId,
        consolidation_service: Arc<dyn ConsolidationService>,
    }

    impl MemoryStore {
        #[must_use]
        pub fn for_space(memory_space_id: MemorySpaceId, _max_memories: usize) -> Self {
            let consolidation_service = Arc::new(InMemoryConsolidationService);
            Self { memory_space_id, consolidation_service }
        }

        /// Uses `service` in place of the stock consolidation service.
        #[must_use]
        pub fn with_consolidation_service(
            mut self,
            service: Arc<dyn ConsolidationService>,
        ) -> Self {
            self.consolidation_service = service;
            self
        }

        /// The consolidation service in use.
        #[must_use]
        pub fn consolidation_service(&self) -> Arc<dyn ConsolidationService> {
            Arc::clone(&self.consolidation_service)
        }

        pub fn set_consolidation_alert_log_path(&self, path: PathBuf) {
            self.consolidation_service.set_alert_log_path(path);
        }

        #[must_use]
        pub fn consolidation_snapshot(
            &self,
            _max_episodes: usize,
        ) -> Option<ConsolidationSnapshot> {
            self.consolidation_service.cached_snapshot()
        }

        /// The next pattern that this example's engine finds in the space, up to three.
        pub(super) fn discover(&self, known: usize) -> Option<SemanticPattern> {
            let topic = ["rain", "snow", "wind"].get(known)?;
            let first = known as f32 + self.memory_space_id.as_str().len() as f32;
            Some(SemanticPattern {
                id: format!("pattern_{topic}"),
                embedding: std::array::from_fn(|at| (first + at as f32 / 768.0).sin()),
                source_episodes: ["a", "a", "b"].map(|of| format!("{topic}-{of}")).into(),
                strength: 0.9,
                schema_confidence: Confidence::exact(0.9),
                last_consolidated: now(),
            })
        }
    }
}

fn now() -> chrono::DateTime<chrono::Utc> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanoseconds = now.map_or(0, |now| now.as_nanos());
    chrono::DateTime::from_timestamp_nanos(i64::try_from(nanoseconds).unwrap_or(i64::MAX))
}
