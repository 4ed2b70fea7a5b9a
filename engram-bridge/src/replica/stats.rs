//! Statistics of a memory space.

use engram_merkle::Digest;

/// Statistics of a memory space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpaceStats {
    /// The root of the space's Merkle tree: equal on two nodes if and only if their states are
    /// equal.
    pub root: Digest,
    /// The number of changes to the state since the process started. For display only.
    pub generation: u64,
    /// Records, deletions included.
    pub records: u64,
    /// Ids with a visible pattern.
    pub visible: u64,
    /// Patterns with more than one version to choose from.
    pub conflicting: u64,
    /// Patterns with at least [`MANY_VERSIONS`](crate::replica::MANY_VERSIONS) versions to choose
    /// from.
    pub crowded: u64,
    /// Records without live dots.
    pub deletions: u64,
    /// Digests that records suppress or once suppressed.
    pub suppressed: u64,
    /// Context entries of all records.
    pub context_entries: u64,
    /// Context entries of nodes that the roster does not list.
    pub unlisted_entries: u64,
}
