//! Figures of a node's memory spaces.

use std::collections::BTreeMap;
use std::time::Duration;

use engram_vclock::ClockFault;

use crate::durable::storage::StorageError;
use crate::replica::caps::Cap;
use crate::replica::stats::SpaceStats;

/// Figures of a memory space and its gossip. See
/// [`ConsolidationGossiper::stats`](crate::ConsolidationGossiper::stats).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GossipStats {
    /// The space itself.
    pub space: SpaceStats,
    /// The writes of this node, over all its spaces.
    pub writes: WriteStats,
    /// Its network, over all its spaces.
    pub network: engram_gossip_net::Stats,
}

/// Figures of a node's writes, and the faults that were met since the process started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteStats {
    /// Versions that this node wrote, deletions included.
    pub written: u64,
    /// Own writes that were written again, because a peer knew a later version of this node than
    /// this process: a second process writes under the same key, or the clock was set back.
    pub reissued: u64,
    /// Own writes that were not written again, because too many own dots were live already.
    pub given_up: u64,
    /// Dots that arrived with another content than the one held under them. Both were kept.
    pub clashes: u64,
    /// Dots that gave way because one node had more than [`MAX_NODE_DOTS`](crate::replica::MAX_NODE_DOTS) on one id.
    pub dots_dropped: u64,
    /// Suppressed digests that gave way because a record holds
    /// [`MAX_SUPPRESSED`](crate::replica::MAX_SUPPRESSED).
    pub suppressions_dropped: u64,
    /// Parts of records that were refused for now, because their versions are too far in the future.
    pub implausible: u64,
    /// Members whose versions were refused so. If they are most members, the clock of this node is
    /// behind.
    pub implausible_members: u64,
    /// Members that wrote versions more than [`CLOCK_TOLERANCE`](crate::replica::CLOCK_TOLERANCE) ahead of
    /// this node's clock. Their versions are joined all the same.
    pub members_ahead: u64,
    /// Records, or parts of them, that were refused because of a cap; a cap without any is missing.
    pub over_cap: BTreeMap<Cap, u64>,
    /// A fault of this machine's clock now, if there is evidence of one.
    pub clock_fault: Option<ClockFault>,
    /// Patterns of the own engine that were refused, each once for each reason in a row.
    pub refused: u64,
    /// Attempts to write a belief log that failed.
    pub belief_log_failures: u64,
    /// Changes of beliefs that are in no belief log, since too many came at once.
    pub beliefs_missed: u64,
    /// Batches that were made durable.
    pub commits: u64,
    /// The time that took, failed batches included.
    pub commit_time: Duration,
    /// Bytes of the store; `None` if nothing is stored.
    pub stored_bytes: Option<u64>,
    /// Records that are stored, those of spaces that are no longer hosted included; `None` if nothing
    /// is stored.
    pub stored_records: Option<u64>,
    /// Batches that could not be stored.
    pub storage_failures: u64,
    /// The cause, if the last batch could not.
    pub storage_failure: Option<StorageError>,
}
