//! How a memory space and its gossip stand, in one picture.

use std::time::Duration;

use engram_merkle::Digest;

use crate::storage::StorageError;

/// How a memory space and its gossip stand. See
/// [`ConsolidationGossiper::stats`](crate::ConsolidationGossiper::stats).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GossipStats {
    /// The space itself.
    pub space: SpaceStats,
    /// What this node writes, over all its spaces.
    pub writes: WriteStats,
    /// Its network, over all its spaces.
    pub network: engram_gossip_net::Stats,
}

/// How a memory space stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpaceStats {
    /// Equal on two nodes if and only if their states are.
    pub root: Digest,
    /// How often the state changed since the process started. For display only.
    pub generation: u64,
    /// Pattern ids that were ever heard of, deleted ones included.
    pub records: u64,
    /// Patterns of which anything lives.
    pub visible: u64,
    /// Patterns with more than one live content.
    pub conflicting: u64,
    /// Deletions that wait until every member of the roster is known to have them.
    pub waiting: u64,
    /// Tombstones that were reaped since the process started.
    pub reaped: u64,
    /// Patterns with [`CROWDED`](crate::CROWDED) live contents or more: somebody should look.
    pub crowded: u64,
}

/// What a node writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteStats {
    /// Versions, deletions included, since the process or its present life started.
    pub written: u64,
    /// How often the node began a new life because a peer knew a write that it had not made.
    pub incarnations_rolled: u64,
    /// Batches that were made durable.
    pub commits: u64,
    /// How long that took in all, those that failed included.
    pub commit_time: Duration,
    /// How many bytes the store takes; `None` if nothing is stored.
    pub stored_bytes: Option<u64>,
    /// Changes that could not be stored.
    pub storage_failures: u64,
    /// Why, if the last change could not.
    pub storage_failure: Option<StorageError>,
}

impl SpaceStats {
    /// How many patterns are deleted.
    pub fn deleted(&self) -> u64 {
        self.records - self.visible
    }
}
