//! The body of a batch of records: small, lossless, and the same for every sender.
//!
//! A batch has two sections. *Fields* hold everything but the embeddings: the nodes, each named once;
//! the records, which refer to a node by its place; the contents without their embeddings.
//! *Embeddings* hold all floats of the batch in a row. Each section is packed on its own, and left
//! as it is where packing does not make it smaller.

mod embeddings;
mod fields;
mod half;
mod nodes;
mod planes;
mod section;
mod size;
mod text;

use alloc::vec::Vec;

pub(crate) use nodes::NodeTable;
pub(crate) use size::{Size, Weight};

use crate::limits::MAX_UNFOLDED;
use crate::wire::Reader;
use crate::{Compression, DecodeError, Delivery, NodeId, check_content};

/// Appends a batch, and what of its nodes it declares as sent.
pub(crate) fn encode(
    out: &mut Vec<u8>,
    batch: &Delivery,
    declared: &[(NodeId, u64)],
    compression: Compression,
) {
    let (fields, contents) = fields::encode(batch, declared);
    section::put(out, &fields, compression);
    embeddings::put_embeddings(out, &contents, compression);
}

/// Reads a batch, and what of its nodes it declares as sent.
pub(crate) fn decode(r: &mut Reader<'_>) -> Result<(Delivery, Vec<(NodeId, u64)>), DecodeError> {
    let mut weight = Weight::up_to(MAX_UNFOLDED);
    let section = section::take(r, &mut weight)?;
    let (records, declared, headings) = fields::decode(&section, &mut weight)?;
    let embeddings = embeddings::take_embeddings(r, headings.len(), &mut weight)?;
    let contents: Vec<_> = headings
        .into_iter()
        .zip(embeddings)
        .map(|(heading, embedding)| heading.complete(embedding))
        .collect();
    contents.iter().try_for_each(|(_, content)| check_content(content))?;
    Ok((Delivery { records, contents }, declared))
}
