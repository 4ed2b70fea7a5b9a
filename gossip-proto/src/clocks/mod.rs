//! Delta by clocks: each side announces which versions it has handled, so that the other sends only
//! the records above them.

mod index;
mod summary;

use alloc::vec::Vec;

pub use index::ClockIndex;
pub use summary::VersionSummary;

use crate::tag::KEY_LEN;

/// The first 8 bytes of a node id. They suffice, because clocks are only a hint.
pub type ShortNode = [u8; 8];

/// The id of a base: the first 8 bytes of SHA-256 over a root and the version summary that a side
/// had at that root.
pub type BaseId = [u8; 8];

/// Selects the records whose context entry of one node is above `above` and at most `upper`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The node.
    pub node: ShortNode,
    /// The lower end, exclusive.
    pub above: u64,
    /// The upper end, inclusive.
    pub upper: u64,
}

/// The records of one space that a session expects to receive without an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unoffered {
    /// Any records: the peer's version summary has not arrived.
    Any,
    /// The records in these ranges, at most one per node, ascending by node. No records if there
    /// are no ranges.
    Ranges(Vec<VersionRange>),
}

impl Unoffered {
    /// Whether all records of `range` that this side lacks are among these.
    pub(crate) fn covers(&self, range: &VersionRange) -> bool {
        match self {
            Self::Any => true,
            Self::Ranges(ranges) => {
                let at = ranges.binary_search_by_key(&range.node, |expected| expected.node);
                at.is_ok_and(|at| range.upper <= ranges[at].upper)
            }
        }
    }

    /// Number of ranges; one if they are unknown.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Any => 1,
            Self::Ranges(ranges) => ranges.len(),
        }
    }
}

/// The version summary of one space, and its records by version.
///
/// Clocks are only a hint: wrong clocks lose no data, because sessions compare the roots at the
/// end, and then the trees if the roots differ. [`ClockIndex`] is a ready-made in-memory
/// implementation.
pub trait Clocks {
    /// The version summary: this side has handled all versions of a node up to the node's entry.
    ///
    /// This node's own entry covers only writes that are durable and in the tree.
    fn summary(&self) -> VersionSummary;

    /// The greatest context entry for each node among the held records.
    fn greatest(&self) -> VersionSummary;

    /// The nodes whose entries the summary can hold, by their full ids: those with a context entry
    /// in a held or [refused](Self::refuse) record, in any order.
    fn nodes(&self) -> Vec<[u8; 32]>;

    /// Number of records in a range.
    fn count(&self, range: &VersionRange) -> u64;

    /// The first records of a range in ascending order, each as its context entry and the first
    /// bytes of its key hash.
    ///
    /// Returns at least `limit` records if the range has that many. Returns more only to keep
    /// records with equal entries together.
    fn records(&self, range: &VersionRange, limit: usize) -> Vec<(u64, [u8; KEY_LEN])>;

    /// Raises the summary: all versions of `node` up to `version` have been handled.
    ///
    /// No entry of the summary may exceed the greatest context entry of its node among the held
    /// records and the [refused](Self::refuse) ones.
    fn raise(&mut self, node: ShortNode, version: u64);

    /// Notes that a record whose context entry for `node` is `version` was refused permanently, so
    /// that a range that ends at this version may count as handled. An implementation may ignore
    /// nodes without held records if there are many of them.
    fn refuse(&mut self, node: &[u8; 32], version: u64);

    /// Keeps the summary as a base, because the space has the same `root` here and at `peer`.
    fn agree(&mut self, root: &[u8; 32], peer: Option<ShortNode>);

    /// The summary of a base; `None` if the base is no longer kept.
    fn base(&self, id: &BaseId) -> Option<VersionSummary>;

    /// The base that `peer` most likely also keeps.
    fn base_with(&self, peer: Option<ShortNode>) -> Option<BaseId>;
}

/// The short form of a node id.
pub(crate) fn short_node(node: &[u8; 32]) -> ShortNode {
    crate::short(node)
}
