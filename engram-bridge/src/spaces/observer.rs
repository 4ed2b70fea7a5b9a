//! Observers of consolidation, for the metrics of an engine.

use std::time::Duration;

use crate::engram::ports::{BeliefUpdateRecord, ConsolidationCacheSource};
use crate::engram::timestamp::Timestamp;
use crate::replica::report::RejectedPattern;

/// Receives the statistics of consolidation, for a metrics registry. Without an observer,
/// [`Telemetry`](crate::telemetry::Telemetry) still exports them for Prometheus.
///
/// A background task calls the methods and waits for them, so they should return quickly.
pub trait ConsolidationObserver: Send + Sync {
    /// Called after the snapshot of each `update_cache` was submitted, even if nothing changed or a part could not be
    /// stored.
    fn on_run(&self, run: &ConsolidationRun);

    /// Called after the engine, a peer or an operator changed visible beliefs. Does nothing by default.
    fn on_updates(&self, updates: &[BeliefUpdateRecord]) {
        let _ = updates;
    }

    /// Called when patterns of a snapshot are refused; they stay in the local view. Does nothing by default.
    fn on_refused(&self, refused: &[RejectedPattern]) {
        let _ = refused;
    }
}

/// The statistics of one snapshot of the engine, which match Engram's own metrics.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConsolidationRun {
    /// The source of the snapshot. Engram counts snapshots of the scheduler as runs.
    pub source: ConsolidationCacheSource,
    /// The time of the snapshot, by the clock of this node.
    pub generated_at: Timestamp,
    /// The age of the snapshot at its submission: Engram's freshness.
    pub age: Duration,
    /// Patterns in the merged view.
    pub patterns: usize,
    /// Citations of the patterns in the merged view.
    pub citations: usize,
    /// Changes to visible beliefs by this snapshot, including those of patterns that wait for the first contact.
    pub updates: usize,
    /// The greatest absolute change in a strength among the updates.
    pub max_novelty: f32,
    /// The variance of the absolute changes in strength.
    pub novelty_variance: f32,
    /// The percentage of the updates that changed the number of citations.
    pub citation_churn: f32,
    /// Patterns of the snapshot that were refused.
    pub refused: usize,
    /// Whether the snapshot was submitted as a whole. If a part of it could not be stored, the other fields describe
    /// the view without that part, and `refused` is 0.
    /// [`last_report`](crate::GossipingConsolidationService::last_report) and
    /// [`WriteStats::storage_failure`](crate::spaces::WriteStats::storage_failure) contain the error.
    pub stored: bool,
}

/// The inputs of [`ConsolidationRun::new`].
pub(crate) struct RunInput<'u> {
    pub(crate) source: ConsolidationCacheSource,
    pub(crate) generated_at: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) patterns: usize,
    pub(crate) citations: usize,
    pub(crate) updates: &'u [BeliefUpdateRecord],
    pub(crate) refused: usize,
    pub(crate) stored: bool,
}

impl ConsolidationRun {
    pub(crate) fn new(input: &RunInput<'_>) -> Self {
        let RunInput { source, generated_at, now, patterns, citations, updates, refused, stored } =
            *input;
        let age = now.as_nanoseconds().saturating_sub(generated_at.as_nanoseconds()).max(0);
        let count = updates.len().max(1) as f32;
        let novelty = || updates.iter().map(|update| update.novelty.abs());
        // The sum of an empty iterator is -0.0.
        let mean = novelty().sum::<f32>() / count;
        let variance = novelty().map(|one| (one - mean).powi(2)).sum::<f32>() / count + 0.0;
        let cited = updates.iter().filter(|update| update.citation_delta != 0).count();
        Self {
            source,
            generated_at,
            age: Duration::from_nanos(age.unsigned_abs()),
            patterns,
            citations,
            updates: updates.len(),
            max_novelty: novelty().fold(0.0, f32::max),
            novelty_variance: variance,
            citation_churn: 100.0 * cited as f32 / count,
            refused,
            stored,
        }
    }
}

/// The runs of one space since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RunStats {
    /// Snapshots from the scheduler.
    pub scheduler_runs: u64,
    /// All other snapshots, usually made on demand.
    pub on_demand_runs: u64,
    /// Snapshots that changed a visible belief.
    pub changing_runs: u64,
    /// The last snapshot; `None` before the first one.
    pub last: Option<ConsolidationRun>,
}

impl RunStats {
    pub(crate) fn add(&mut self, run: ConsolidationRun) {
        match run.source {
            ConsolidationCacheSource::Scheduler => self.scheduler_runs += 1,
            ConsolidationCacheSource::OnDemand | ConsolidationCacheSource::Gossip => {
                self.on_demand_runs += 1;
            }
        }
        self.changing_runs += u64::from(run.updates > 0);
        self.last = Some(run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_figures_match_engram() {
        let update = |novelty, citation_delta| BeliefUpdateRecord {
            pattern_id: "p".to_owned(),
            confidence_delta: 0.0,
            citation_delta,
            novelty,
            generated_at: Timestamp::EPOCH,
            snapshot_generated_at: Timestamp::EPOCH,
            source: ConsolidationCacheSource::Scheduler,
            origin: None,
        };
        let input = |updates| RunInput {
            source: ConsolidationCacheSource::Scheduler,
            generated_at: Timestamp::from_nanoseconds(5_000),
            now: Timestamp::from_nanoseconds(7_000),
            patterns: 3,
            citations: 9,
            updates,
            refused: 1,
            stored: true,
        };
        let updates = [update(-1.0, 2), update(0.5, 0)];
        let run = ConsolidationRun::new(&input(&updates));
        assert_eq!((run.age, run.updates), (Duration::from_micros(2), 2));
        assert_eq!(
            (run.max_novelty, run.novelty_variance, run.citation_churn),
            (1.0, 0.0625, 50.0)
        );
        let nothing = ConsolidationRun::new(&input(&[]));
        let figures = (nothing.max_novelty, nothing.novelty_variance, nothing.citation_churn);
        assert_eq!(figures, (0.0, 0.0, 0.0));
        assert!(nothing.novelty_variance.is_sign_positive());

        let mut stats = RunStats::default();
        stats.add(run);
        stats.add(nothing);
        assert_eq!((stats.scheduler_runs, stats.changing_runs, stats.last), (2, 1, Some(nothing)));
    }
}
