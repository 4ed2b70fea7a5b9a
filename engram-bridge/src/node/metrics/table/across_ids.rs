//! Metrics of conflicts across ids.

use super::super::MetricKind::Gauge;
use super::Metric;

pub(super) const GROUPS: Metric = Metric {
    name: "engram_gossip_id_groups",
    kind: Gauge,
    unit: None,
    help: "Groups of patterns with different ids that describe one memory.",
    labels: &["space"],
    read: |reading| reading.by_space(|space| space.across_ids.groups),
};

pub(super) const MEMBERS: Metric = Metric {
    name: "engram_gossip_id_group_members",
    kind: Gauge,
    unit: None,
    help: "Patterns in groups across ids, without the representatives.",
    labels: &["space"],
    read: |reading| reading.by_space(|space| space.across_ids.members),
};

pub(super) const DISPUTED: Metric = Metric {
    name: "engram_gossip_disputed_patterns",
    kind: Gauge,
    unit: None,
    help: "Patterns that dispute an episode with a pattern of another id.",
    labels: &["space"],
    read: |reading| reading.by_space(|space| space.across_ids.disputed),
};

pub(super) const UNCOMPARED: Metric = Metric {
    name: "engram_gossip_uncompared_patterns",
    kind: Gauge,
    unit: None,
    help: "Changed patterns that have not yet been compared across ids.",
    labels: &["space"],
    read: |reading| reading.by_space(|space| space.across_ids.pending),
};
