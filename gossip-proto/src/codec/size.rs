//! Upper bounds for the size of a batch, on the wire and unfolded, without encoding it.

use core::ops::Add;

use super::NodeTable;
use crate::limits::{MAX_BODY, MAX_CONTENTS, MAX_NODE_IDS, MAX_UNFOLDED};
use crate::tag::TAG_LEN;
use crate::{DecodeError, NodeId, Part, Record, Wire};

// Bytes of memory that the decoder counts for each item: at least the size of the decoded item.
pub(super) const RECORD: usize = 128;
pub(super) const NODE: usize = 80;
pub(super) const PART: usize = 128;
pub(super) const DOT: usize = 80;
pub(super) const SUPPRESSED: usize = 72;
pub(super) const DIGEST: usize = 32;

/// Size of the longest encoding of the length of a list, in bytes.
const COUNT_WIRE: usize = 3;
/// Size of the longest encoding of a version, in bytes.
const VERSION_WIRE: usize = 10;
/// Size of the longest encoding of the length of a suppression, in bytes.
const LENGTH_WIRE: usize = 5;
/// Size of the longest encoding of an index and a difference, in bytes.
const ENTRY_WIRE: usize = NodeTable::<32>::ENTRY_WIRE;
/// Size of a node that is named by a tag and introduced, in bytes.
const INTRODUCED_WIRE: usize = NodeTable::<TAG_LEN>::NODE_WIRE + size_of::<NodeId>();
/// Upper bound for the framing of the fields and the contents, in bytes.
const BATCH_WIRE: usize = 64;

/// The memory that a batch may still unfold to: a small frame must not become a large allocation.
pub(crate) struct Weight {
    left: usize,
    cap: usize,
}

impl Weight {
    pub(crate) fn up_to(cap: usize) -> Self {
        Self { left: cap, cap }
    }

    /// Counts `bytes` that are about to be allocated.
    pub(crate) fn add(&mut self, bytes: usize) -> Result<(), DecodeError> {
        let cap = self.cap as u64;
        let over =
            DecodeError::OverLimit { what: "an unfolded batch", value: cap.saturating_add(1), cap };
        self.left = self.left.checked_sub(bytes).ok_or(over)?;
        Ok(())
    }
}

/// Upper bounds for the size of a piece of a batch, regardless of the values of its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Bytes on the wire without compression.
    pub(crate) wire: usize,
    /// Bytes of memory that the decoder counts.
    pub(crate) unfolded: usize,
    /// Number of distinct nodes.
    pub(crate) nodes: usize,
    /// Number of contents.
    pub(crate) contents: usize,
}

impl Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            wire: self.wire + other.wire,
            unfolded: self.unfolded + other.unfolded,
            nodes: self.nodes + other.nodes,
            contents: self.contents + other.contents,
        }
    }
}

impl Size {
    /// Whether every decoder accepts a batch of this size.
    pub(crate) fn fits_a_frame(self) -> bool {
        self.wire + BATCH_WIRE <= MAX_BODY
            && self.unfolded + BATCH_WIRE <= MAX_UNFOLDED
            && self.nodes <= MAX_NODE_IDS
            && self.contents <= MAX_CONTENTS
    }

    /// The size of a record without its parts.
    pub(crate) fn of_head(record: &Record) -> Self {
        let id = record.id.len() + 2 * COUNT_WIRE;
        // After a record, a version of one node may be declared.
        let declared = INTRODUCED_WIRE + ENTRY_WIRE;
        let suppressed = record.suppressed.len();
        let wire = id + 2 * COUNT_WIRE + suppressed * (DIGEST + LENGTH_WIRE) + declared;
        let unfolded = RECORD + id + suppressed * SUPPRESSED + NODE + DIGEST + wire;
        Self { wire, unfolded, nodes: 1, contents: 0 }
    }

    /// The size of one part of a record.
    pub(crate) fn of_part(part: &Part) -> Self {
        let dots = part.dots.len();
        let node = INTRODUCED_WIRE.max(NodeTable::<32>::NODE_WIRE);
        let entry = node + ENTRY_WIRE + COUNT_WIRE;
        let wire = entry + dots * (VERSION_WIRE + 1 + DIGEST);
        let unfolded = NODE + DIGEST + PART + dots * (DOT + DIGEST) + wire;
        Self { wire, unfolded, nodes: 1, contents: 0 }
    }

    pub(crate) fn of_record(record: &Record) -> Self {
        let parts = record.parts.iter().map(Self::of_part);
        parts.fold(Self::of_head(record), |sum, part| sum + part)
    }

    pub(crate) fn of_content(content: &impl Wire) -> Self {
        let size = content.size();
        let (wire, unfolded) = (size.wire + DIGEST, size.memory + DIGEST);
        Self { wire, unfolded, nodes: 0, contents: 1 }
    }
}
