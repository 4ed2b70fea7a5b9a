//! Protects a node's own write from a later write under the same name by a process that never saw
//! it.

use super::{Joined, Siblings};
use crate::{Dot, HybridClock};

/// The last write to a key that the running process made or confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LastWrite<V> {
    /// The version of the write.
    pub version: u64,
    /// The value of the write.
    pub value: V,
}

/// The outcome of a [`join_own`](Siblings::join_own).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct OwnJoin<V, N = [u8; 32]> {
    /// The outcome of the join.
    pub joined: Joined<N>,
    /// The process's write under its new version, if it was reissued.
    pub reissued: Option<LastWrite<V>>,
    /// The process's write, if it was dropped because [`MAX_NODE_DOTS`](crate::MAX_NODE_DOTS) other own
    /// values are live or no version is left.
    pub given_up: Option<LastWrite<V>>,
}

impl<V: Ord + Clone, N: Ord + Clone> Siblings<V, N> {
    /// Joins another replica's state, in a process that writes as `node`. Unlike
    /// [`join`](Self::join), it protects the process's last write from writers that never saw it.
    ///
    /// The node's name may have another writer: a second process (a clone), or an earlier process whose versions the
    /// node no longer knows (a lost disk, an older copy of it, a wall clock set back). A greater version of that writer
    /// can supersede this process's write, although that writer never saw it. If `last_write` is live, the join removes
    /// it, and the arriving entry for `node` is greater than the local one, then the write is reissued just above the
    /// arriving entry; the arriving own values are kept. If the arriving entry is not greater, nothing is written: a
    /// reader saw the write and superseded it, or the limit dropped it (see [`OwnJoin::given_up`]). The README lists
    /// the cases that this rule misses.
    ///
    /// `last_write` is the last write that *this process* made or confirmed, or `None` if it made none. Do not pass
    /// writes of earlier processes. If the result has a `reissued` write, pass it next time.
    ///
    /// The arriving entry for `node` is recorded in `clock`. First check that `other` is plausible:
    /// see [`HybridClock::is_plausible`] and [`retain_nodes`](Self::retain_nodes).
    ///
    /// The cost is that of `join`.
    pub fn join_own(
        &mut self,
        other: &Self,
        node: &N,
        last_write: Option<&LastWrite<V>>,
        clock: &mut HybridClock,
    ) -> OwnJoin<V, N> {
        let arriving = other.context.get(node);
        clock.recall(arriving);
        let mine = last_write.filter(|last_write| self.holds_write(node, last_write)).cloned();
        let is_newer = arriving > self.context.get(node);
        let joined = self.join(other);
        let mut outcome = OwnJoin { joined, reissued: None, given_up: None };
        let lost = mine.filter(|last_write| !self.holds_write(node, last_write));
        if let Some(lost) = lost.filter(|last_write| is_newer || !other.removes(node, last_write)) {
            // The version is just above the arriving entry, not taken from the clock, so it covers no
            // unknown write.
            let last_write = LastWrite { version: arriving.saturating_add(1), ..lost.clone() };
            let dot = Dot::new(node.clone(), last_write.version);
            match self.supersede(dot, Some(last_write.value.clone()), |_| false) {
                Ok(_) => {
                    clock.recall(last_write.version);
                    outcome.reissued = Some(last_write);
                }
                // Too many own values are live, or no version is left.
                Err(_) => outcome.given_up = Some(lost),
            }
        }
        outcome
    }

    fn holds_write(&self, node: &N, last_write: &LastWrite<V>) -> bool {
        let dot = Dot::new(node.clone(), last_write.version);
        self.of_dot(&dot).iter().any(|(_, value)| *value == last_write.value)
    }

    /// Whether this state covers the write, but no longer holds it as live.
    fn removes(&self, node: &N, last_write: &LastWrite<V>) -> bool {
        let dot = Dot::new(node.clone(), last_write.version);
        self.context.covers(&dot) && !self.is_live(&dot)
    }
}
