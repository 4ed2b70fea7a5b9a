//! Issues the versions under which this node writes.

use std::fmt;
use std::sync::Arc;

use engram_gossip_net::NodeId;
use engram_vclock::{Dot, HybridClock};

use crate::replica::environment::{Clock, nanoseconds};

/// The release time of this version of the crate, in nanoseconds since the Unix epoch: 2026-11-30.
/// A clock that shows an earlier time is wrong.
pub(crate) const BUILT_AT: u64 = 1_795_996_800_000_000_000;

/// Issues the dots of this node, from one hybrid clock for all of its spaces.
pub(crate) struct DotIssuer {
    node: [u8; 32],
    /// Previous keys of this node. Their dots count as its own; it issues no new dots under them.
    replaced: Vec<[u8; 32]>,
    hybrid: HybridClock,
    clock: Arc<Clock>,
    random: Box<dyn FnMut() -> u64 + Send>,
    minted: u64,
    /// The greatest version of this node that was read from the state or received from a peer, and
    /// that exceeded all versions of this node known at that time. After [`Self::relearn`], the greatest plausible own
    /// version.
    foreign: u64,
}

impl DotIssuer {
    pub(crate) fn new(
        node: NodeId,
        replaced: &[NodeId],
        clock: Arc<Clock>,
        random: Box<dyn FnMut() -> u64 + Send>,
    ) -> Self {
        let replaced = replaced.iter().map(|old| (*old).into()).collect();
        let (node, hybrid) = (node.into(), HybridClock::new(BUILT_AT));
        Self { node, replaced, hybrid, clock, random, minted: 0, foreign: 0 }
    }

    pub(crate) const fn node(&self) -> &[u8; 32] {
        &self.node
    }

    /// Whether dots of `node` count as this node's own.
    pub(crate) fn is_own(&self, node: &[u8; 32]) -> bool {
        *node == self.node || self.replaced.contains(node)
    }

    /// Previous keys of this node.
    pub(crate) fn replaced(&self) -> &[[u8; 32]] {
        &self.replaced
    }

    /// Issues the next dot. Its version is above every known version of this node, unless one is `u64::MAX`.
    pub(crate) fn next_dot(&mut self) -> Dot {
        self.minted += 1;
        let version = self.hybrid.next(self.now(), (self.random)());
        Dot::new(self.node, version)
    }

    /// Excludes dots from [`minted`](Self::minted): a later one covers them before any record names them.
    pub(crate) const fn discount(&mut self, covered: u64) {
        self.minted -= covered;
    }

    /// The number of dots that [`next_dot`](Self::next_dot) issued since the process started, without
    /// those of covered writes.
    pub(crate) const fn minted(&self) -> u64 {
        self.minted
    }

    /// Records a version of this node found in its own state or in a greeting.
    pub(crate) fn recall(&mut self, version: u64) {
        self.note_foreign(version);
        self.hybrid.recall(version);
    }

    /// Records a version of this node found in an arrived record.
    pub(crate) fn note_foreign(&mut self, version: u64) {
        if version > self.hybrid.highest() {
            self.foreign = self.foreign.max(version);
        }
    }

    /// The greatest own version that this process did not issue. A peer may hold records up to this
    /// version that are unknown here.
    pub(crate) const fn foreign(&self) -> u64 {
        self.foreign
    }

    /// Forgets every own version except `greatest`, the greatest plausible one in the node's state.
    pub(crate) fn relearn(&mut self, greatest: u64) {
        self.hybrid = HybridClock::new(BUILT_AT);
        self.hybrid.recall(greatest);
        self.foreign = greatest;
    }

    /// Processes a peer's greeting: the greatest version of this node that the peer knows, and the
    /// peer's clock. A value that the peer does not report is 0. Ignores an implausible version.
    pub(crate) fn greeted(&mut self, known: u64, clock: u64) {
        if clock > 0 {
            self.hybrid.hear(clock);
        }
        if self.hybrid.is_plausible(known, self.now()) {
            self.recall(known);
        }
    }

    /// The hybrid clock, for a join that may reissue this node's writes.
    pub(crate) const fn hybrid(&mut self) -> &mut HybridClock {
        &mut self.hybrid
    }

    fn now(&self) -> u64 {
        nanoseconds((self.clock)())
    }
}

impl fmt::Debug for DotIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DotIssuer").field("hybrid", &self.hybrid).finish_non_exhaustive()
    }
}
