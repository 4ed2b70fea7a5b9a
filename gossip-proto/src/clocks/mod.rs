//! Delta by clocks: what a side needs to know to send only what the other has not handled.

mod index;
mod summary;

use alloc::vec::Vec;

pub use index::ClockIndex;
pub use summary::VersionSummary;

use crate::tag::KEY_LEN;

/// The first 8 bytes of a node id: enough for a hint.
pub type ShortNode = [u8; 8];

/// Names a base: the first 8 bytes of SHA-256 over a root and the version summary that a side had
/// when its root was this one.
pub type BaseId = [u8; 8];

/// Records by the context entry of one node: those above `above`, up to `upper`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The node.
    pub node: ShortNode,
    /// The lower end, exclusive.
    pub above: u64,
    /// The upper end, inclusive.
    pub upper: u64,
}

/// The version summary of one space, and its records by version.
///
/// All of it is a hint: whatever it says, a session loses nothing, since the trees are compared at
/// the end. [`ClockIndex`] is a ready-made implementation in memory.
pub trait Clocks {
    /// The version summary: everything of a node at or below its entry has been handled here.
    ///
    /// The entry of this node itself covers only what is durable and in the tree.
    fn summary(&self) -> VersionSummary;

    /// The greatest context entry of each node among the records held.
    fn greatest(&self) -> VersionSummary;

    /// How many records lie in a range.
    fn count(&self, range: &VersionRange) -> u64;

    /// The first records of a range, ascending: context entry, and first bytes of the key hash.
    ///
    /// About `limit` of them: records of equal entry are never separated.
    fn records(&self, range: &VersionRange, limit: usize) -> Vec<(u64, [u8; KEY_LEN])>;

    /// Everything of `node` up to `version` has been handled: raises the summary.
    ///
    /// No entry of the summary exceeds the greatest context entry of its node, among the records held
    /// and the [refused](Self::refuse) ones.
    fn raise(&mut self, node: ShortNode, version: u64);

    /// A record with this context entry of `node` came and was refused for good: a range that ends
    /// with it may count as handled. Nodes of which nothing is held are passed over.
    fn refuse(&mut self, node: ShortNode, version: u64);

    /// The space has the same `root` here and at `peer`: keeps the summary as a base.
    fn agree(&mut self, root: &[u8; 32], peer: Option<ShortNode>);

    /// The summary that a base names, if it is still kept.
    fn base(&self, id: &BaseId) -> Option<VersionSummary>;

    /// The base that `peer` most likely keeps as well.
    fn base_with(&self, peer: Option<ShortNode>) -> Option<BaseId>;
}

/// The short form of a node id.
pub(crate) fn short_node(node: &[u8; 32]) -> ShortNode {
    crate::short(node)
}
