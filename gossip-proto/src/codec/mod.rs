//! The body of a batch of records: small, lossless, and the same for every sender.
//!
//! A batch has two sections. *Fields* hold everything but the embeddings: the actors, each named
//! once; the records, which call an actor by its place; the contents without their embeddings.
//! *Embeddings* hold all floats of the batch in a row. Each section is packed on its own, and left
//! as it is where packing does not make it smaller.

mod actors;
mod embeddings;
mod fields;
mod half;
mod planes;
mod section;
mod size;
mod text;

use alloc::vec::Vec;

pub(crate) use actors::Actors;
pub(crate) use size::{Size, Weight};

use crate::limits::{MAX_CARRIED, MAX_UNFOLDED};
use crate::wire::Reader;
use crate::{Compression, Content, DecodeError, Delivery, Record};

/// Appends a batch.
pub(crate) fn encode(out: &mut Vec<u8>, batch: &Delivery, compression: Compression) {
    let (fields, contents) = fields::encode(batch);
    section::put(out, &fields, compression);
    embeddings::put_embeddings(out, &contents, compression);
}

/// Reads a batch.
pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Delivery, DecodeError> {
    let mut weight = Weight::up_to(MAX_UNFOLDED);
    let section = section::take(r, &mut weight)?;
    let (records, headings) = fields::decode(&section, &mut weight)?;
    let embeddings = embeddings::take_embeddings(r, headings.len(), &mut weight)?;
    let contents = headings
        .into_iter()
        .zip(embeddings)
        .map(|(heading, embedding)| heading.complete(embedding))
        .collect();
    Ok(Delivery { records, contents })
}

/// Refuses a record, with the contents to be sent along, that no decoder would take.
pub(crate) fn check(
    record: &Record,
    contents: &[([u8; 32], Content)],
    dimension: u32,
) -> Result<(), DecodeError> {
    fields::check_record(record)?;
    let contents = contents.iter().map(|(_, content)| content);
    contents.clone().try_for_each(|content| fields::check_content(record, content, dimension))?;
    let bytes = contents.map(|content| Size::of_content(content).wire).sum();
    fields::within("bytes of the contents of a record", bytes, MAX_CARRIED)
}
