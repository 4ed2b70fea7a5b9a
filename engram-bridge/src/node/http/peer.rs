//! The answer to `/cluster/consolidation/peers`.

use engram_gossip_net::{
    Agreement, ConnectionState, Liveness, Opener, PeerStatus, SessionReport, SyncError,
};
use serde::Serialize;

use crate::node::metrics::state_of;
use crate::node::telemetry::Telemetry;

/// The state of one member of the roster. Durations are in seconds.
#[derive(Serialize)]
pub(super) struct Peer {
    name: String,
    id: String,
    address: Option<String>,
    /// The state of the connection: `connected`, `dialling`, `back_off` or `idle`.
    state: &'static str,
    connected_seconds: Option<f64>,
    round_trip_seconds: Option<f64>,
    /// Consecutive failures, as in [`ConnectionState::BackOff`].
    failures: u32,
    /// The cause of the last failure.
    cause: Option<String>,
    /// The time until the next dial.
    retry_in_seconds: Option<f64>,
    /// Its agreement with this node, according to the latest roots that it sent: `in_step`,
    /// `behind`, `ahead`, `apart`, `unknown` or `no_common_space`. `behind`: this node lacks
    /// records that the peer has.
    agreement: &'static str,
    /// A lower bound on the number of records that one of the two nodes lacks; only for `behind`
    /// and `ahead`.
    records_apart: Option<u64>,
    /// Its liveness in the membership: `alive`, `suspect` or `down`.
    liveness: &'static str,
    /// The time since the roots were last known to be equal, zero while in step; the time since this node started if
    /// they never were equal.
    lag_seconds: f64,
    ever_equal: bool,
    /// Slots that changed here since the roots were last equal, over all spaces.
    divergent_slots: usize,
    /// Patterns that changed here since the roots were last equal, over all spaces.
    divergent_patterns: usize,
    last_session: Option<Session>,
    sessions: u64,
    stalled_sessions: u32,
    bytes_sent: u64,
    bytes_received: u64,
}

/// The last session with a peer.
#[derive(Serialize)]
struct Session {
    /// The outcome, such as `in_sync`, `synced` or `failed`.
    result: &'static str,
    /// The cause of the failure, if the session failed.
    cause: Option<String>,
    opened_by_us: Option<bool>,
    records_in: u64,
    records_out: u64,
    bytes_received: u64,
    bytes_sent: u64,
    seconds: f64,
}

/// Every peer, ascending by name.
pub(super) fn all(node: &Telemetry) -> Vec<Peer> {
    let peers = node.gossip().peers();
    let mut peers: Vec<_> = peers.into_iter().map(|peer| Peer::of(node, peer)).collect();
    peers.sort_by(|a, b| a.name.cmp(&b.name));
    peers
}

impl Peer {
    fn of(node: &Telemetry, status: PeerStatus) -> Self {
        let divergences = node.divergences(&status);
        let (agreement, records_apart) = agreement_name(status.agreement);
        let peer = Self {
            state: state_of(&status.connection),
            agreement,
            records_apart,
            liveness: match status.liveness {
                Liveness::Suspect => "suspect",
                Liveness::Down => "down",
                _ => "alive",
            },
            lag_seconds: node.lag(&status).as_secs_f64(),
            ever_equal: status.equal_ago.is_some(),
            divergent_slots: divergences.iter().map(|divergence| divergence.slots().len()).sum(),
            divergent_patterns: divergences.iter().map(|divergence| divergence.ids().len()).sum(),
            last_session: status.last_session.as_ref().map(Session::of),
            sessions: status.sessions,
            stalled_sessions: status.stalled_sessions,
            bytes_sent: status.sent.total(),
            bytes_received: status.received.total(),
            name: status.member.name,
            id: status.member.id.to_string(),
            address: status.member.address,
            connected_seconds: None,
            round_trip_seconds: None,
            failures: 0,
            cause: None,
            retry_in_seconds: None,
        };
        match status.connection {
            ConnectionState::Connected { since, round_trip, .. } => Self {
                connected_seconds: Some(since.as_secs_f64()),
                round_trip_seconds: Some(round_trip.as_secs_f64()),
                ..peer
            },
            ConnectionState::BackOff { failures, retry_in, cause } => Self {
                failures,
                cause: Some(cause.to_string()),
                retry_in_seconds: Some(retry_in.as_secs_f64()),
                ..peer
            },
            _ => peer,
        }
    }
}

fn agreement_name(agreement: Agreement) -> (&'static str, Option<u64>) {
    match agreement {
        Agreement::InStep => ("in_step", None),
        Agreement::Behind(records) => ("behind", Some(records)),
        Agreement::Ahead(records) => ("ahead", Some(records)),
        Agreement::Apart => ("apart", None),
        Agreement::NoCommonSpace => ("no_common_space", None),
        _ => ("unknown", None),
    }
}

impl Session {
    fn of(session: &Result<SessionReport, SyncError>) -> Self {
        match session {
            Ok(report) => Self {
                result: report.reason(),
                cause: None,
                opened_by_us: Some(report.opener == Opener::Us),
                records_in: report.outcome.stats.records_in,
                records_out: report.outcome.stats.records_out,
                bytes_received: report.bytes_received,
                bytes_sent: report.bytes_sent,
                seconds: report.elapsed.as_secs_f64(),
            },
            Err(error) => Self {
                result: "failed",
                cause: Some(error.to_string()),
                opened_by_us: None,
                records_in: 0,
                records_out: 0,
                bytes_received: 0,
                bytes_sent: 0,
                seconds: 0.0,
            },
        }
    }
}
