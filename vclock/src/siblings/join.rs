//! The join and the order of two states.

use alloc::vec::Vec;

use super::{MAX_NODE_DOTS, Siblings};
use crate::{Causality, Dot};

/// The outcome of a [`join`](Siblings::join).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Joined<N = [u8; 32]> {
    /// Whether the state changed.
    pub changed: bool,
    /// The first dot under which the two states held different values. Values under one dot do not
    /// supersede each other. A clash means that several processes write in the name of the node.
    pub clash: Option<Dot<N>>,
    /// The number of values dropped because a node had more than [`MAX_NODE_DOTS`] of them.
    pub dropped: usize,
}

impl<V: Ord + Clone, N: Ord + Clone> Siblings<V, N> {
    /// Joins another replica's state into this one. The result is the least upper bound of both.
    ///
    /// A value is kept if its dot is live in both states, even with different values, or if it is
    /// live in one and the other's context does not cover the dot. If a node then has more than
    /// [`MAX_NODE_DOTS`] values, the greatest by version and value are kept. The context keeps the
    /// greater version for each node.
    ///
    /// A join is commutative and idempotent, and associative as long as no value is dropped. It
    /// allocates nothing if nothing changes and no dot clashes. The cost is
    /// O(n + m + (s + t) log (n m s t)) for s and t values and n and m nodes.
    pub fn join(&mut self, other: &Self) -> Joined<N> {
        // Replicas usually hold the same values.
        if self.live == other.live {
            let changed = self.context.merge(&other.context);
            return Joined { changed, clash: None, dropped: 0 };
        }
        let clash = self.clash(other);
        // Values arrive under a dot that is live here only if there is a clash.
        let before = clash.as_ref().map(|_| self.live.clone());
        let arriving = self.arriving(other);
        let held = self.live.len();
        self.live.retain(|(dot, _)| !other.context.covers(dot) || other.is_live(dot));
        let removed = self.live.len() < held;
        let dropped = self.insert(arriving);
        let changed = self.context.merge(&other.context)
            || before.map_or(removed, |before| before != self.live);
        Joined { changed, clash, dropped }
    }

    /// Returns how this state relates to `other` in the order of the lattice: `Before` or `Equal`
    /// means that `other` gains nothing from this state by a join.
    ///
    /// The cost is O(n + m + (s + t) log (n m s t)) for s and t values and n and m nodes.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Causality {
        let contexts = self.context.compare(&other.context);
        let left_lacks =
            matches!(contexts, Causality::Before | Causality::Concurrent) || self.lacks(other);
        let right_lacks =
            matches!(contexts, Causality::After | Causality::Concurrent) || other.lacks(self);
        Causality::from_lacks(left_lacks, right_lacks)
    }

    /// Whether `other` superseded a value that is live here, or holds another value under a dot that
    /// is live here.
    fn lacks(&self, other: &Self) -> bool {
        let removed = |(dot, _): &(Dot<N>, V)| other.context.covers(dot) && !other.is_live(dot);
        let added = |pair: &(Dot<N>, V)| self.is_live(&pair.0) && !self.holds(pair);
        self.live != other.live && (self.live.iter().any(removed) || other.live.iter().any(added))
    }

    /// Whether this value is live under this dot.
    fn holds(&self, pair: &(Dot<N>, V)) -> bool {
        self.live.binary_search(pair).is_ok()
    }

    /// The first dot under which both states hold different values.
    fn clash(&self, other: &Self) -> Option<Dot<N>> {
        let clashes = |(dot, _): &&(Dot<N>, V)| {
            let theirs = other.of_dot(dot);
            !theirs.is_empty() && theirs != self.of_dot(dot)
        };
        self.live.iter().find(clashes).map(|(dot, _)| dot.clone())
    }

    /// The values of `other` that this state neither holds nor has superseded.
    fn arriving(&self, other: &Self) -> Vec<(Dot<N>, V)> {
        let arrives = |pair: &&(Dot<N>, V)| {
            !self.context.covers(&pair.0) || self.is_live(&pair.0) && !self.holds(pair)
        };
        other.live.iter().filter(arrives).cloned().collect()
    }

    /// Adds new values and enforces the limit for each node. Returns the number of dropped values.
    fn insert(&mut self, arriving: Vec<(Dot<N>, V)>) -> usize {
        if arriving.is_empty() {
            return 0;
        }
        self.live.extend(arriving);
        self.live.sort_unstable();
        self.trim()
    }

    /// Keeps the greatest `MAX_NODE_DOTS` values of each node. Returns the number of dropped values.
    fn trim(&mut self) -> usize {
        let over = |pair: &[(Dot<N>, V)]| pair[0].0.node == pair[MAX_NODE_DOTS].0.node;
        let over: Vec<bool> = self.live.windows(MAX_NODE_DOTS + 1).map(over).collect();
        let before = self.live.len();
        let mut over = over.into_iter();
        self.live.retain(|_| !over.next().unwrap_or(false));
        before - self.live.len()
    }
}
