use std::{path::PathBuf, sync::Arc, sync::Mutex};

use bridge::{ConsolidationCacheSource as Source, ConsolidationService as _, Timestamp};
use engram::{ConsolidationCacheSource, ConsolidationSnapshot, DateTime, SemanticPattern, Utc};
use engram_bridge as bridge;

/// Engram's consolidation service, with a cluster behind it. Statistics are the engine's own and
/// never travel, so they stay as they are.
pub struct Clustered(pub bridge::GossipingConsolidationService, pub Mutex<engram::ConsolidationStats>);

#[rustfmt::skip]
impl engram::ConsolidationService for Clustered {
    fn cached_snapshot(&self) -> Option<ConsolidationSnapshot> {
        let merged = self.0.cached_snapshot()?;
        let patterns = merged.patterns.iter().map(|p| SemanticPattern {
            id: p.id.clone(),
            embedding: (*p.embedding).try_into().expect("the store takes 768 numbers only"),
            source_episodes: p.source_episodes.clone(),
            strength: p.strength,
            schema_confidence: engram::Confidence::exact(p.schema_confidence.raw()),
            last_consolidated: date(p.last_consolidated),
        }).collect();
        let stats = self.1.lock().expect("nothing panics with the lock").clone();
        Some(ConsolidationSnapshot { generated_at: date(merged.generated_at), patterns, stats })
    }
    fn update_cache(&self, snapshot: &ConsolidationSnapshot, source: ConsolidationCacheSource) {
        self.1.lock().expect("nothing panics with the lock").clone_from(&snapshot.stats);
        let patterns = snapshot.patterns.iter().filter_map(|p| Some(Arc::new(bridge::SemanticPattern {
            id: p.id.clone(),
            embedding: p.embedding.as_slice().into(),
            source_episodes: p.source_episodes.clone(),
            strength: p.strength,
            schema_confidence: bridge::Confidence::new(p.schema_confidence.raw()).ok()?, // Refuses NaN only.
            last_consolidated: time(&p.last_consolidated),
        }))).collect();
        let source = match source {
            ConsolidationCacheSource::Scheduler => Source::Scheduler,
            _ => Source::OnDemand,
        };
        let (generated_at, stats) = (time(&snapshot.generated_at), Default::default());
        self.0.update_cache(&bridge::ConsolidationSnapshot { generated_at, patterns, stats }, source);
    }
    fn set_alert_log_path(&self, path: PathBuf) { self.0.set_alert_log_path(path) }
    fn alert_log_path(&self) -> PathBuf { self.0.alert_log_path() }
    fn recent_updates(&self) -> Vec<engram::BeliefUpdateRecord> {
        self.0.recent_updates().into_iter().map(|u| engram::BeliefUpdateRecord {
            pattern_id: u.pattern_id, confidence_delta: u.confidence_delta, citation_delta: u.citation_delta,
            novelty: u.novelty, generated_at: date(u.generated_at), snapshot_generated_at: date(u.snapshot_generated_at),
            source: if u.source == Source::Scheduler { ConsolidationCacheSource::Scheduler } else { ConsolidationCacheSource::OnDemand },
        }).collect()
    }
}
fn date(time: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(time.as_nanoseconds())
}
fn time(date: &DateTime<Utc>) -> Timestamp {
    Timestamp::from_nanoseconds(date.timestamp_nanos_opt().unwrap_or(i64::MAX))
}
