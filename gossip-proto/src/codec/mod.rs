//! The compact, lossless encoding of a batch of records. Each batch has one encoding, except that
//! the sender chooses how to pack it.
//!
//! A batch consists of its fields and its contents. The *fields* are one [`section`]. They hold the
//! nodes, by their ids or by tags; the records and the declared versions, which refer to a node by
//! its index; and the number of contents. The contents follow, encoded by their own codec.

mod fields;
mod nodes;
mod record;
pub(crate) mod section;
mod size;
pub(crate) mod text;

use alloc::vec::Vec;

pub(crate) use nodes::NodeTable;
pub(crate) use record::Entries;
pub(crate) use size::{Size, Weight};

use crate::limits::{MAX_BODY, MAX_UNFOLDED};
use crate::wire::{Reader, put_bytes};
use crate::{Compression, DecodeError, PatternSync};

/// Appends a batch.
pub(crate) fn encode(out: &mut Vec<u8>, batch: &PatternSync, compression: Compression) {
    section::put(out, &fields::encode(batch), compression);
    put_bytes(out, &batch.contents);
}

/// Decodes a batch of a space.
pub(crate) fn decode(space: u32, r: &mut Reader<'_>) -> Result<PatternSync, DecodeError> {
    let mut weight = Weight::up_to(MAX_UNFOLDED);
    let section = section::take(r, MAX_UNFOLDED, &mut weight)?;
    let batch = fields::decode(space, &section, &mut weight)?;
    let contents = r.bytes("the contents of a batch", MAX_BODY)?;
    if batch.count == 0 && !contents.is_empty() {
        return Err(DecodeError::NotCanonical("the section of contents"));
    }
    Ok(PatternSync { contents: contents.into(), ..batch })
}
