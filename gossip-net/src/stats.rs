//! The counters of a node. Each node has its own; there is no process-wide recorder.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use engram_gossip_proto::schedule::{Scarce, ScheduleStats};

/// Statistics of a node since its start. All counters are monotonic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Completed handshakes of connections that this node dialled.
    pub handshakes_dialled: u64,
    /// Completed handshakes of connections that this node accepted.
    pub handshakes_accepted: u64,
    /// Failed dials, failed handshakes of remotes that did not give up themselves, and connections
    /// that ended because one side refused the other, the peer shut down, or the peer did not
    /// answer a session, by [`HandshakeError::reason`](crate::HandshakeError::reason).
    pub connections_failed: BTreeMap<&'static str, u64>,
    /// Connections that broke. If a peer closes a connection because it is shutting down, has
    /// evicted this node, no longer accepts this node's certificate, or keeps another connection,
    /// the connection is not counted here, but usually as failed or replaced.
    pub connections_lost: u64,
    /// Connections that were closed in favour of another one to the same peer.
    pub connections_replaced: u64,
    /// Completed sessions, by [`SessionReport::reason`](crate::SessionReport::reason).
    pub sessions: BTreeMap<&'static str, u64>,
    /// Failed sessions, by [`SyncError::reason`](crate::SyncError::reason).
    pub sessions_failed: BTreeMap<&'static str, u64>,
    /// Sessions that a peer opened and this node refused because another session with the peer was
    /// running or waiting, or no permit was free.
    pub sessions_refused: u64,
    /// Sessions that a peer opened and this node refused because a rate limit was exceeded, by
    /// limit: `peer_bytes`, `peer_hash_nodes` or `peer_records` of that peer, or the `send_rate` of
    /// this node.
    pub sessions_over_allowance: BTreeMap<&'static str, u64>,
    /// Sessions of this node that were delayed because a rate limit was exceeded, by limit as in
    /// `sessions_over_allowance`.
    pub sessions_delayed: BTreeMap<&'static str, u64>,
    /// Records received in completed sessions.
    pub records_in: u64,
    /// Records sent in completed sessions.
    pub records_out: u64,
    /// Bytes sent in sessions, without QUIC's overhead.
    pub session_bytes_sent: u64,
    /// Bytes received in sessions, without QUIC's overhead.
    pub session_bytes_received: u64,
    /// Root adverts sent.
    pub adverts_sent: u64,
    /// Bytes of root adverts sent.
    pub advert_bytes_sent: u64,
    /// Valid root adverts received.
    pub adverts_received: u64,
    /// Bytes of valid root adverts received.
    pub advert_bytes_received: u64,
    /// Membership packets sent, each with an advert.
    pub membership_sent: u64,
    /// Bytes of membership packets sent, without envelopes and adverts.
    pub membership_bytes_sent: u64,
    /// Membership packets received, each with an advert.
    pub membership_received: u64,
    /// Bytes of membership packets received, excluding envelopes and adverts.
    pub membership_bytes_received: u64,
    /// Datagrams dropped because a peer exceeded the rate [`DATAGRAMS`](crate::limits::DATAGRAMS).
    pub datagrams_over_limit: u64,
    /// Malformed datagrams.
    pub datagrams_malformed: u64,
    /// Sessions opened because the roots in an advert differed from the local roots, or because the
    /// previous session left records to this one or to other sessions.
    pub triggers: u64,
    /// Sessions that an advert had requested but that were not opened, because another session had
    /// already delivered the records.
    pub triggers_saved: u64,
    /// Events missed by slow subscribers.
    pub events_dropped: u64,
}

impl Stats {
    /// Adds the scheduler's counters.
    pub(crate) fn with(mut self, schedule: &ScheduleStats) -> Self {
        let by_name = |counts: &BTreeMap<Scarce, u64>| {
            counts.iter().map(|(what, count)| (what.name(), *count)).collect()
        };
        self.sessions_refused = schedule.sessions_refused;
        self.sessions_over_allowance = by_name(&schedule.sessions_over_quota);
        self.sessions_delayed = by_name(&schedule.sessions_delayed);
        self.triggers = schedule.triggers;
        self.triggers_saved = schedule.triggers_saved;
        self
    }
}

/// The live counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    stats: Mutex<Stats>,
}

impl Counters {
    pub(crate) fn update(&self, change: impl FnOnce(&mut Stats)) {
        // Each counter changes in one step, so a panicking holder cannot leave the counters
        // inconsistent.
        change(&mut self.stats.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn snapshot(&self) -> Stats {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Increments the counter of `reason`.
pub(crate) fn count(counts: &mut BTreeMap<&'static str, u64>, reason: &'static str) {
    *counts.entry(reason).or_default() += 1;
}
