//! The table of all metrics.

mod across_ids;
mod consolidation;
mod network;
mod state;
mod store;

use std::time::Duration;

use engram_gossip_net::ConnectionState;
use engram_gossip_proto::WIRE_VERSION;

use super::MetricKind::{Counter, Gauge, Histogram};
use super::{Metric, PeerReading, Reading, Sample, SpaceReading, Value};

/// Every metric of a node, in the order of the exposition.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "engram_gossip_build_info",
        kind: Gauge,
        unit: None,
        help: "Always 1; the label names the version of the program.",
        labels: &["version"],
        read: |_| vec![Sample::level(&[env!("CARGO_PKG_VERSION")], 1.0)],
    },
    Metric {
        name: "engram_gossip_protocol_version",
        kind: Gauge,
        unit: None,
        help: "The wire version that this node speaks.",
        labels: &[],
        read: |_| vec![Sample::level(&[], f64::from(WIRE_VERSION))],
    },
    Metric {
        name: "engram_gossip_ready",
        kind: Gauge,
        unit: None,
        help: "1 if the node is ready to serve the cluster's state, else 0.",
        labels: &[],
        read: |reading| vec![flag(&[], reading.ready)],
    },
    Metric {
        name: "engram_gossip_certificate_expiry_timestamp_seconds",
        kind: Gauge,
        unit: Some("seconds"),
        help: "The time at which the certificate of this node expires.",
        labels: &[],
        read: |reading| vec![Sample::level(&[], reading.certificate_until)],
    },
    Metric {
        name: "engram_gossip_sessions_total",
        kind: Counter,
        unit: None,
        help: "Sessions with peers, opened by either side, by outcome.",
        labels: &["outcome"],
        read: sessions,
    },
    Metric {
        name: "engram_gossip_session_duration_seconds",
        kind: Histogram,
        unit: Some("seconds"),
        help: "The duration of completed sessions.",
        labels: &[],
        read: |reading| {
            let value = Value::Histogram(reading.session_seconds.clone());
            vec![Sample { labels: Vec::new(), value }]
        },
    },
    Metric {
        name: "engram_gossip_peer_lag_seconds",
        kind: Gauge,
        unit: Some("seconds"),
        help: "Time since the roots of this node and a peer were last known to be equal, 0 while they are; if they never were, the time since the start.",
        labels: &["peer"],
        read: |reading| reading.by_peer(|peer| Some(peer.lag.as_secs_f64())),
    },
    Metric {
        name: "engram_gossip_peer_divergent_slots",
        kind: Gauge,
        unit: None,
        help: "Slots of the tree that changed here since the roots were last equal to a peer's.",
        labels: &["peer"],
        read: |reading| reading.by_peer(|peer| Some(peer.divergent_slots as f64)),
    },
    Metric {
        name: "engram_gossip_last_success_timestamp_seconds",
        kind: Gauge,
        unit: Some("seconds"),
        help: "The time at which the roots of this node and a peer were last known to be equal; absent if they never were.",
        labels: &["peer"],
        read: |reading| {
            let at = |ago: Duration| reading.now - ago.as_secs_f64();
            reading.by_peer(|peer| peer.status.equal_ago.map(at))
        },
    },
    Metric {
        name: "engram_gossip_peer_round_trip_seconds",
        kind: Gauge,
        unit: Some("seconds"),
        help: "The round-trip time to a connected peer.",
        labels: &["peer"],
        read: |reading| {
            reading.by_peer(|peer| match peer.status.connection {
                ConnectionState::Connected { round_trip, .. } => Some(round_trip.as_secs_f64()),
                _ => None,
            })
        },
    },
    Metric {
        name: "engram_gossip_peers",
        kind: Gauge,
        unit: None,
        help: "Peers by the state of their connection.",
        labels: &["state"],
        read: peers,
    },
    Metric {
        name: "engram_gossip_bytes_total",
        kind: Counter,
        unit: Some("bytes"),
        help: "Bytes of sessions, root adverts and membership, without the overhead of QUIC.",
        labels: &["direction", "kind"],
        read: |Reading { net, .. }| {
            vec![
                Sample::count(&["sent", "session"], net.session_bytes_sent),
                Sample::count(&["received", "session"], net.session_bytes_received),
                Sample::count(&["sent", "advert"], net.advert_bytes_sent),
                Sample::count(&["received", "advert"], net.advert_bytes_received),
                Sample::count(&["sent", "membership"], net.membership_bytes_sent),
                Sample::count(&["received", "membership"], net.membership_bytes_received),
            ]
        },
    },
    Metric {
        name: "engram_gossip_payload_bytes_total",
        kind: Counter,
        unit: Some("bytes"),
        help: "Bytes of frames that carried records or contents in completed sessions, in both directions.",
        labels: &[],
        read: |reading| vec![Sample::count(&[], reading.totals.record_bytes)],
    },
    Metric {
        name: "engram_gossip_patterns_total",
        kind: Counter,
        unit: None,
        help: "Records sent, records received by outcome, and records of either side that exceed a limit of the wire, counted once for each session.",
        labels: &["direction", "result"],
        read: |Reading { totals, .. }| {
            vec![
                Sample::count(&["sent", "sent"], totals.sent),
                Sample::count(&["sent", "unsendable"], totals.unsendable),
                Sample::count(&["received", "applied"], totals.applied),
                Sample::count(&["received", "stale"], totals.stale),
                Sample::count(&["received", "rejected"], totals.rejected),
                Sample::count(&["received", "unstored"], totals.unstored),
                Sample::count(&["received", "unasked"], totals.unasked),
                Sample::count(&["received", "unsendable"], totals.peer_unsendable),
            ]
        },
    },
    Metric {
        name: "engram_gossip_adverts_total",
        kind: Counter,
        unit: None,
        help: "Root adverts that were sent, and valid ones that were received.",
        labels: &["direction"],
        read: |Reading { net, .. }| {
            vec![
                Sample::count(&["sent"], net.adverts_sent),
                Sample::count(&["received"], net.adverts_received),
            ]
        },
    },
    Metric {
        name: "engram_gossip_triggers_total",
        kind: Counter,
        unit: None,
        help: "Sessions that an advert or the previous session triggered, and triggered sessions that another session made unnecessary.",
        labels: &["outcome"],
        read: |Reading { net, .. }| {
            vec![
                Sample::count(&["opened"], net.triggers),
                Sample::count(&["saved"], net.triggers_saved),
            ]
        },
    },
    Metric {
        name: "engram_gossip_conflicts",
        kind: Gauge,
        unit: None,
        help: "Patterns with more than one live version to choose from.",
        labels: &["space", "strategy"],
        read: |reading| {
            let strategy = reading.strategy.as_str();
            let spaces = reading.spaces.iter();
            let sample = |space: &SpaceReading| {
                Sample::level(&[&space.name, strategy], space.stats.conflicting as f64)
            };
            spaces.map(sample).collect()
        },
    },
    Metric {
        name: "engram_gossip_visible_patterns",
        kind: Gauge,
        unit: None,
        help: "Visible patterns.",
        labels: &["space"],
        read: |reading| reading.by_space(|space| space.stats.visible),
    },
    state::DELETIONS,
    state::SUPPRESSED,
    state::CONTEXT_ENTRIES,
    state::UNLISTED_ENTRIES,
    state::WAITING,
    consolidation::REFUSED,
    consolidation::REFUSALS,
    consolidation::LOG_FAILURES,
    consolidation::RUNS,
    consolidation::FRESHNESS,
    consolidation::NOVELTY,
    consolidation::NOVELTY_VARIANCE,
    consolidation::CITATION_CHURN,
    consolidation::CITATIONS,
    consolidation::GOSSIP_ROUNDS,
    consolidation::DELTAS_BYTES,
    consolidation::CONFLICTS,
    consolidation::COMPARE_SECONDS,
    across_ids::GROUPS,
    across_ids::MEMBERS,
    across_ids::DISPUTED,
    across_ids::UNCOMPARED,
    Metric {
        name: "engram_gossip_merkle_patterns",
        kind: Gauge,
        unit: None,
        help: "Records in the tree, including those of deleted patterns.",
        labels: &["space"],
        read: |reading| reading.by_space(|space| space.stats.records),
    },
    Metric {
        name: "engram_gossip_versions_written_total",
        kind: Counter,
        unit: None,
        help: "Versions that this node wrote itself, including deletions.",
        labels: &[],
        read: |reading| vec![Sample::count(&[], reading.writes.written)],
    },
    state::REISSUES,
    state::RECENT_REISSUES,
    state::GIVEN_UP,
    state::CLASHES,
    state::DOTS_DROPPED,
    state::SUPPRESSIONS_DROPPED,
    state::IMPLAUSIBLE,
    state::MEMBERS_AHEAD,
    state::CLOCK_FAULT,
    state::OVER_CAP,
    state::CAP_USED,
    state::CAP_LIMIT,
    store::COMMITS,
    store::COMMIT_SECONDS,
    store::ERRORS,
    store::SIZE,
    store::RECORDS,
    store::FAILURE,
    store::REPAIRED_ROWS,
    store::SET_ASIDE,
    network::LIMITED,
    network::DELAYED,
    network::DECODE_ERRORS,
    network::AUTH_FAILURES,
    network::CONNECTION_FAILURES,
    network::CONNECTIONS_LOST,
];

/// A sample for a state: 1 if it holds, else 0.
fn flag(labels: &[&str], holds: bool) -> Sample {
    Sample::level(labels, f64::from(u8::from(holds)))
}

fn sessions(Reading { net, .. }: &Reading) -> Vec<Sample> {
    let reached = |outcome| net.sessions.get(outcome).copied().unwrap_or(0);
    let failed = net.sessions_failed.values().sum::<u64>();
    let known =
        ["in_sync", "synced", "unsendable", "budget_spent", "not_accepted", "nothing_shared"];
    let ended = known.map(|outcome| Sample::count(&[outcome], reached(outcome)));
    let rest = [
        Sample::count(&["failed"], failed + reached("failed") + reached("other")),
        Sample::count(&["refused"], net.sessions_refused),
    ];
    ended.into_iter().chain(rest).collect()
}

fn peers(reading: &Reading) -> Vec<Sample> {
    let in_state = |state: &str| {
        let states = reading.peers.iter().map(|peer| state_of(&peer.status.connection));
        states.filter(|other| *other == state).count()
    };
    let states = ["connected", "dialling", "back_off", "idle"];
    states.iter().map(|state| Sample::level(&[state], in_state(state) as f64)).collect()
}

/// The name of the state of a connection, in metrics and answers.
pub(crate) fn state_of(connection: &ConnectionState) -> &'static str {
    match connection {
        ConnectionState::Connected { .. } => "connected",
        ConnectionState::Dialling => "dialling",
        ConnectionState::BackOff { .. } => "back_off",
        _ => "idle",
    }
}

impl Reading {
    fn by_peer(&self, level: impl Fn(&PeerReading) -> Option<f64>) -> Vec<Sample> {
        let samples = self.peers.iter().filter_map(|peer| {
            level(peer).map(|level| Sample::level(&[&peer.status.member.name], level))
        });
        samples.collect()
    }

    fn by_space(&self, count: impl Fn(&SpaceReading) -> u64) -> Vec<Sample> {
        let sample = |space: &SpaceReading| Sample::level(&[&space.name], count(space) as f64);
        self.spaces.iter().map(sample).collect()
    }
}
