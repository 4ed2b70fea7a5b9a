//! Metrics of the replicated state, its faults and its caps.

use engram_vclock::ClockFault;

use super::super::MetricKind::{Counter, Gauge};
use super::{Metric, Reading, Sample, flag};
use crate::replica::caps::CapUsage;

pub(super) const DELETIONS: Metric = Metric {
    name: "engram_gossip_deletions",
    kind: Gauge,
    unit: None,
    help: "Records without a live version: deleted patterns.",
    labels: &["space"],
    read: |reading| reading.by_space(|space| space.stats.deletions),
};

pub(super) const SUPPRESSED: Metric = Metric {
    name: "engram_gossip_suppressed_digests",
    kind: Gauge,
    unit: None,
    help: "Digests that records suppress or once suppressed.",
    labels: &["space"],
    read: |reading| reading.by_space(|space| space.stats.suppressed),
};

pub(super) const CONTEXT_ENTRIES: Metric = Metric {
    name: "engram_gossip_context_entries",
    kind: Gauge,
    unit: None,
    help: "Context entries of all records: one for each node that wrote under an id.",
    labels: &["space"],
    read: |reading| reading.by_space(|space| space.stats.context_entries),
};

pub(super) const UNLISTED_ENTRIES: Metric = Metric {
    name: "engram_gossip_unlisted_entries",
    kind: Gauge,
    unit: None,
    help: "Context entries of nodes that the roster does not list.",
    labels: &["space"],
    read: |reading| reading.by_space(|space| space.stats.unlisted_entries),
};

pub(super) const WAITING: Metric = Metric {
    name: "engram_gossip_waiting_submissions",
    kind: Gauge,
    unit: None,
    help: "Submitted patterns that wait for the first contact of their space.",
    labels: &["space"],
    read: |reading| reading.by_space(|space| space.waiting),
};

pub(super) const REISSUES: Metric = Metric {
    name: "engram_gossip_reissues_total",
    kind: Counter,
    unit: None,
    help: "Writes of this node reissued because a peer knew later versions of this node; a second process may be running under its key.",
    labels: &[],
    read: |reading| count(reading.writes.reissued),
};

pub(super) const RECENT_REISSUES: Metric = Metric {
    name: "engram_gossip_recent_reissues",
    kind: Gauge,
    unit: None,
    help: "Writes of this node reissued within the last hour.",
    labels: &[],
    read: |reading| vec![Sample::level(&[], reading.recent_reissues as f64)],
};

pub(super) const GIVEN_UP: Metric = Metric {
    name: "engram_gossip_writes_given_up_total",
    kind: Counter,
    unit: None,
    help: "Writes of this node not reissued because too many of its versions of the pattern were live.",
    labels: &[],
    read: |reading| count(reading.writes.given_up),
};

pub(super) const CLASHES: Metric = Metric {
    name: "engram_gossip_clashes_total",
    kind: Counter,
    unit: None,
    help: "Records with a version that arrived with a content other than the held one.",
    labels: &[],
    read: |reading| count(reading.writes.clashes),
};

pub(super) const DOTS_DROPPED: Metric = Metric {
    name: "engram_gossip_dots_dropped_total",
    kind: Counter,
    unit: None,
    help: "Live versions dropped because one node had too many under one id.",
    labels: &[],
    read: |reading| count(reading.writes.dots_dropped),
};

pub(super) const SUPPRESSIONS_DROPPED: Metric = Metric {
    name: "engram_gossip_suppressions_dropped_total",
    kind: Counter,
    unit: None,
    help: "Suppressed digests dropped because a record held too many.",
    labels: &[],
    read: |reading| count(reading.writes.suppressions_dropped),
};

pub(super) const IMPLAUSIBLE: Metric = Metric {
    name: "engram_gossip_implausible_total",
    kind: Counter,
    unit: None,
    help: "Parts of records refused for now because their versions are too far in the future.",
    labels: &[],
    read: |reading| count(reading.writes.implausible),
};

pub(super) const MEMBERS_AHEAD: Metric = Metric {
    name: "engram_gossip_members_ahead_total",
    kind: Counter,
    unit: None,
    help: "Members that wrote versions more than 5 minutes ahead of this node's clock; one of the clocks is wrong.",
    labels: &[],
    read: |reading| count(reading.writes.members_ahead),
};

pub(super) const CLOCK_FAULT: Metric = Metric {
    name: "engram_gossip_clock_fault",
    kind: Gauge,
    unit: None,
    help: "1 while the clock of the machine has the fault that the label names, else 0.",
    labels: &["kind"],
    read: |reading| {
        let fault = reading.writes.clock_fault;
        let ahead = matches!(fault, Some(ClockFault::Ahead { .. }));
        vec![flag(&["ahead"], ahead), flag(&["behind"], fault.is_some() && !ahead)]
    },
};

pub(super) const OVER_CAP: Metric = Metric {
    name: "engram_gossip_over_cap_total",
    kind: Counter,
    unit: None,
    help: "Records, or parts of them, refused because of a cap; the label is the configuration key of the cap.",
    labels: &["cap"],
    read: |reading| {
        let refused = |cap| reading.writes.over_cap.get(&cap).copied().unwrap_or(0);
        by_cap(reading, |usage, key| Sample::count(&[key], refused(usage.cap)))
    },
};

pub(super) const CAP_USED: Metric = Metric {
    name: "engram_gossip_cap_used",
    kind: Gauge,
    unit: None,
    help: "The usage of a cap: live records, deletions plus suppressed digests, or bytes of all spaces; or the entries of unlisted nodes in the space that has the most.",
    labels: &["cap"],
    read: |reading| by_cap(reading, |usage, key| Sample::level(&[key], usage.used as f64)),
};

pub(super) const CAP_LIMIT: Metric = Metric {
    name: "engram_gossip_cap_limit",
    kind: Gauge,
    unit: None,
    help: "The limit of each cap.",
    labels: &["cap"],
    read: |reading| by_cap(reading, |usage, key| Sample::level(&[key], usage.limit as f64)),
};

fn count(count: u64) -> Vec<Sample> {
    vec![Sample::count(&[], count)]
}

fn by_cap(reading: &Reading, sample: impl Fn(&CapUsage, &str) -> Sample) -> Vec<Sample> {
    reading.caps.iter().map(|usage| sample(usage, usage.cap.key())).collect()
}
