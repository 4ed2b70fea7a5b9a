//! Metrics of the limits and failures of the network.

use std::collections::BTreeMap;

use super::super::MetricKind::Counter;
use super::{Metric, Reading, Sample};

pub(super) const LIMITED: Metric = Metric {
    name: "engram_gossip_limited_total",
    kind: Counter,
    unit: None,
    help: "Sessions, datagrams and events refused or dropped because of a limit.",
    labels: &["reason"],
    read: |Reading { net, .. }| {
        let mut limited = counts(&net.sessions_over_allowance, ALLOWANCES);
        limited.extend([
            Sample::count(&["sessions"], net.sessions_refused),
            Sample::count(&["datagrams"], net.datagrams_over_limit),
            Sample::count(&["events"], net.events_dropped),
        ]);
        limited
    },
};

pub(super) const DELAYED: Metric = Metric {
    name: "engram_gossip_sessions_delayed_total",
    kind: Counter,
    unit: None,
    help: "Sessions of this node that were delayed, by the limit that was used up.",
    labels: &["reason"],
    read: |Reading { net, .. }| counts(&net.sessions_delayed, ALLOWANCES),
};

pub(super) const DECODE_ERRORS: Metric = Metric {
    name: "engram_gossip_decode_errors_total",
    kind: Counter,
    unit: None,
    help: "Malformed datagrams, and sessions in which a peer sent an unreadable frame or broke the protocol.",
    labels: &["reason"],
    read: |Reading { net, .. }| {
        let sessions = net.sessions_failed.get("protocol").copied().unwrap_or(0);
        vec![
            Sample::count(&["datagram"], net.datagrams_malformed),
            Sample::count(&["session"], sessions),
        ]
    },
};

pub(super) const AUTH_FAILURES: Metric = Metric {
    name: "engram_gossip_auth_failures_total",
    kind: Counter,
    unit: None,
    help: "Handshakes that failed and connections that ended because one side refused the identity of the other.",
    labels: &["reason"],
    read: |reading| reading.handshakes_failed(OF_IDENTITY, |reason| !of_the_network(reason)),
};

pub(super) const CONNECTION_FAILURES: Metric = Metric {
    name: "engram_gossip_connection_failures_total",
    kind: Counter,
    unit: None,
    help: "Handshakes that failed and connections that ended for other reasons, such as the network.",
    labels: &["reason"],
    read: |reading| reading.handshakes_failed(OF_THE_NETWORK, of_the_network),
};

pub(super) const CONNECTIONS_LOST: Metric = Metric {
    name: "engram_gossip_connections_lost_total",
    kind: Counter,
    unit: None,
    help: "Connections that were lost.",
    labels: &[],
    read: |reading| vec![Sample::count(&[], reading.net.connections_lost)],
};

/// Handshake failures that are not caused by the identity of either side.
const OF_THE_NETWORK: &[&str] =
    &["wire_version", "busy", "timed_out", "address", "no_address", "abandoned", "closed"];

/// The other handshake failures: one side does not accept the other.
const OF_IDENTITY: &[&str] = &[
    "not_in_roster",
    "wrong_node",
    "other_authority",
    "expired",
    "not_yet_valid",
    "unusable_certificate",
    "key_not_proved",
    "no_certificate",
    "refused_not_in_roster",
    "refused_wrong_node",
    "refused_authority",
    "refused_expired",
    "refused_certificate",
];

/// The allowances that a session may use up.
const ALLOWANCES: &[&str] = &["peer_bytes", "peer_hash_nodes", "peer_records", "send_rate"];

fn of_the_network(reason: &str) -> bool {
    OF_THE_NETWORK.contains(&reason)
}

/// The counts by reason. Reasons in `known` are present from the start, so that the first increase
/// is visible.
fn counts(by_reason: &BTreeMap<&'static str, u64>, known: &[&'static str]) -> Vec<Sample> {
    let mut counts: BTreeMap<_, u64> = known.iter().map(|reason| (*reason, 0)).collect();
    counts.extend(by_reason);
    counts.into_iter().map(|(reason, count)| Sample::count(&[reason], count)).collect()
}

impl Reading {
    fn handshakes_failed(&self, known: &[&'static str], of: impl Fn(&str) -> bool) -> Vec<Sample> {
        let failed = self.net.connections_failed.iter().filter(|(reason, _)| of(reason));
        counts(&failed.map(|(reason, count)| (*reason, *count)).collect(), known)
    }
}
