//! A state as a product over nodes.

use super::Siblings;
use crate::Dot;

/// The part of a state that concerns one node, see [`Siblings::parts`].
#[derive(Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Part<'a, V, N = [u8; 32]> {
    /// The node.
    pub node: &'a N,
    /// The node's entry in the context: the greatest version seen.
    pub entry: u64,
    /// The node's live values, in ascending order of version and value.
    pub live: &'a [(Dot<N>, V)],
}

impl<V, N> Clone for Part<'_, V, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V, N> Copy for Part<'_, V, N> {}

impl<V, N: Ord> Siblings<V, N> {
    /// Iterates over the nodes of the context in ascending order, each with its entry and its live
    /// values.
    ///
    /// The parts are independent of each other: any subset of them, each with its entry and all of its live values, is
    /// a state, and joining the parts in any order equals joining the whole. A state that is too large for one message
    /// can therefore be sent in several.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_, V, N>> {
        let mut rest = self.live.as_slice();
        self.context.iter().map(move |(node, entry)| {
            let (live, others) = rest.split_at(rest.partition_point(|(dot, _)| dot.node <= *node));
            rest = others;
            Part { node, entry, live }
        })
    }

    /// Keeps the parts for which `keep` returns true when called with the node and its entry. Takes
    /// O(n + s log n) steps for n nodes and s values.
    ///
    /// The remaining nodes form a state that can be joined or sent. A replica that drops a part of
    /// its own state no longer covers the writes of that node, so superseded values may return.
    pub fn retain_nodes(&mut self, mut keep: impl FnMut(&N, u64) -> bool) {
        self.context.retain(|entry| keep(&entry.node, entry.version));
        let entries = self.context.entries();
        self.live
            .retain(|(dot, _)| entries.binary_search_by(|entry| entry.node.cmp(&dot.node)).is_ok());
    }
}
