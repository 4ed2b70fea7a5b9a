//! Statistics of a node's memory spaces.

use std::collections::BTreeMap;
use std::time::Duration;

use engram_vclock::ClockFault;

use crate::durable::storage::StorageError;
use crate::replica::caps::Cap;
use crate::replica::stats::SpaceStats;

/// Statistics of a memory space, and of the writes and the network of the whole node. See
/// [`ConsolidationGossiper::stats`](crate::ConsolidationGossiper::stats).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GossipStats {
    /// The space itself.
    pub space: SpaceStats,
    /// The writes of this node, over all its spaces.
    pub writes: WriteStats,
    /// The network of this node, over all its spaces.
    pub network: engram_gossip_net::Stats,
}

/// Statistics of a node's writes, and of faults since the process started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteStats {
    /// Versions that this node wrote, deletions included, without the writes that the arrival of a record reissued.
    pub written: u64,
    /// Writes of this node that were reissued, because a later version of this node arrived that this process did not
    /// write: a second process writes under the same key, the clock was set back, or an older copy of the store was
    /// restored.
    pub reissued: u64,
    /// Writes of this node that were not reissued, because too many of its dots were live under one id.
    pub given_up: u64,
    /// Records with a dot that arrived with a content other than the held one. Both contents are kept.
    pub clashes: u64,
    /// Dots that were dropped, because one node had more than [`MAX_NODE_DOTS`](crate::replica::MAX_NODE_DOTS)
    /// under one id.
    pub dots_dropped: u64,
    /// Suppressed digests that were dropped, because a record holds at most
    /// [`MAX_SUPPRESSED`](crate::replica::MAX_SUPPRESSED).
    pub suppressions_dropped: u64,
    /// Parts of records that were refused for now, because their versions are too far in the future.
    pub implausible: u64,
    /// Members whose versions were refused as too far in the future. If most members are counted, this node's
    /// clock is behind.
    pub implausible_members: u64,
    /// Members that wrote versions more than [`CLOCK_TOLERANCE`](crate::replica::CLOCK_TOLERANCE) ahead of this node's
    /// clock. Their versions are still joined.
    pub members_ahead: u64,
    /// Records, or parts of them, that were refused because of a cap. Caps that refused nothing are absent.
    pub over_cap: BTreeMap<Cap, u64>,
    /// The current fault in this machine's clock; `None` if there is no evidence of one.
    pub clock_fault: Option<ClockFault>,
    /// Refused patterns of this node's engine. Repeated refusals for the same reason count once, except those of
    /// repeated ids.
    pub refused: u64,
    /// Failed attempts to write a belief log.
    pub belief_log_failures: u64,
    /// Changes to beliefs that are missing from the belief logs, because too many arrived in quick succession, or
    /// before the space had a service.
    pub beliefs_missed: u64,
    /// Batches made durable.
    pub commits: u64,
    /// The total time that these commits took.
    pub commit_time: Duration,
    /// Bytes of the store; `None` if nothing is stored, or if the size is unknown.
    pub stored_bytes: Option<u64>,
    /// Stored records, those of unhosted spaces included; `None` if nothing is stored, or if the number is unknown.
    pub stored_records: Option<u64>,
    /// Batches that could not be stored.
    pub storage_failures: u64,
    /// The error, if the last batch or a later check of the store failed.
    pub storage_failure: Option<StorageError>,
}
