//! Metrics of consolidation. The names that begin with `engram_consolidation` are those of Engram and of its plan for
//! gossip.

use super::super::MetricKind::{Counter, Gauge, Histogram};
use super::{Metric, Reading, Sample, SpaceReading, Value};
use crate::spaces::observer::ConsolidationRun;

pub(super) const RUNS: Metric = Metric {
    name: "engram_consolidation_runs_total",
    kind: Counter,
    unit: None,
    help: "Snapshots that the engine submitted, changed or not, by source.",
    labels: &["space", "source"],
    read: |reading| {
        let samples = reading.spaces.iter().flat_map(|space| {
            let runs = &space.runs;
            [("scheduler", runs.scheduler_runs), ("on_demand", runs.on_demand_runs)]
                .map(|(source, runs)| Sample::count(&[&space.name, source], runs))
        });
        samples.collect()
    },
};

pub(super) const FRESHNESS: Metric = Metric {
    name: "engram_consolidation_freshness_seconds",
    kind: Gauge,
    unit: Some("seconds"),
    help: "The age of the last snapshot that the engine submitted.",
    labels: &["space"],
    read: |reading| {
        of_last(reading, |run| reading.now - run.generated_at.as_nanoseconds() as f64 / 1e9)
    },
};

pub(super) const NOVELTY: Metric = Metric {
    name: "engram_consolidation_novelty_gauge",
    kind: Gauge,
    unit: None,
    help: "The greatest absolute change in a strength that the last snapshot made.",
    labels: &["space"],
    read: |reading| of_last(reading, |run| run.max_novelty.into()),
};

pub(super) const NOVELTY_VARIANCE: Metric = Metric {
    name: "engram_consolidation_novelty_variance",
    kind: Gauge,
    unit: None,
    help: "The variance of the absolute changes in strength that the last snapshot made.",
    labels: &["space"],
    read: |reading| of_last(reading, |run| run.novelty_variance.into()),
};

pub(super) const CITATION_CHURN: Metric = Metric {
    name: "engram_consolidation_citation_churn",
    kind: Gauge,
    unit: None,
    help: "Among the beliefs that the last snapshot changed, the percentage whose number of citations changed.",
    labels: &["space"],
    read: |reading| of_last(reading, |run| run.citation_churn.into()),
};

pub(super) const CITATIONS: Metric = Metric {
    name: "engram_consolidation_citations_current",
    kind: Gauge,
    unit: None,
    help: "Citations of the merged view after the last snapshot.",
    labels: &["space"],
    read: |reading| of_last(reading, |run| run.citations as f64),
};

pub(super) const GOSSIP_ROUNDS: Metric = Metric {
    name: "engram_consolidation_gossip_rounds_total",
    kind: Counter,
    unit: None,
    help: "Sessions with peers that completed or failed.",
    labels: &[],
    read: |Reading { net, .. }| {
        let ended = net.sessions.values().chain(net.sessions_failed.values()).sum();
        vec![Sample::count(&[], ended)]
    },
};

pub(super) const DELTAS_BYTES: Metric = Metric {
    name: "engram_consolidation_deltas_transferred_bytes",
    kind: Gauge,
    unit: Some("bytes"),
    help: "Bytes of frames that carried records or contents in completed sessions, in both directions, since the start.",
    labels: &[],
    read: |reading| vec![Sample::level(&[], reading.totals.record_bytes as f64)],
};

pub(super) const CONFLICTS: Metric = Metric {
    name: "engram_consolidation_conflicts_total",
    kind: Counter,
    unit: None,
    help: "How often a pattern acquired more than one version.",
    labels: &["space", "type"],
    read: |reading| {
        let count = |space: &SpaceReading| {
            Sample::count(&[&space.name, "concurrent_update"], space.conflicts_met)
        };
        reading.spaces.iter().map(count).collect()
    },
};

pub(super) const COMPARE_SECONDS: Metric = Metric {
    name: "engram_consolidation_merkle_compare_seconds",
    kind: Histogram,
    unit: Some("seconds"),
    help: "The duration of sessions that found both sides equal and moved no record.",
    labels: &[],
    read: |reading| {
        let value = Value::Histogram(reading.compare_seconds.clone());
        vec![Sample { labels: Vec::new(), value }]
    },
};

pub(super) const REFUSED: Metric = Metric {
    name: "engram_gossip_refused_patterns",
    kind: Gauge,
    unit: None,
    help: "Patterns from this node's engine that are refused and stay on this node.",
    labels: &["space"],
    read: |reading| reading.by_space(|space| space.refused),
};

pub(super) const REFUSALS: Metric = Metric {
    name: "engram_gossip_patterns_refused_total",
    kind: Counter,
    unit: None,
    help: "Patterns from this node's engine that were refused.",
    labels: &[],
    read: |reading| vec![Sample::count(&[], reading.writes.refused)],
};

pub(super) const LOG_FAILURES: Metric = Metric {
    name: "engram_gossip_belief_log_errors_total",
    kind: Counter,
    unit: None,
    help: "Failed attempts to append to a belief log.",
    labels: &[],
    read: |reading| vec![Sample::count(&[], reading.writes.belief_log_failures)],
};

/// Returns a figure of the last snapshot of each space that has had a snapshot.
fn of_last(reading: &Reading, figure: impl Fn(&ConsolidationRun) -> f64) -> Vec<Sample> {
    let samples = reading
        .spaces
        .iter()
        .filter_map(|space| Some(Sample::level(&[&space.name], figure(&space.runs.last?))));
    samples.collect()
}
