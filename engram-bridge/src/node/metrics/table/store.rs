//! The lines about the disk, and about deletions that leave it.

use super::super::MetricKind::{Counter, Gauge};
use super::{Metric, Sample};
use crate::node::metrics::Value;

pub(super) const TOMBSTONES_COLLECTED: Metric = Metric {
    name: "engram_gossip_tombstones_collected_total",
    kind: Counter,
    unit: None,
    help: "Deletions that were reaped, since everybody has them.",
    labels: &["space"],
    read: |reading| {
        let spaces = reading.spaces.iter();
        spaces.map(|space| Sample::count(&[&space.name], space.reaped)).collect()
    },
};

pub(super) const TOMBSTONES_HELD_UP: Metric = Metric {
    name: "engram_gossip_tombstones_held_up",
    kind: Gauge,
    unit: None,
    help: "Deletions that wait because this peer is not known to have them.",
    labels: &["peer"],
    read: |reading| reading.by_peer(|peer| Some(peer.held_up as f64)),
};

pub(super) const COMMITS: Metric = Metric {
    name: "engram_gossip_store_commits_total",
    kind: Counter,
    unit: None,
    help: "Batches of changes that were made durable.",
    labels: &[],
    read: |reading| vec![Sample::count(&[], reading.writes.commits)],
};

pub(super) const COMMIT_SECONDS: Metric = Metric {
    name: "engram_gossip_store_commit_seconds_total",
    kind: Counter,
    unit: Some("seconds"),
    help: "How long the disk took for all of them: divided by their number, for one.",
    labels: &[],
    read: |reading| {
        let value = Value::Seconds(reading.writes.commit_time.as_secs_f64());
        vec![Sample { labels: Vec::new(), value }]
    },
};

pub(super) const ERRORS: Metric = Metric {
    name: "engram_gossip_store_errors_total",
    kind: Counter,
    unit: None,
    help: "Changes that could not be stored, so that they did not happen.",
    labels: &[],
    read: |reading| vec![Sample::count(&[], reading.writes.storage_failures)],
};

pub(super) const SIZE: Metric = Metric {
    name: "engram_gossip_store_size_bytes",
    kind: Gauge,
    unit: Some("bytes"),
    help: "What the store takes on the disk; 0 if the node has none.",
    labels: &[],
    read: |reading| vec![Sample::level(&[], reading.writes.stored_bytes.unwrap_or(0) as f64)],
};

pub(super) const DOUBTS: Metric = Metric {
    name: "engram_gossip_store_doubts_total",
    kind: Counter,
    unit: None,
    help: "Whether the store was in doubt at the start, so that a new life was begun: 0 or 1.",
    labels: &[],
    read: |reading| vec![Sample::count(&[], u64::from(reading.doubted))],
};
