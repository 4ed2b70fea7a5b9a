//! Everything of a batch but its embeddings.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::nodes::NodeTable;
use super::size::{self, Weight};
use super::text::{put_text, take_text};
use crate::check::within;
use crate::limits::{
    MAX_CONTENTS, MAX_EPISODE_ID, MAX_EPISODES, MAX_ID, MAX_NODE_DOTS, MAX_PARTS, MAX_RECORDS,
    MAX_SUMMARY, MAX_SUPPRESSED,
};
use crate::wire::{Reader, put, put_count};
use crate::{Content, DecodeError, Delivery, NodeId, Part, Record, check_id};

/// A dot whose content the receiver holds, or got earlier.
const NAMED: u8 = 0;
/// A dot whose content is in this batch.
const INLINE: u8 = 1;

/// A content without its embedding, under the digest that names it.
pub(super) struct Heading {
    digest: [u8; 32],
    content: Content,
}

impl Heading {
    pub(super) fn complete(mut self, embedding: Arc<[f32]>) -> ([u8; 32], Content) {
        self.content.embedding = embedding;
        (self.digest, self.content)
    }
}

/// What a section of fields holds.
pub(super) type Fields = (Vec<Record>, Vec<(NodeId, u64)>, Vec<Heading>);

/// The encoded fields, and the contents in the order of the encoding.
pub(super) fn encode<'a>(
    batch: &'a Delivery,
    declared: &[(NodeId, u64)],
) -> (Vec<u8>, Vec<&'a Content>) {
    let mut out = Vec::with_capacity(256 * batch.records.len());
    let nodes = nodes_of(&batch.records, declared);
    nodes.put(&mut out);
    let mut left: BTreeMap<&[u8; 32], &Content> =
        batch.contents.iter().map(|(digest, content)| (digest, content)).collect();
    let mut contents = Vec::with_capacity(batch.contents.len());
    put_count(&mut out, batch.records.len());
    for record in &batch.records {
        put_record(&mut out, record, &nodes, |digest| match left.remove(digest) {
            Some(content) => {
                contents.push(content);
                true
            }
            None => false,
        });
    }
    put_count(&mut out, declared.len());
    declared.iter().for_each(|(node, upper)| nodes.put_entry(&mut out, node, *upper));
    put_count(&mut out, left.len());
    for (digest, content) in left {
        out.extend_from_slice(digest);
        put_text(&mut out, "", &content.id);
        contents.push(content);
    }
    for content in &contents {
        put_heading(&mut out, content);
    }
    (out, contents)
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

fn put_heading(out: &mut Vec<u8>, content: &Content) {
    put(out, &(content.strength, content.schema_confidence, content.last_consolidated));
    put_count(out, content.source_episodes.len());
    let mut before = "";
    for episode in &content.source_episodes {
        put_text(out, before, episode);
        before = episode;
    }
}

/// Reads records, declared versions and contents from the unpacked section.
pub(super) fn decode(section: &[u8], weight: &mut Weight) -> Result<Fields, DecodeError> {
    let mut r = Reader::new(section);
    let nodes = NodeTable::take(&mut r, || weight.add(size::NODE))?;
    let mut names: Vec<([u8; 32], String)> = Vec::new();
    let records = r.list("records of a batch", MAX_RECORDS, 5, |r| {
        take_record(r, &nodes, &mut names, weight)
    })?;
    let declared: Vec<_> = r.list("declared versions", MAX_SUMMARY, 2, |r| nodes.take_entry(r))?;
    if !declared.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(DecodeError::NotCanonical("the order of declared versions"));
    }
    if nodes != nodes_of(&records, &declared) {
        return Err(DecodeError::NotCanonical("the nodes of a batch"));
    }
    let inline = names.len();
    let ahead = r.list("contents ahead of their record", MAX_CONTENTS, 34, |r| {
        Ok((r.array("the digest of a content")?, take_id(r, weight)?))
    })?;
    names.extend(ahead);
    within("contents of a batch", names.len(), MAX_CONTENTS)?;
    check_names(&records, &names, inline)?;
    let headings = names
        .into_iter()
        .map(|(digest, id)| take_heading(&mut r, digest, id, weight))
        .collect::<Result<_, _>>()?;
    r.end()?;
    Ok((records, declared, headings))
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
    names: &mut Vec<([u8; 32], String)>,
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
                weight.add(size::DIGEST + id.len())?;
                names.push((digest, id.clone()));
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

/// Takes the version and the digest of a dot, and whether its content is in the batch.
fn take_dot(r: &mut Reader<'_>, entry: u64) -> Result<(u64, [u8; 32], u8), DecodeError> {
    let below: u64 = r.take("a version")?;
    let version = entry.checked_sub(below).ok_or(DecodeError::Invalid("a version"))?;
    let form: u8 = r.take("the form of a dot")?;
    if form > INLINE {
        return Err(DecodeError::Invalid("the form of a dot"));
    }
    Ok((version, r.array("the digest of a content")?, form))
}

/// A content is named once, at the first place that mentions it; the others ascend by digest.
fn check_names(
    records: &[Record],
    names: &[([u8; 32], String)],
    inline: usize,
) -> Result<(), DecodeError> {
    let not_canonical = Err(DecodeError::NotCanonical("the contents of a batch"));
    let distinct: BTreeSet<_> = names.iter().map(|(digest, _)| digest).collect();
    if distinct.len() != names.len() || !names[inline..].is_sorted_by(|a, b| a.0 < b.0) {
        return not_canonical;
    }
    let mut mentioned = BTreeSet::new();
    let mut first = records.iter().flat_map(Record::mentions).filter(|d| mentioned.insert(*d));
    let in_order = names[..inline]
        .iter()
        .all(|(digest, _)| first.by_ref().find(|d| distinct.contains(d)) == Some(digest));
    let ahead_is_unmentioned = first.all(|digest| !distinct.contains(digest));
    if in_order && ahead_is_unmentioned { Ok(()) } else { not_canonical }
}

fn take_heading(
    r: &mut Reader<'_>,
    digest: [u8; 32],
    id: String,
    weight: &mut Weight,
) -> Result<Heading, DecodeError> {
    weight.add(size::CONTENT)?;
    let (strength, schema_confidence, last_consolidated) = r.take("the numbers of a content")?;
    let count = r.count("episodes of a content", MAX_EPISODES, 2)?;
    let mut source_episodes: Vec<String> = Vec::new();
    for _ in 0..count {
        let before = source_episodes.last().map_or("", String::as_str);
        let episode = take_text(r, before, "an episode id", MAX_EPISODE_ID)?;
        weight.add(size::TEXT + episode.len())?;
        source_episodes.push(episode);
    }
    let embedding = Arc::from([]);
    let content =
        Content { id, embedding, source_episodes, strength, schema_confidence, last_consolidated };
    Ok(Heading { digest, content })
}
