//! How much a batch takes, on the wire and unfolded, without encoding it.

use alloc::string::String;
use core::ops::Add;

use super::NodeTable;
use crate::limits::{MAX_BODY, MAX_CONTENTS, MAX_NODE_IDS, MAX_UNFOLDED};
use crate::{Content, DecodeError, Part, Record};

/// Bytes of memory that the decoder counts for each thing, at least what it really takes.
pub(super) const RECORD: usize = 128;
pub(super) const NODE: usize = 80;
pub(super) const PART: usize = 128;
pub(super) const DOT: usize = 80;
pub(super) const SUPPRESSED: usize = 72;
pub(super) const DIGEST: usize = 32;
pub(super) const CONTENT: usize = 160;
pub(super) const TEXT: usize = 24;

/// Bytes of the longest encoding of the length of a list, and of what frames the two sections.
const COUNT_WIRE: usize = 3;
/// Bytes of the longest encoding of a version and of the length of a suppression.
const VERSION_WIRE: usize = 10;
const LENGTH_WIRE: usize = 5;
const BATCH_WIRE: usize = 64;

/// How much more a batch may unfold to: a small frame must not become a large allocation.
pub(crate) struct Weight {
    left: usize,
}

impl Weight {
    pub(crate) fn up_to(cap: usize) -> Self {
        Self { left: cap }
    }

    /// Counts `bytes` that are about to be allocated.
    pub(crate) fn add(&mut self, bytes: usize) -> Result<(), DecodeError> {
        let cap = MAX_UNFOLDED as u64;
        let over = DecodeError::OverLimit { what: "an unfolded batch", value: cap + 1, cap };
        self.left = self.left.checked_sub(bytes).ok_or(over)?;
        Ok(())
    }
}

/// At most what something takes, whatever its values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Bytes on the wire without compression.
    pub(crate) wire: usize,
    /// What the decoder counts for it.
    pub(crate) unfolded: usize,
    /// Different nodes.
    pub(crate) nodes: usize,
    /// Contents that come along.
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
    /// Whether every decoder takes a batch of this size.
    pub(crate) fn fits_a_frame(self) -> bool {
        self.wire + BATCH_WIRE <= MAX_BODY
            && self.unfolded + BATCH_WIRE <= MAX_UNFOLDED
            && self.nodes <= MAX_NODE_IDS
            && self.contents <= MAX_CONTENTS
    }

    /// The size of a record without its parts.
    pub(crate) fn of_head(record: &Record) -> Self {
        let id = record.id.len() + 2 * COUNT_WIRE;
        let wire = id + 2 * COUNT_WIRE + record.suppressed.len() * (DIGEST + LENGTH_WIRE);
        let unfolded = RECORD + id + record.suppressed.len() * SUPPRESSED + wire;
        Self { wire, unfolded, ..Self::default() }
    }

    /// The size of one part of a record whose id has `id` bytes.
    pub(crate) fn of_part(part: &Part, id: usize) -> Self {
        let dots = part.dots.len();
        // Each node may be declared, too.
        let entry = NodeTable::NODE_WIRE + 2 * NodeTable::ENTRY_WIRE + COUNT_WIRE;
        let wire = entry + dots * (VERSION_WIRE + 1 + DIGEST);
        // The ids of contents are taken from their record.
        let unfolded = NODE + PART + dots * (DOT + DIGEST + id) + wire;
        Self { wire, unfolded, nodes: 1, contents: 0 }
    }

    pub(crate) fn of_record(record: &Record) -> Self {
        let parts = record.parts.iter().map(|part| Self::of_part(part, record.id.len()));
        parts.fold(Self::of_head(record), |sum, part| sum + part)
    }

    pub(crate) fn of_content(content: &Content) -> Self {
        let id = content.id.len() + 2 * COUNT_WIRE + DIGEST;
        let texts: usize = content.source_episodes.iter().map(String::len).sum();
        let episodes = content.source_episodes.len();
        let fields = id + 18 + COUNT_WIRE + texts + episodes * (1 + COUNT_WIRE);
        let embedding = content.embedding.len() * 4;
        Self {
            wire: fields + embedding,
            // Fields and embeddings are unpacked once before they are read. A batch fills its
            // planes up to eight values.
            unfolded: fields + CONTENT + id + texts + episodes * TEXT + 2 * embedding + 32,
            nodes: 0,
            contents: 1,
        }
    }
}
