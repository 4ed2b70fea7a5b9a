//! Records: the replicated state of one id.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use crate::check::within;
use crate::limits::{MAX_NODE_DOTS, MAX_SUPPRESSED, MAX_SUPPRESSION_LENGTH};
use crate::{DecodeError, check_id};

/// The id of a node: the SHA-256 of its certificate's public key.
pub(crate) type NodeId = [u8; 32];

/// The replicated state of one pattern id, whole or restricted to some of its nodes.
///
/// A record is a product over nodes: every subset of its parts is itself a record, and joining
/// subsets that together contain all parts gives the same result as joining the whole record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The pattern id, 1 to 128 bytes, unique within its space.
    pub id: String,
    /// One part for each node that wrote the id, strictly ascending by node.
    pub parts: Vec<Part>,
    /// The contents that have ever been suppressed, each with its digest and the length of its
    /// causal-length set. A content is suppressed while this length is odd.
    ///
    /// Strictly ascending by digest, at most [`MAX_SUPPRESSED`] entries, with lengths from 1 to
    /// [`MAX_SUPPRESSION_LENGTH`].
    pub suppressed: Vec<([u8; 32], u32)>,
}

/// One node's part of a record: its context entry and its live dots.
///
/// The join of two parts of one node has the greater entry. A dot remains if both sides hold it, or
/// if its version is above the entry of the side that lacks it: a side that lacks a dot although
/// its entry covers it has seen the dot replaced or deleted. The part with the greater entry is not
/// always the join: a write by another node removes dots and leaves the entry as it is. A side
/// without a part for the node counts as having entry 0 and no dots.
///
/// Every write and every deletion takes a new version from the node that makes it. A write replaces
/// the dots that its writer sees with a single new dot. A deletion removes these dots and raises
/// its node's entry to the new version, but adds no dot. If a host removes dots without a new
/// version, no context changes, so [`Clocks`](crate::Clocks) do not transfer the removal: only a
/// comparison of the trees finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The id of the node: the SHA-256 of its certificate's public key.
    pub node: [u8; 32],
    /// The context entry, at least 1: it covers all versions of the node up to this one.
    pub entry: u64,
    /// The live dots, each with its version and content digest, strictly ascending; at most
    /// [`MAX_NODE_DOTS`]. Each version is between 1 and `entry`.
    pub dots: Vec<(u64, [u8; 32])>,
}

impl Record {
    /// The digests of the live contents in the order of their dots, including repetitions.
    pub(crate) fn mentions(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.parts.iter().flat_map(Part::contents)
    }

    /// The digests of the live contents, ascending, each once.
    pub(crate) fn contents(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.mentions().collect::<BTreeSet<_>>().into_iter()
    }

    /// The context: node and entry, ascending by node.
    pub(crate) fn context(&self) -> impl ExactSizeIterator<Item = (NodeId, u64)> {
        self.parts.iter().map(|part| (part.node, part.entry))
    }

    /// Whether `context` covers the context of this record and differs from it.
    ///
    /// Returns false for equal contexts: the records may still differ in their suppressed digests.
    pub(crate) fn is_older_than(&self, context: &[(NodeId, u64)]) -> bool {
        let covered = |(node, entry): (NodeId, u64)| {
            let at = context.binary_search_by_key(&node, |(other, _)| *other);
            at.is_ok_and(|at| entry <= context[at].1)
        };
        !self.context().eq(context.iter().copied()) && self.context().all(covered)
    }

    /// Adds the parts and the suppressed digests of another piece of the same record.
    pub(crate) fn absorb(&mut self, piece: Self) {
        self.parts.extend(piece.parts);
        self.parts.sort_by_key(|part| part.node);
        self.parts.dedup_by_key(|part| part.node);
        self.suppressed.extend(piece.suppressed);
        self.suppressed.sort_unstable();
        self.suppressed.dedup_by_key(|(digest, _)| *digest);
    }

    /// Checks the rules and limits that decoders enforce, except the limit on the number of parts.
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        check_id(&self.id)?;
        if !self.parts.is_sorted_by(|a, b| a.node < b.node) {
            return Err(DecodeError::NotCanonical("the order of parts"));
        }
        self.parts.iter().try_for_each(Part::check)?;
        within("suppressed digests of a record", self.suppressed.len(), MAX_SUPPRESSED)?;
        if !self.suppressed.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(DecodeError::NotCanonical("the order of suppressed digests"));
        }
        if self.suppressed.iter().any(|(_, length)| *length == 0) {
            return Err(DecodeError::Invalid("the length of a suppression"));
        }
        let longest = self.suppressed.iter().map(|(_, length)| *length).max();
        let (longest, cap) = (longest.unwrap_or(0) as usize, MAX_SUPPRESSION_LENGTH as usize);
        Ok(within("the length of a suppression", longest, cap)?)
    }
}

impl Part {
    pub(crate) fn contents(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.dots.iter().map(|(_, digest)| digest)
    }

    fn check(&self) -> Result<(), DecodeError> {
        within("dots of a node", self.dots.len(), MAX_NODE_DOTS)?;
        if !self.dots.is_sorted_by(|a, b| a < b) {
            return Err(DecodeError::NotCanonical("the order of dots"));
        }
        let possible = |(version, _): &(u64, [u8; 32])| (1..=self.entry).contains(version);
        if self.entry == 0 || !self.dots.iter().all(possible) {
            return Err(DecodeError::Invalid("a version"));
        }
        Ok(())
    }
}
