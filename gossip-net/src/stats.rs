//! Counters of a node, kept by the node itself: there is no recorder shared by a whole process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use engram_gossip_proto::schedule::{Scarce, ScheduleStats};

/// What a node has done since it started. All numbers only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Handshakes that were completed, dialled ones.
    pub handshakes_dialled: u64,
    /// Handshakes that were completed, accepted ones.
    pub handshakes_accepted: u64,
    /// Connections that were not made or had to be given up, and strangers that were refused, by
    /// [`HandshakeError::reason`](crate::HandshakeError::reason).
    pub connections_failed: BTreeMap<&'static str, u64>,
    /// Connections that broke; those that a peer closed for a reason count as failed by it.
    pub connections_lost: u64,
    /// Connections that were given up for another one to the same peer.
    pub connections_replaced: u64,
    /// Sessions that reached a result, by [`SessionReport::reason`](crate::SessionReport::reason).
    pub sessions: BTreeMap<&'static str, u64>,
    /// Sessions that failed, by [`SyncError::reason`](crate::SyncError::reason).
    pub sessions_failed: BTreeMap<&'static str, u64>,
    /// Sessions of peers that were refused, because one is running or none has room.
    pub sessions_refused: u64,
    /// Sessions of peers that were refused because too much was used up, by what: `peer_bytes`,
    /// `peer_hash_nodes` or `peer_records` of that peer, or the `send_rate` of this node.
    pub sessions_over_allowance: BTreeMap<&'static str, u64>,
    /// Own sessions that had to wait for the same, by the same.
    pub sessions_delayed: BTreeMap<&'static str, u64>,
    /// Records that were received in sessions.
    pub records_in: u64,
    /// Records that were sent in sessions.
    pub records_out: u64,
    /// Bytes of sessions that were sent, without QUIC's own.
    pub session_bytes_sent: u64,
    /// Bytes of sessions that were received, without QUIC's own.
    pub session_bytes_received: u64,
    /// Root adverts that were sent.
    pub adverts_sent: u64,
    /// Bytes of these.
    pub advert_bytes_sent: u64,
    /// Root adverts that were received and understood.
    pub adverts_received: u64,
    /// Bytes of these.
    pub advert_bytes_received: u64,
    /// Packets of the membership that were sent, each with an advert.
    pub membership_sent: u64,
    /// Bytes of these, without the adverts.
    pub membership_bytes_sent: u64,
    /// Packets of the membership that were received, each with an advert.
    pub membership_received: u64,
    /// Bytes of these, without envelopes and adverts.
    pub membership_bytes_received: u64,
    /// Datagrams that were dropped because a peer sent too many.
    pub datagrams_over_limit: u64,
    /// Datagrams that could not be understood.
    pub datagrams_malformed: u64,
    /// Sessions that were opened because an advert differed from the local roots.
    pub triggers: u64,
    /// Adverts that needed no session any more when their turn came: another one brought the news.
    pub triggers_saved: u64,
    /// Events that a slow subscriber missed.
    pub events_dropped: u64,
}

impl Stats {
    /// Adds what the scheduler counts.
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
        // A counter is changed in one step, so a panicking holder cannot have left it half done.
        change(&mut self.stats.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn snapshot(&self) -> Stats {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Counts one more under `reason`.
pub(crate) fn count(counts: &mut BTreeMap<&'static str, u64>, reason: &'static str) {
    *counts.entry(reason).or_default() += 1;
}
