//! The compact, lossless encoding of a batch of records. Each batch has one encoding, except that
//! the sender chooses how to pack it.
//!
//! A batch has two sections. The *fields* hold the nodes, each once; the records and the declared
//! versions, which refer to a node by its index; and the digests of contents that no record names.
//! The contents follow, encoded by their own codec.

mod fields;
mod nodes;
pub(crate) mod section;
mod size;
pub(crate) mod text;

use alloc::vec::Vec;

pub(crate) use fields::{Fields, order};
pub(crate) use nodes::NodeTable;
pub(crate) use size::{Size, Weight};

use crate::limits::{MAX_BODY, MAX_UNFOLDED};
use crate::wire::{Reader, put_bytes};
use crate::{Compression, DecodeError, NodeId, Record};

/// Appends a batch: its records, its declared versions, and the contents with these digests.
pub(crate) fn encode(
    out: &mut Vec<u8>,
    (records, declared): (&[Record], &[(NodeId, u64)]),
    (digests, contents): (&[[u8; 32]], &[u8]),
    compression: Compression,
) {
    section::put(out, &fields::encode(records, declared, digests), compression);
    put_bytes(out, contents);
}

/// Decodes the fields of a batch; returns them with the bytes of its contents.
pub(crate) fn decode<'a>(r: &mut Reader<'a>) -> Result<(Fields, &'a [u8]), DecodeError> {
    let mut weight = Weight::up_to(MAX_UNFOLDED);
    let section = section::take(r, MAX_UNFOLDED, &mut weight)?;
    let fields = fields::decode(&section, &mut weight)?;
    let contents = r.bytes("the contents of a batch", MAX_BODY)?;
    if fields.contents.is_empty() && !contents.is_empty() {
        return Err(DecodeError::NotCanonical("the contents of a batch"));
    }
    Ok((fields, contents))
}
