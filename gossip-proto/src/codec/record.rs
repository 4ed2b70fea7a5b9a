//! The parts and the suppressed digests of a record: one layout for messages, stores and digests,
//! which differ only in how they name nodes and contents and encode the entry of a part.

use alloc::string::String;
use alloc::vec::Vec;

use super::size::{self, Weight};
use crate::limits::{MAX_NODE_DOTS, MAX_SUPPRESSED};
use crate::wire::{Reader, put, put_count};
use crate::{DecodeError, NodeId, Part, Record};

/// The encoding of the node and the entry of a part.
pub(crate) trait Entries<const N: usize> {
    /// Size of the shortest encoding, in bytes.
    const LEAST: usize;

    fn put_entry(&self, out: &mut Vec<u8>, node: &[u8; N], entry: u64);

    /// Takes a node and its entry, which is at least 1.
    fn take_entry(&self, r: &mut Reader<'_>) -> Result<([u8; N], u64), DecodeError>;
}

/// Names each node in full: for a record that does not travel in a message.
pub(super) struct InFull;

impl Entries<32> for InFull {
    const LEAST: usize = size_of::<NodeId>() + size_of::<u64>();

    fn put_entry(&self, out: &mut Vec<u8>, node: &NodeId, entry: u64) {
        out.extend_from_slice(node);
        out.extend_from_slice(&entry.to_le_bytes());
    }

    fn take_entry(&self, r: &mut Reader<'_>) -> Result<(NodeId, u64), DecodeError> {
        let node = r.array("a node")?;
        match u64::from_le_bytes(r.array("an entry")?) {
            0 => Err(DecodeError::Invalid("an entry")),
            entry => Ok((node, entry)),
        }
    }
}

/// Appends a record without its id.
pub(super) fn put_record<const N: usize>(
    out: &mut Vec<u8>,
    record: &Record<N>,
    entries: &impl Entries<N>,
) {
    put_count(out, record.parts.len());
    for part in &record.parts {
        entries.put_entry(out, &part.node, part.entry);
        put_count(out, part.dots.len());
        for (version, name) in &part.dots {
            put(out, &part.entry.wrapping_sub(*version));
            out.extend_from_slice(name);
        }
    }
    put_count(out, record.suppressed.len());
    for (name, length) in &record.suppressed {
        out.extend_from_slice(name);
        put(out, length);
    }
}

/// Takes the rest of the record `id`, which has at most `max_parts` parts.
pub(super) fn take_record<const N: usize, E: Entries<N>>(
    r: &mut Reader<'_>,
    id: String,
    entries: &E,
    max_parts: usize,
    weight: &mut Weight,
) -> Result<Record<N>, DecodeError> {
    let parts = r.list("parts of a record", max_parts, E::LEAST + 1, |r| {
        weight.add(size::PART)?;
        let (node, entry) = entries.take_entry(r)?;
        let dots = r.list("dots of a node", MAX_NODE_DOTS, 1 + N, |r| {
            weight.add(size::DOT)?;
            let below: u64 = r.take("a version")?;
            let version = entry.checked_sub(below).ok_or(DecodeError::Invalid("a version"))?;
            Ok((version, r.array("the name of a content")?))
        })?;
        Ok(Part { node, entry, dots })
    })?;
    let suppressed = r.list("suppressed digests of a record", MAX_SUPPRESSED, 1 + N, |r| {
        weight.add(size::SUPPRESSED)?;
        Ok((r.array("a suppressed digest")?, r.take("the length of a suppression")?))
    })?;
    let record = Record { id, parts, suppressed };
    record.check_state()?;
    Ok(record)
}

impl Record {
    /// Appends the record without its id, in its only encoding: for a store, or for a digest of the
    /// record.
    ///
    /// The layout is that of [`PatternSync`](crate::PatternSync), except that each part names its
    /// node and its entry in full. If the record breaks a rule of [`Record`],
    /// [`decode`](Self::decode) refuses the bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_record(out, self, &InFull);
    }

    /// Decodes the record at the front of `bytes`, which [`encode`](Self::encode) wrote. Returns it
    /// under the id `id`, which is not checked, with the bytes that follow.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not the encoding of a record. The decoder allocates at most
    /// a small multiple of their length. The limits are those of a record in a message, except that
    /// any number of nodes may have a part.
    pub fn decode(id: String, bytes: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let mut r = Reader::new(bytes);
        let mut weight = Weight::up_to(usize::MAX);
        let record = take_record(&mut r, id, &InFull, usize::MAX, &mut weight)?;
        Ok((record, r.mark()))
    }
}
