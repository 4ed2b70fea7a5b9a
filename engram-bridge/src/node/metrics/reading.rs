//! A reading of all metrics.

use std::time::Duration;

use engram_gossip_net::{PeerStatus, Stats};
use prometheus_client::metrics::histogram::Histogram;

use crate::node::metrics::Totals;
use crate::replica::across_ids::AcrossIdsStats;
use crate::replica::caps::{Cap, CapUsage};
use crate::replica::stats::SpaceStats;
use crate::spaces::observer::RunStats;
use crate::spaces::stats::WriteStats;

/// The values of all metrics at the moment of a scrape.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) net: Stats,
    pub(crate) totals: Totals,
    pub(crate) session_seconds: Histogram,
    /// Durations of sessions that found both sides equal and moved no record.
    pub(crate) compare_seconds: Histogram,
    pub(crate) peers: Vec<PeerReading>,
    pub(crate) spaces: Vec<SpaceReading>,
    pub(crate) strategy: String,
    pub(crate) writes: WriteStats,
    /// Writes of this node that were reissued within the last hour.
    pub(crate) recent_reissues: u64,
    pub(crate) caps: [CapUsage; Cap::ALL.len()],
    /// Rows of the store that were damaged or missing when the process started.
    pub(crate) repaired_rows: u64,
    /// Whether the store was set aside when the process started.
    pub(crate) set_aside: bool,
    /// The time at which the certificate expires, in seconds since the Unix epoch.
    pub(crate) certificate_until: f64,
    pub(crate) ready: bool,
    /// The time of the scrape, in seconds since the Unix epoch.
    pub(crate) now: f64,
}

/// The values of one peer.
#[derive(Debug)]
pub(crate) struct PeerReading {
    pub(crate) status: PeerStatus,
    /// The time since the roots were last known to be equal; the time since this node started if
    /// they never were.
    pub(crate) lag: Duration,
    /// Slots that changed here since the roots were last equal, over all spaces.
    pub(crate) divergent_slots: usize,
}

/// The values of one memory space.
#[derive(Debug)]
pub(crate) struct SpaceReading {
    pub(crate) name: String,
    pub(crate) stats: SpaceStats,
    /// Submissions that wait for the first contact.
    pub(crate) waiting: u64,
    /// Conflicts across ids; all 0 if the comparison is off.
    pub(crate) across_ids: AcrossIdsStats,
    /// Patterns from this node's engine that are refused.
    pub(crate) refused: u64,
    /// How often a pattern acquired more than one version.
    pub(crate) conflicts_met: u64,
    /// Snapshots from the engine.
    pub(crate) runs: RunStats,
}
