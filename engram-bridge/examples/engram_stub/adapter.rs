// Engram's consolidation service, with a cluster behind it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use engram_bridge as bridge;
use engram_bridge::ConsolidationService as _;
use engram_core::Confidence;
use engram_core::completion::{ConsolidationSnapshot, ConsolidationStats, SemanticPattern};
use engram_core::consolidation::{
    BeliefUpdateRecord, ConsolidationCacheSource, ConsolidationService,
};

/// Engram's `ConsolidationService` by a [`bridge::GossipingConsolidationService`].
pub struct Clustered {
    service: bridge::GossipingConsolidationService,
    /// Statistics are the engine's own. They never travel, so they stay as they are.
    stats: Mutex<ConsolidationStats>,
    /// The merged snapshot in Engram's types. It is converted anew only when it changed.
    converted: Mutex<Option<Converted>>,
}

/// A merged snapshot, and the patterns in Engram's types.
struct Converted {
    merged: bridge::ConsolidationSnapshot,
    patterns: Vec<SemanticPattern>,
}

impl Clustered {
    /// Serves Engram with the patterns of the cluster.
    #[must_use]
    pub fn new(service: bridge::GossipingConsolidationService) -> Self {
        Self { service, stats: Mutex::default(), converted: Mutex::default() }
    }

    /// The reasons for which patterns of the last snapshot were refused.
    #[must_use]
    pub fn last_report(&self) -> Result<bridge::SubmitReport, bridge::StorageError> {
        self.service.last_report()
    }
}

impl ConsolidationService for Clustered {
    fn cached_snapshot(&self) -> Option<ConsolidationSnapshot> {
        let merged = self.service.cached_snapshot()?;
        let generated_at = from_bridge_time(merged.generated_at);
        let stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut converted = self.converted.lock().unwrap_or_else(PoisonError::into_inner);
        let patterns = match converted.as_ref() {
            Some(known) if known.is_of(&merged) => known.patterns.clone(),
            _ => {
                let patterns: Vec<_> =
                    merged.patterns.iter().map(|pattern| from_bridge(pattern)).collect();
                *converted = Some(Converted { merged, patterns: patterns.clone() });
                patterns
            }
        };
        Some(ConsolidationSnapshot { generated_at, patterns, stats })
    }

    fn update_cache(&self, snapshot: &ConsolidationSnapshot, source: ConsolidationCacheSource) {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&snapshot.stats);
        let source = match source {
            ConsolidationCacheSource::Scheduler => bridge::ConsolidationCacheSource::Scheduler,
            ConsolidationCacheSource::OnDemand => bridge::ConsolidationCacheSource::OnDemand,
        };
        let snapshot = bridge::ConsolidationSnapshot {
            generated_at: to_bridge_time(&snapshot.generated_at),
            patterns: snapshot.patterns.iter().map(to_bridge).map(Arc::new).collect(),
            ..bridge::ConsolidationSnapshot::default()
        };
        self.service.update_cache(&snapshot, source);
    }

    fn set_alert_log_path(&self, path: PathBuf) {
        self.service.set_alert_log_path(path);
    }

    fn alert_log_path(&self) -> PathBuf {
        self.service.alert_log_path()
    }

    fn recent_updates(&self) -> Vec<BeliefUpdateRecord> {
        self.service.recent_updates().into_iter().map(update_from_bridge).collect()
    }
}

impl Converted {
    /// Whether `merged` has the same patterns: unchanged ones are shared between two snapshots.
    fn is_of(&self, merged: &bridge::ConsolidationSnapshot) -> bool {
        let (ours, theirs) = (&self.merged.patterns, &merged.patterns);
        ours.len() == theirs.len()
            && ours.iter().zip(theirs).all(|(ours, theirs)| Arc::ptr_eq(ours, theirs))
    }
}

fn from_bridge(pattern: &bridge::SemanticPattern) -> SemanticPattern {
    let mut embedding = [0.0; bridge::ENGRAM_DIMENSION];
    // The cluster takes embeddings of this length only.
    embedding.iter_mut().zip(&*pattern.embedding).for_each(|(to, from)| *to = *from);
    SemanticPattern {
        id: pattern.id.clone(),
        embedding,
        source_episodes: pattern.source_episodes.clone(),
        strength: pattern.strength,
        schema_confidence: Confidence::exact(pattern.schema_confidence.raw()),
        last_consolidated: from_bridge_time(pattern.last_consolidated),
    }
}

fn to_bridge(pattern: &SemanticPattern) -> bridge::SemanticPattern {
    bridge::SemanticPattern {
        id: pattern.id.clone(),
        embedding: Arc::from(pattern.embedding.as_slice()),
        source_episodes: pattern.source_episodes.clone(),
        strength: pattern.strength,
        // Engram lets NaN through. The cluster refuses such a pattern by name.
        schema_confidence: bridge::Confidence::from_engine(pattern.schema_confidence.raw()),
        last_consolidated: to_bridge_time(&pattern.last_consolidated),
    }
}

/// Engram has two sources. What came by gossip is shown as on demand; the alert log names its origin.
fn update_from_bridge(update: bridge::BeliefUpdateRecord) -> BeliefUpdateRecord {
    BeliefUpdateRecord {
        pattern_id: update.pattern_id,
        confidence_delta: update.confidence_delta,
        citation_delta: update.citation_delta,
        novelty: update.novelty,
        generated_at: from_bridge_time(update.generated_at),
        snapshot_generated_at: from_bridge_time(update.snapshot_generated_at),
        source: match update.source {
            bridge::ConsolidationCacheSource::Scheduler => ConsolidationCacheSource::Scheduler,
            bridge::ConsolidationCacheSource::OnDemand
            | bridge::ConsolidationCacheSource::Gossip => ConsolidationCacheSource::OnDemand,
        },
    }
}

fn from_bridge_time(time: bridge::Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(time.as_nanoseconds())
}

fn to_bridge_time(time: &DateTime<Utc>) -> bridge::Timestamp {
    bridge::Timestamp::from_nanoseconds(time.timestamp_nanos_opt().unwrap_or(i64::MAX))
}
