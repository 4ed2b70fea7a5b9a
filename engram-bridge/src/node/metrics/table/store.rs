//! Metrics of the disk.

use super::super::MetricKind::{Counter, Gauge};
use super::{Metric, Sample, flag};
use crate::node::metrics::Value;

pub(super) const COMMITS: Metric = Metric {
    name: "engram_gossip_store_commits_total",
    kind: Counter,
    unit: None,
    help: "Batches of changes made durable.",
    labels: &[],
    read: |reading| vec![Sample::count(&[], reading.writes.commits)],
};

pub(super) const COMMIT_SECONDS: Metric = Metric {
    name: "engram_gossip_store_commit_seconds_total",
    kind: Counter,
    unit: Some("seconds"),
    help: "The total duration of the successful commits.",
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
    help: "Batches of changes that could not be stored; the node did not apply them.",
    labels: &[],
    read: |reading| vec![Sample::count(&[], reading.writes.storage_failures)],
};

pub(super) const SIZE: Metric = Metric {
    name: "engram_gossip_store_size_bytes",
    kind: Gauge,
    unit: Some("bytes"),
    help: "Bytes of the store on the disk; 0 if the node has no store, or the size is unknown.",
    labels: &[],
    read: |reading| vec![Sample::level(&[], reading.writes.stored_bytes.unwrap_or(0) as f64)],
};

pub(super) const RECORDS: Metric = Metric {
    name: "engram_gossip_store_records",
    kind: Gauge,
    unit: None,
    help: "Records in the store, including those of unhosted spaces; 0 if the node has no store, or their number is unknown.",
    labels: &[],
    read: |reading| vec![Sample::level(&[], reading.writes.stored_records.unwrap_or(0) as f64)],
};

pub(super) const FAILURE: Metric = Metric {
    name: "engram_gossip_storage_failure",
    kind: Gauge,
    unit: None,
    help: "1 while changes cannot be stored, else 0.",
    labels: &[],
    read: |reading| vec![flag(&[], reading.writes.storage_failure.is_some())],
};

pub(super) const REPAIRED_ROWS: Metric = Metric {
    name: "engram_gossip_store_repaired_rows",
    kind: Gauge,
    unit: None,
    help: "Rows of the store that were damaged or missing when the process started.",
    labels: &[],
    read: |reading| vec![Sample::level(&[], reading.repaired_rows as f64)],
};

pub(super) const SET_ASIDE: Metric = Metric {
    name: "engram_gossip_store_set_aside",
    kind: Gauge,
    unit: None,
    help: "1 if the store could not be read at the start of the process and was set aside, else 0.",
    labels: &[],
    read: |reading| vec![flag(&[], reading.set_aside)],
};
