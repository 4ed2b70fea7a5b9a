// An implementation of Engram's consolidation service that shares patterns with a cluster.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use engram_bridge as bridge;
use engram_bridge::ConsolidationService as _;
use engram_bridge::durable::StorageError;
use engram_bridge::replica::SubmitReport;
use engram_bridge::spaces::Incomplete;
use engram_core::Confidence;
use engram_core::completion::{ConsolidationSnapshot, ConsolidationStats, SemanticPattern};
use engram_core::consolidation::{
    BeliefUpdateRecord, ConsolidationCacheSource, ConsolidationService,
};

/// Implements Engram's `ConsolidationService` with a [`bridge::GossipingConsolidationService`].
pub struct Clustered {
    service: bridge::GossipingConsolidationService,
    /// The engine's statistics, unchanged: they are never sent to peers.
    stats: Mutex<ConsolidationStats>,
    /// The pattern that the engine last submitted under each id. Unchanged patterns are not copied again.
    submitted: Mutex<HashMap<String, Arc<bridge::SemanticPattern>>>,
    /// The latest merged snapshot and its conversion, which is repeated only after a change.
    converted: Mutex<Option<Converted>>,
}

/// A merged snapshot, and its patterns in Engram's type.
struct Converted {
    merged: bridge::ConsolidationSnapshot,
    patterns: Vec<SemanticPattern>,
}

impl Clustered {
    /// Creates a service that shows the patterns of the cluster.
    #[must_use]
    pub fn new(service: bridge::GossipingConsolidationService) -> Self {
        let (stats, submitted) = (Mutex::default(), Mutex::default());
        Self { service, stats, submitted, converted: Mutex::default() }
    }

    /// Waits until every snapshot submitted before this call has been stored. Returns the report on the last one,
    /// or the error if that one could not be stored. Stopping the node also waits for this.
    pub async fn durable(&self) -> Result<SubmitReport, Incomplete<StorageError>> {
        self.service.durable().await
    }

    /// Returns the report on the last snapshot, with the rejected patterns and the reasons; or the error if the
    /// snapshot could not be stored.
    pub fn last_report(&self) -> Result<SubmitReport, Incomplete<StorageError>> {
        self.service.last_report()
    }
}

impl ConsolidationService for Clustered {
    fn cached_snapshot(&self) -> Option<ConsolidationSnapshot> {
        let merged = self.service.cached_snapshot()?;
        let generated_at = from_bridge_time(merged.generated_at);
        let stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Some(ConsolidationSnapshot { generated_at, patterns: self.convert(merged), stats })
    }

    fn update_cache(&self, snapshot: &ConsolidationSnapshot, source: ConsolidationCacheSource) {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&snapshot.stats);
        let source = match source {
            ConsolidationCacheSource::Scheduler => bridge::ConsolidationCacheSource::Scheduler,
            ConsolidationCacheSource::OnDemand => bridge::ConsolidationCacheSource::OnDemand,
        };
        let snapshot = bridge::ConsolidationSnapshot {
            generated_at: to_bridge_time(snapshot.generated_at),
            patterns: self.to_bridge(&snapshot.patterns),
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

impl Clustered {
    /// Converts the patterns of a merged snapshot to Engram's type.
    fn convert(&self, merged: bridge::ConsolidationSnapshot) -> Vec<SemanticPattern> {
        let mut converted = self.converted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = converted.as_ref()
            && known.is_of(&merged)
        {
            return known.patterns.clone();
        }
        let patterns: Vec<_> = merged.patterns.iter().map(|pattern| from_bridge(pattern)).collect();
        *converted = Some(Converted { merged, patterns: patterns.clone() });
        drop(converted);
        patterns
    }

    /// Converts patterns to the bridge's type, and reuses those that have not changed since they were last
    /// submitted.
    fn to_bridge(&self, patterns: &[SemanticPattern]) -> Vec<Arc<bridge::SemanticPattern>> {
        let mut submitted = self.submitted.lock().unwrap_or_else(PoisonError::into_inner);
        let convert = |pattern: &SemanticPattern| match submitted.get(&pattern.id) {
            Some(known) if is_same(known, pattern) => Arc::clone(known),
            _ => {
                let converted = Arc::new(to_bridge(pattern));
                submitted.insert(pattern.id.clone(), Arc::clone(&converted));
                converted
            }
        };
        patterns.iter().map(convert).collect()
    }
}

fn is_same(known: &bridge::SemanticPattern, pattern: &SemanticPattern) -> bool {
    known.last_consolidated == to_bridge_time(pattern.last_consolidated)
        && known.strength.to_bits() == pattern.strength.to_bits()
        && known.schema_confidence.raw().to_bits() == pattern.schema_confidence.raw().to_bits()
        && known.source_episodes == pattern.source_episodes
        && known.embedding.len() == pattern.embedding.len()
        && equal_bits(&known.embedding, &pattern.embedding)
}

/// Whether all numbers are equal bit for bit. Does not branch on each number, so that the compiler
/// can compare many at a time.
fn equal_bits(known: &[f32], numbers: &[f32]) -> bool {
    let differs = |(one, other): (&f32, &f32)| one.to_bits() ^ other.to_bits();
    known.iter().zip(numbers).map(differs).fold(0, |all, one| all | one) == 0
}

impl Converted {
    /// Whether these are the patterns of `merged`. Compares pointers, since snapshots share
    /// unchanged patterns.
    fn is_of(&self, merged: &bridge::ConsolidationSnapshot) -> bool {
        let (ours, theirs) = (&self.merged.patterns, &merged.patterns);
        ours.len() == theirs.len()
            && ours.iter().zip(theirs).all(|(ours, theirs)| Arc::ptr_eq(ours, theirs))
    }
}

fn from_bridge(pattern: &bridge::SemanticPattern) -> SemanticPattern {
    let mut embedding = [0.0; bridge::ENGRAM_DIMENSION];
    // The cluster accepts only embeddings of this length.
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
        // Engram accepts NaN. The cluster rejects a pattern that contains NaN, and reports its id.
        schema_confidence: bridge::Confidence::from_engine(pattern.schema_confidence.raw()),
        last_consolidated: to_bridge_time(pattern.last_consolidated),
    }
}

/// Engram has only two sources, so changes from gossip are reported as `OnDemand`. The alert log
/// names their origin.
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

const fn from_bridge_time(time: bridge::Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(time.as_nanoseconds())
}

fn to_bridge_time(time: DateTime<Utc>) -> bridge::Timestamp {
    bridge::Timestamp::from_nanoseconds(time.timestamp_nanos_opt().unwrap_or(i64::MAX))
}
