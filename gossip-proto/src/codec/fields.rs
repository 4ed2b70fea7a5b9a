//! Everything of a batch but its embeddings.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::actors::Actors;
use super::size::{self, Size, Weight};
use super::text::{put_text, take_text};
use crate::limits::{
    MAX_BURIED, MAX_CONTENT_LEN, MAX_CONTENTS, MAX_CONTEXT, MAX_COUNTER, MAX_EPISODE_ID,
    MAX_EPISODES, MAX_ID, MAX_RECORD_CONTENTS, MAX_RECORDS, MAX_SIBLINGS,
};
use crate::wire::{Reader, put, put_count};
use crate::{Body, Content, DecodeError, Delivery, Dot, Record};

/// A sibling whose content the receiver holds, or got earlier.
const NAMED: u8 = 0;
/// A sibling whose content is in this batch.
const INLINE: u8 = 1;
/// A deletion.
const TOMBSTONE: u8 = 2;

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

/// The encoded fields, and the contents in the order of the encoding.
pub(super) fn encode(batch: &Delivery) -> (Vec<u8>, Vec<&Content>) {
    let mut out = Vec::with_capacity(256 * batch.records.len());
    let actors = actors_of(&batch.records);
    actors.put(&mut out);
    let mut left: BTreeMap<&[u8; 32], &Content> =
        batch.contents.iter().map(|(digest, content)| (digest, content)).collect();
    let mut contents = Vec::with_capacity(batch.contents.len());
    put_count(&mut out, batch.records.len());
    for record in &batch.records {
        put_record(&mut out, record, &actors, |digest| match left.remove(digest) {
            Some(content) => {
                contents.push(content);
                true
            }
            None => false,
        });
    }
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

fn actors_of(records: &[Record]) -> Actors {
    let siblings = records.iter().flat_map(|r| r.siblings.iter().map(|(dot, _)| dot.actor));
    let contexts = records.iter().flat_map(|r| r.context.iter().map(|(actor, _)| *actor));
    Actors::of(siblings.chain(contexts))
}

fn put_record(
    out: &mut Vec<u8>,
    record: &Record,
    actors: &Actors,
    mut inline: impl FnMut(&[u8; 32]) -> bool,
) {
    put_text(out, "", &record.id);
    put_count(out, record.siblings.len());
    for (dot, body) in &record.siblings {
        actors.put_counter(out, dot.actor, dot.counter);
        match body {
            Body::Content(digest) => {
                out.push(if inline(digest) { INLINE } else { NAMED });
                out.extend_from_slice(digest);
            }
            Body::Tombstone { buried } => {
                out.push(TOMBSTONE);
                put_count(out, buried.len());
                out.extend_from_slice(buried.as_flattened());
            }
        }
    }
    put_count(out, record.context.len());
    for (actor, counter) in &record.context {
        actors.put_counter(out, *actor, *counter);
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

/// Reads records and contents from the unpacked section.
pub(super) fn decode(
    section: &[u8],
    weight: &mut Weight,
) -> Result<(Vec<Record>, Vec<Heading>), DecodeError> {
    let mut r = Reader::new(section);
    let actors = Actors::take(&mut r, || weight.add(size::ACTOR))?;
    let mut names: Vec<([u8; 32], String)> = Vec::new();
    let records = r.list("records of a batch", MAX_RECORDS, 5, |r| {
        take_record(r, &actors, &mut names, weight)
    })?;
    if actors != actors_of(&records) {
        return Err(DecodeError::NotCanonical("the actors of a batch"));
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
    Ok((records, headings))
}

fn take_id(r: &mut Reader<'_>, weight: &mut Weight) -> Result<String, DecodeError> {
    let id = take_text(r, "", "a pattern id", MAX_ID)?;
    weight.add(id.len())?;
    if id.is_empty() { Err(DecodeError::Invalid("a pattern id")) } else { Ok(id) }
}

fn take_record(
    r: &mut Reader<'_>,
    actors: &Actors,
    names: &mut Vec<([u8; 32], String)>,
    weight: &mut Weight,
) -> Result<Record, DecodeError> {
    weight.add(size::RECORD)?;
    let id = take_id(r, weight)?;
    let siblings: Vec<_> = r.list("siblings of a record", MAX_SIBLINGS, 4, |r| {
        weight.add(size::SIBLING)?;
        let (actor, counter) = actors.take_counter(r)?;
        let body = match r.take::<u8>("the form of a sibling")? {
            NAMED => Body::Content(r.array("the digest of a content")?),
            INLINE => {
                let digest = r.array("the digest of a content")?;
                names.push((digest, id.clone()));
                weight.add(size::DIGEST + id.len())?;
                Body::Content(digest)
            }
            TOMBSTONE => Body::Tombstone { buried: take_buried(r, weight)? },
            _ => return Err(DecodeError::Invalid("the form of a sibling")),
        };
        Ok((Dot { actor, counter }, body))
    })?;
    let context: Vec<_> = r.list("actors of a context", MAX_CONTEXT, 2, |r| {
        weight.add(size::ACTOR)?;
        actors.take_counter(r)
    })?;
    let record = Record { id, siblings, context };
    check_record(&record)?;
    Ok(record)
}

fn take_buried(r: &mut Reader<'_>, weight: &mut Weight) -> Result<Vec<[u8; 32]>, DecodeError> {
    let buried: Vec<[u8; 32]> = r.list("buried digests", MAX_BURIED, 32, |r| {
        weight.add(size::DIGEST)?;
        r.array("a buried digest")
    })?;
    if buried.is_sorted_by(|a, b| a < b) {
        Ok(buried)
    } else {
        Err(DecodeError::NotCanonical("the order of buried digests"))
    }
}

/// The shape that every record has, whoever wrote it.
pub(super) fn check_record(record: &Record) -> Result<(), DecodeError> {
    if record.id.is_empty() {
        return Err(DecodeError::Invalid("a pattern id"));
    }
    within("bytes of a pattern id", record.id.len(), MAX_ID)?;
    within("siblings of a record", record.siblings.len(), MAX_SIBLINGS)?;
    within("actors of a context", record.context.len(), MAX_CONTEXT)?;
    within("contents of a record", record.contents().count(), MAX_RECORD_CONTENTS)?;
    within("buried digests of a record", record.buried().count(), MAX_BURIED)?;
    if !record.siblings.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Err(DecodeError::NotCanonical("the order of siblings"));
    }
    if !record.context.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Err(DecodeError::NotCanonical("the order of a context"));
    }
    let covered = |dot: &Dot| {
        let at = record.context.binary_search_by(|(actor, _)| actor.cmp(&dot.actor));
        at.is_ok_and(|at| dot.counter <= record.context[at].1)
    };
    if !record.siblings.iter().all(|(dot, _)| covered(dot)) {
        return Err(DecodeError::NotCanonical("a dot outside its context"));
    }
    if record.context.iter().any(|(_, counter)| !(1..=MAX_COUNTER).contains(counter)) {
        return Err(DecodeError::Invalid("a counter"));
    }
    Ok(())
}

/// What a content must be to travel inside its record's message.
pub(super) fn check_content(
    record: &Record,
    content: &Content,
    dimension: u32,
) -> Result<(), DecodeError> {
    if content.id != record.id {
        return Err(DecodeError::Invalid("the id of a content"));
    }
    if content.embedding.len() != dimension as usize {
        return Err(DecodeError::Invalid("the dimension of a content"));
    }
    within("episodes of a content", content.source_episodes.len(), MAX_EPISODES)?;
    let longest = content.source_episodes.iter().map(String::len).max();
    within("bytes of an episode id", longest.unwrap_or(0), MAX_EPISODE_ID)?;
    within("bytes of a content", Size::of_content(content).wire, MAX_CONTENT_LEN)
}

pub(super) fn within(what: &'static str, value: usize, cap: usize) -> Result<(), DecodeError> {
    if value <= cap {
        return Ok(());
    }
    Err(DecodeError::OverLimit { what, value: value as u64, cap: cap as u64 })
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
