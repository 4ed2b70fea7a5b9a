//! All that the metrics are read from, at one moment.

use std::time::Duration;

use engram_gossip_net::{PeerStatus, Stats};
use prometheus_client::metrics::histogram::Histogram;

use crate::WriteStats;
use crate::node::telemetry::Totals;

/// What a node's parts say at the moment of a scrape.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) net: Stats,
    pub(crate) totals: Totals,
    pub(crate) session_seconds: Histogram,
    pub(crate) peers: Vec<PeerReading>,
    pub(crate) spaces: Vec<SpaceReading>,
    pub(crate) strategy: String,
    pub(crate) writes: WriteStats,
    /// Whether what was stored was in doubt when the process started.
    pub(crate) doubted: bool,
    /// Seconds since the Unix epoch.
    pub(crate) now: f64,
}

/// How it stands with one peer.
#[derive(Debug)]
pub(crate) struct PeerReading {
    pub(crate) status: PeerStatus,
    /// The time since the roots were last equal; if they never were, since this node started.
    pub(crate) lag: Duration,
    /// Slots that changed here since then, over all spaces.
    pub(crate) divergent_slots: usize,
    /// Deletions that it is not known to have, over all spaces.
    pub(crate) held_up: u64,
}

/// How it stands with one memory space.
#[derive(Debug)]
pub(crate) struct SpaceReading {
    pub(crate) name: String,
    pub(crate) records: u64,
    pub(crate) visible: u64,
    pub(crate) conflicting: u64,
    pub(crate) reaped: u64,
}
