//! Sums over the sessions of a node.

use engram_gossip_net::SessionReport;

/// Sums over all completed sessions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) record_bytes: u64,
    pub(crate) sent: u64,
    pub(crate) applied: u64,
    pub(crate) stale: u64,
    pub(crate) rejected: u64,
    pub(crate) unstored: u64,
    pub(crate) unasked: u64,
    pub(crate) unsendable: u64,
    pub(crate) peer_unsendable: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, session: &SessionReport) {
        let stats = &session.outcome.stats;
        self.record_bytes += stats.record_bytes;
        self.sent += stats.records_out;
        self.applied += stats.applied;
        self.stale += stats.stale;
        self.rejected += stats.rejected - stats.unstored;
        self.unstored += stats.unstored;
        self.unasked += stats.unasked;
        self.unsendable += stats.unsendable;
        self.peer_unsendable += stats.peer_unsendable;
    }
}
