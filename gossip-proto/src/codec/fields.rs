//! The fields of a batch: its records, its declared versions, and the digests of its contents.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::nodes::NodeTable;
use super::size::{self, Weight};
use super::text::{put_text, take_text};
use crate::check::within;
use crate::limits::{
    MAX_CONTENTS, MAX_ID, MAX_NODE_DOTS, MAX_PARTS, MAX_RECORDS, MAX_SUMMARY, MAX_SUPPRESSED,
};
use crate::wire::{Reader, put, put_count};
use crate::{DecodeError, NodeId, Part, Record, check_id};

/// The form of a dot whose content is not encoded with it: the receiver holds the content, or the
/// content belongs to an earlier dot or message.
const NAMED: u8 = 0;
/// The form of the first dot that names a content of this batch.
const INLINE: u8 = 1;

/// The decoded fields of a batch.
#[derive(Debug, PartialEq)]
pub(crate) struct Fields {
    pub(crate) records: Vec<Record>,
    /// The versions that the batch declares as sent, by node.
    pub(crate) declared: Vec<(NodeId, u64)>,
    /// The digests of the contents of the batch, in order.
    pub(crate) contents: Vec<[u8; 32]>,
}

/// Encodes the fields of a batch that carries `contents`.
pub(super) fn encode(
    records: &[Record],
    declared: &[(NodeId, u64)],
    contents: &[[u8; 32]],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 * records.len());
    let nodes = nodes_of(records, declared);
    nodes.put(&mut out);
    let mut left: BTreeSet<&[u8; 32]> = contents.iter().collect();
    put_count(&mut out, records.len());
    for record in records {
        put_record(&mut out, record, &nodes, |digest| left.remove(digest));
    }
    put_count(&mut out, declared.len());
    declared.iter().for_each(|(node, upper)| nodes.put_entry(&mut out, node, *upper));
    put_count(&mut out, left.len());
    left.into_iter().for_each(|digest| out.extend_from_slice(digest));
    out
}

/// Returns the digests of a batch's contents in canonical order: first those that records name, in
/// the order of the dots that first name them; then the others, ascending.
pub(crate) fn order<'a>(
    records: &'a [Record],
    contents: impl Iterator<Item = &'a [u8; 32]>,
) -> Vec<[u8; 32]> {
    let mut left: BTreeSet<&[u8; 32]> = contents.collect();
    let mentions = records.iter().flat_map(Record::mentions);
    let mut ordered: Vec<[u8; 32]> =
        mentions.filter(|digest| left.remove(digest)).copied().collect();
    ordered.extend(left);
    ordered
}

fn nodes_of(records: &[Record], declared: &[(NodeId, u64)]) -> NodeTable {
    NodeTable::of(records.iter().flat_map(Record::context).chain(declared.iter().copied()))
}

fn put_record(
    out: &mut Vec<u8>,
    record: &Record,
    nodes: &NodeTable,
    mut inline: impl FnMut(&[u8; 32]) -> bool,
) {
    put_text(out, "", &record.id);
    put_count(out, record.parts.len());
    for part in &record.parts {
        nodes.put_entry(out, &part.node, part.entry);
        put_count(out, part.dots.len());
        for (version, digest) in &part.dots {
            put(out, &part.entry.wrapping_sub(*version));
            out.push(if inline(digest) { INLINE } else { NAMED });
            out.extend_from_slice(digest);
        }
    }
    put_count(out, record.suppressed.len());
    for (digest, length) in &record.suppressed {
        out.extend_from_slice(digest);
        put(out, length);
    }
}

/// Decodes the fields from the unpacked section.
pub(super) fn decode(section: &[u8], weight: &mut Weight) -> Result<Fields, DecodeError> {
    let mut r = Reader::new(section);
    let nodes = NodeTable::take(&mut r, || weight.add(size::NODE))?;
    let mut contents: Vec<[u8; 32]> = Vec::new();
    let records = r.list("records of a batch", MAX_RECORDS, 5, |r| {
        take_record(r, &nodes, &mut contents, weight)
    })?;
    let declared: Vec<_> = r.list("declared versions", MAX_SUMMARY, 2, |r| nodes.take_entry(r))?;
    if !declared.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(DecodeError::NotCanonical("the order of declared versions"));
    }
    if nodes != nodes_of(&records, &declared) {
        return Err(DecodeError::NotCanonical("the nodes of a batch"));
    }
    let ahead = r.list("contents ahead of their record", MAX_CONTENTS, size::DIGEST, |r| {
        weight.add(size::DIGEST)?;
        r.array("the digest of a content")
    })?;
    r.end()?;
    contents.extend(ahead);
    within("contents of a batch", contents.len(), MAX_CONTENTS)?;
    let distinct: BTreeSet<_> = contents.iter().collect();
    if distinct.len() != contents.len() || order(&records, contents.iter()) != contents {
        return Err(DecodeError::NotCanonical("the contents of a batch"));
    }
    Ok(Fields { records, declared, contents })
}

fn take_id(r: &mut Reader<'_>, weight: &mut Weight) -> Result<String, DecodeError> {
    let id = take_text(r, "", "an id", MAX_ID)?;
    weight.add(id.len())?;
    check_id(&id)?;
    Ok(id)
}

fn take_record(
    r: &mut Reader<'_>,
    nodes: &NodeTable,
    contents: &mut Vec<[u8; 32]>,
    weight: &mut Weight,
) -> Result<Record, DecodeError> {
    weight.add(size::RECORD)?;
    let id = take_id(r, weight)?;
    let parts = r.list("parts of a record", MAX_PARTS, 3, |r| {
        weight.add(size::PART)?;
        let (node, entry) = nodes.take_entry(r)?;
        let dots = r.list("dots of a node", MAX_NODE_DOTS, 34, |r| {
            weight.add(size::DOT)?;
            let (version, digest, form) = take_dot(r, entry)?;
            if form == INLINE {
                weight.add(size::DIGEST)?;
                contents.push(digest);
            }
            Ok((version, digest))
        })?;
        Ok(Part { node, entry, dots })
    })?;
    let suppressed = r.list("suppressed digests of a record", MAX_SUPPRESSED, 33, |r| {
        weight.add(size::SUPPRESSED)?;
        Ok((r.array("a suppressed digest")?, r.take("the length of a suppression")?))
    })?;
    let record = Record { id, parts, suppressed };
    record.check()?;
    Ok(record)
}

/// Takes a dot: its version, the digest of its content, and its form.
fn take_dot(r: &mut Reader<'_>, entry: u64) -> Result<(u64, [u8; 32], u8), DecodeError> {
    let below: u64 = r.take("a version")?;
    let version = entry.checked_sub(below).ok_or(DecodeError::Invalid("a version"))?;
    let form: u8 = r.take("the form of a dot")?;
    if form > INLINE {
        return Err(DecodeError::Invalid("the form of a dot"));
    }
    Ok((version, r.array("the digest of a content")?, form))
}
