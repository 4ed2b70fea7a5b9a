//! How much a batch takes, on the wire and unfolded, without encoding it.

use alloc::string::String;
use core::ops::Add;

use super::Actors;
use crate::limits::{MAX_BODY, MAX_UNFOLDED};
use crate::{Body, Content, DecodeError, Record};

/// Bytes of memory that the decoder counts for each thing, at least what it really takes.
pub(super) const RECORD: usize = 128;
pub(super) const SIBLING: usize = 96;
pub(super) const ACTOR: usize = 48;
pub(super) const DIGEST: usize = 32;
pub(super) const CONTENT: usize = 160;
pub(super) const TEXT: usize = 24;

/// Bytes of the longest encoding of the length of a list, and of what frames the two sections.
const COUNT_WIRE: usize = 3;
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
}

impl Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { wire: self.wire + other.wire, unfolded: self.unfolded + other.unfolded }
    }
}

impl Size {
    /// Whether a batch of this size is taken by every decoder.
    pub(crate) fn fits_a_frame(self) -> bool {
        self.wire + BATCH_WIRE <= MAX_BODY && self.unfolded + BATCH_WIRE <= MAX_UNFOLDED
    }

    pub(crate) fn of_record(record: &Record) -> Self {
        let id = record.id.len() + 2 * COUNT_WIRE;
        let digests = |body: &Body| match body {
            Body::Content(_) => 1,
            Body::Tombstone { buried } => buried.len(),
        };
        let digests: usize = record.siblings.iter().map(|(_, body)| digests(body)).sum();
        let siblings = record.siblings.len();
        let actors = siblings + record.context.len();
        let wire = id
            + siblings * (1 + COUNT_WIRE)
            + digests * DIGEST
            + actors * (Actors::COUNTER_WIRE + Actors::WIRE)
            + 2 * COUNT_WIRE;
        // The ids of contents are taken from their record.
        let ids = digests * record.id.len();
        let unfolded = RECORD + siblings * SIBLING + actors * 2 * ACTOR + digests * DIGEST + ids;
        Self { wire, unfolded: unfolded + id + wire }
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
        }
    }
}
