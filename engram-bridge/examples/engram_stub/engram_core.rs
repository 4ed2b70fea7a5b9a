// A stand-in for the parts of `engram-core` that a cluster uses, with its paths, names and
// signatures at revision 5d54816, and with the two methods that step 1 of the guide adds. Engram is
// not published to a registry, so this crate cannot depend on it.
//
// The function bodies are minimal, and written for this example.

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

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemorySpaceId(Arc<str>);

impl MemorySpaceId {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for MemorySpaceId {
    type Error = MemorySpaceIdError;

    fn try_from(name: &str) -> Result<Self, MemorySpaceIdError> {
        match name.trim() {
            "" => Err(MemorySpaceIdError::Empty),
            name => Ok(Self(name.into())),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum MemorySpaceIdError {
    Empty,
}

impl std::fmt::Display for MemorySpaceIdError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory space identifier cannot be empty")
    }
}

impl std::error::Error for MemorySpaceIdError {}

#[derive(Debug)]
pub enum MemorySpaceError {
    StoreInit { id: MemorySpaceId, source: Box<dyn std::error::Error + Send + Sync> },
}

impl std::fmt::Display for MemorySpaceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::StoreInit { id, source } = self;
        write!(f, "Failed to initialise memory store for space '{}': {source}", id.as_str())
    }
}

impl std::error::Error for MemorySpaceError {}

#[derive(Clone, Debug)]
pub struct SpaceDirectories {
    pub root: std::path::PathBuf,
}

pub mod completion {
    use std::sync::Arc;
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
        config: SchedulerConfig,
    }

    impl ConsolidationScheduler {
        #[must_use]
        pub fn new(
            _completion_config: CompletionConfig,
            scheduler_config: SchedulerConfig,
        ) -> Self {
            Self { config: scheduler_config }
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
            let snapshot = ConsolidationSnapshot {
                generated_at: super::now(),
                patterns: store.discover(),
                stats: ConsolidationStats::default(),
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

    /// The recorded metrics with their labels, for this example to print.
    pub static RECORDED: Mutex<BTreeMap<String, f64>> = Mutex::new(BTreeMap::new());

    const HELD: &str = "no code panics while it holds this lock";

    pub fn increment_counter_with_labels(
        name: &'static str,
        value: u64,
        labels: &[(&'static str, String)],
    ) {
        let mut recorded = RECORDED.lock().expect(HELD);
        *recorded.entry(labelled(name, labels)).or_default() += value as f64;
    }

    pub fn record_gauge_with_labels(
        name: &'static str,
        value: f64,
        labels: &[(&'static str, String)],
    ) {
        RECORDED.lock().expect(HELD).insert(labelled(name, labels), value);
    }

    fn labelled(name: &str, labels: &[(&'static str, String)]) -> String {
        let labels: Vec<_> =
            labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        format!("{name}{{{}}}", labels.join(","))
    }
}

pub mod store {
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};

    use super::completion::{ConsolidationSnapshot, ConsolidationStats, SemanticPattern};
    use super::consolidation::{ConsolidationService, InMemoryConsolidationService};
    use super::{Confidence, MemorySpaceId, chrono, now};

    pub struct MemoryStore {
        memory_space_id: MemorySpaceId,
        consolidation_service: Arc<dyn ConsolidationService>,
        /// The topics of the store's episodes.
        topics: Mutex<Vec<String>>,
    }

    impl MemoryStore {
        #[must_use]
        pub fn for_space(memory_space_id: MemorySpaceId, _max_memories: usize) -> Self {
            let consolidation_service = Arc::new(InMemoryConsolidationService);
            Self { memory_space_id, consolidation_service, topics: Mutex::default() }
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
        pub fn consolidation_snapshot(&self, _max_episodes: usize) -> ConsolidationSnapshot {
            self.consolidation_service.cached_snapshot().unwrap_or_else(|| ConsolidationSnapshot {
                generated_at: now(),
                patterns: Vec::new(),
                stats: ConsolidationStats::default(),
            })
        }

        /// Remembers an episode of a topic, for this example's engine to find.
        pub fn remember(&self, topic: &str) {
            self.topics.lock().expect("no code panics while it holds this lock").push(topic.into());
        }

        /// The patterns that this example's engine finds: one for each topic.
        #[must_use]
        pub fn discover(&self) -> Vec<SemanticPattern> {
            let topics = self.topics.lock().expect("no code panics while it holds this lock");
            topics.iter().map(|topic| Self::pattern(topic)).collect()
        }

        fn pattern(topic: &str) -> SemanticPattern {
            let first: u32 = topic.bytes().map(u32::from).sum();
            SemanticPattern {
                id: format!("pattern_{topic}"),
                embedding: std::array::from_fn(|at| (first as f32 + at as f32 / 768.0).sin()),
                source_episodes: ["a", "a", "b"].map(|of| format!("{topic}-{of}")).into(),
                strength: 0.9,
                schema_confidence: Confidence::exact(0.9),
                last_consolidated: chrono::DateTime::from_timestamp_nanos(i64::from(first)),
            }
        }
    }
}

fn now() -> chrono::DateTime<chrono::Utc> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanoseconds = now.map_or(0, |now| now.as_nanos());
    chrono::DateTime::from_timestamp_nanos(i64::try_from(nanoseconds).unwrap_or(i64::MAX))
}
