//! The fields of a batch: its records, its declared versions, and the number of its contents.

use alloc::string::String;
use alloc::vec::Vec;

use super::nodes::NodeTable;
use super::record::{Entries as _, put_record, take_record};
use super::size::{self, Weight};
use super::text::{put_text, take_text};
use crate::limits::{MAX_CONTENTS, MAX_ID, MAX_NODE_IDS, MAX_PARTS, MAX_RECORDS, MAX_SUMMARY};
use crate::tag::TAG_LEN;
use crate::wire::{Reader, put, put_count};
use crate::{DecodeError, NodeId, PatternSync, Record, ShortRecord, check_id};

/// Encodes the fields of a batch.
pub(super) fn encode(batch: &PatternSync) -> Vec<u8> {
    let PatternSync { records, introduced, short, declared, .. } = batch;
    let mut out = Vec::with_capacity(128 * records.len() + 64 * short.len());
    let nodes = nodes_of(batch);
    nodes.put(&mut out);
    put_count(&mut out, records.len());
    records.iter().for_each(|record| put_named(&mut out, record, &nodes));
    put_count(&mut out, introduced.len());
    introduced.iter().for_each(|node| out.extend_from_slice(node));
    let tags = node_tags_of(batch);
    tags.put(&mut out);
    put_count(&mut out, short.len());
    short.iter().for_each(|record| put_named(&mut out, record, &tags));
    put_count(&mut out, declared.len());
    declared.iter().for_each(|(node, upper)| tags.put_entry(&mut out, node, *upper));
    put(&mut out, &batch.count);
    out
}

/// The nodes of the records, by their ids.
fn nodes_of(batch: &PatternSync) -> NodeTable {
    NodeTable::of(batch.records.iter().flat_map(Record::context))
}

/// The nodes of the short records and of the declared versions, by their tags.
fn node_tags_of(batch: &PatternSync) -> NodeTable<TAG_LEN> {
    let short = batch.short.iter().flat_map(ShortRecord::context);
    NodeTable::of(short.chain(batch.declared.iter().copied()))
}

fn put_named<const N: usize>(out: &mut Vec<u8>, record: &Record<N>, nodes: &NodeTable<N>) {
    put_text(out, "", &record.id);
    put_record(out, record, nodes);
}

/// Decodes the unpacked section. The result has no contents yet.
pub(super) fn decode(
    space: u32,
    section: &[u8],
    weight: &mut Weight,
) -> Result<PatternSync, DecodeError> {
    let mut r = Reader::new(section);
    let nodes = NodeTable::take(&mut r, || weight.add(size::NODE))?;
    let records =
        r.list("records of a batch", MAX_RECORDS, 5, |r| take_named(r, &nodes, weight))?;
    let introduced = take_introduced(&mut r, weight)?;
    let tags = NodeTable::take(&mut r, || weight.add(size::NODE))?;
    let count = r.further("records of a batch", records.len(), MAX_RECORDS, 5)?;
    let short: Result<Vec<_>, _> = (0..count).map(|_| take_named(&mut r, &tags, weight)).collect();
    let short = short?;
    let declared: Vec<_> = r.list("declared versions", MAX_SUMMARY, 2, |r| tags.take_entry(r))?;
    if !declared.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(DecodeError::NotCanonical("the order of declared versions"));
    }
    let count = r.count("contents of a batch", MAX_CONTENTS, 0)?;
    weight.add(count * size::DIGEST)?;
    r.end()?;
    let count = count as u32;
    let contents = Vec::new();
    let batch = PatternSync { space, records, introduced, short, declared, count, contents };
    if nodes != nodes_of(&batch) || tags != node_tags_of(&batch) {
        return Err(DecodeError::NotCanonical("the list of nodes of a batch"));
    }
    Ok(batch)
}

fn take_introduced(r: &mut Reader<'_>, weight: &mut Weight) -> Result<Vec<NodeId>, DecodeError> {
    let introduced = r.list("introduced nodes", MAX_NODE_IDS, size_of::<NodeId>(), |r| {
        weight.add(size::DIGEST)?;
        r.array("an introduced node")
    })?;
    if !introduced.is_sorted_by(|a: &NodeId, b| a < b) {
        return Err(DecodeError::NotCanonical("the order of introduced nodes"));
    }
    Ok(introduced)
}

fn take_id(r: &mut Reader<'_>, weight: &mut Weight) -> Result<String, DecodeError> {
    let id = take_text(r, "", "an id", MAX_ID)?;
    weight.add(id.len())?;
    check_id(&id)?;
    Ok(id)
}

fn take_named<const N: usize>(
    r: &mut Reader<'_>,
    nodes: &NodeTable<N>,
    weight: &mut Weight,
) -> Result<Record<N>, DecodeError> {
    weight.add(size::RECORD)?;
    let id = take_id(r, weight)?;
    take_record(r, id, nodes, MAX_PARTS, weight)
}
