//! Receives records: applies those that were asked for, and finds those that lack a content, a
//! digest or a node.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::directory::{Directory, Hosted};
use super::names::{Names, NodeNames};
use super::slices::Assembly;
use super::transfer::{Named, Transfer};
use crate::codec::Size;
use crate::limits::{MAX_AHEAD, MAX_NODE_DOTS, MAX_UNFOLDED};
use crate::message::{ContentPart, PatternSync};
use crate::record::NodeId;
use crate::tag::{self, SessionKey, Tag};
use crate::{Delivery, ProtocolViolation, Receipt, Record, SessionError, ShortRecord, View, Wire};

/// Contents that arrived ahead of their part of a record.
pub(super) struct Carried<C> {
    space_index: u32,
    contents: Vec<Named<C>>,
    /// Bytes of `contents` on the wire without compression.
    bytes: usize,
    /// The content that is arriving in parts.
    assembly: Option<Assembly>,
}

impl<C> Default for Carried<C> {
    fn default() -> Self {
        Self::at(0)
    }
}

impl<C> Carried<C> {
    fn at(space_index: u32) -> Self {
        Self { space_index, contents: Vec::new(), bytes: 0, assembly: None }
    }
}

/// A requested record, with the pieces that have arrived so far.
pub(super) struct Arriving {
    space_index: u32,
    key: [u8; 32],
    record: Record,
}

/// A record of a message.
pub(super) struct Arrived {
    pub(super) key: [u8; 32],
    /// The context, without the nodes that this side does not know.
    pub(super) context: Vec<(NodeId, u64)>,
    /// The record, without the parts and the suppressions that lack a digest or a node.
    record: Record,
    form: Form,
}

impl Arrived {
    /// Whether a part belongs to a node that this side does not know.
    pub(super) fn has_unknown_nodes(&self) -> bool {
        self.form == Form::LacksNodes
    }

    fn is_whole(&self) -> bool {
        matches!(self.form, Form::Whole | Form::Restored)
    }
}

/// The form in which a record arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// With digests.
    Whole,
    /// With tags. This side found the digest or the node of every tag that the join needs.
    Restored,
    /// With tags. This side did not find the digest of a tag in a part of the record.
    LacksDigests,
    /// With tags. This side did not find the digest of a tag among the suppressed ones.
    LacksSuppression,
    /// With tags. This side did not find the node of a tag.
    LacksNodes,
}

/// The result of receiving a message of records.
#[derive(Default)]
pub(super) struct Received {
    pub(super) receipt: Receipt,
    pub(super) unasked: u32,
    /// The requested records, with their keys.
    pub(super) requested: Vec<([u8; 32], Record)>,
    /// The keys of records that lack a content, a digest or a node and were not applied.
    pub(super) lacking: Vec<[u8; 32]>,
}

impl<C: Wire> Transfer<C> {
    /// Decodes the contents of a message, and resolves the tags in its records. The contents that
    /// came ahead are among the returned ones. If the message has no records, keeps its contents
    /// for a later message and returns nothing.
    pub(super) fn open(
        &mut self,
        sync: PatternSync,
        view: &impl View<Content = C>,
        nodes: &NodeNames<'_>,
        session_key: SessionKey,
    ) -> Result<(Vec<Arrived>, Vec<Named<C>>), SessionError> {
        let contents = sync.decode_contents::<C>()?.into_iter();
        let mut contents: Vec<_> =
            contents.map(|content| (view.digest(&content), content)).collect();
        self.end_assembly()?;
        if self.carried.space_index != sync.space {
            self.carried = Carried::at(sync.space);
        }
        if sync.records.is_empty() && sync.short.is_empty() {
            self.carry(contents)?;
            return Ok((Vec::new(), Vec::new()));
        }
        contents
            .append(&mut core::mem::replace(&mut self.carried, Carried::at(sync.space)).contents);
        let whole = sync.records.into_iter().map(|record| Arrived {
            key: view.key_of(&record.id),
            context: record.context().collect(),
            record,
            form: Form::Whole,
        });
        let mut arrived: Vec<_> = whole.collect();
        if !sync.short.is_empty() {
            let along = Names::of(contents.iter().map(|(digest, _)| digest), session_key);
            let short = sync.short.into_iter();
            arrived.extend(short.map(|record| restore(record, &along, nodes, view, session_key)));
        }
        Ok((arrived, contents))
    }

    /// Applies the records of a message that this side asked for.
    ///
    /// This side asked for a record if it requested the record's key, or if `told` returns true. In
    /// the second case, this side disclosed its entries around that key, or sent a version summary
    /// that does not cover the record, so the peer could tell that the record is missing here.
    pub(super) fn receive<V: View<Content = C>>(
        &mut self,
        space_index: u32,
        mut arrived: Vec<Arrived>,
        mut contents: Vec<Named<C>>,
        space: &mut Hosted<V>,
        told: impl Fn(&Arrived) -> bool,
    ) -> Received {
        if arrived.is_empty() {
            return Received::default();
        }
        let came = arrived.len();
        let is_requested = |arrived: &Arrived| self.awaits(space_index, &tag::key(&arrived.key));
        arrived.retain(|arrived| is_requested(arrived) || told(arrived));
        let unasked = (came - arrived.len()) as u32;
        let requested =
            arrived.iter().filter(|arrived| arrived.is_whole() && is_requested(arrived));
        let requested = requested.map(|arrived| (arrived.key, arrived.record.clone())).collect();
        let lacking = Self::leave_incomplete(&mut arrived, &contents, &space.view);
        let records: Vec<Record> = arrived.into_iter().map(|arrived| arrived.record).collect();
        let named: BTreeSet<[u8; 32]> =
            records.iter().flat_map(Record::mentions).copied().collect();
        contents.retain(|(digest, _)| named.contains(digest));
        let receipt = space.view.apply(Delivery { records, contents });
        Received { receipt, unasked, requested, lacking }
    }

    /// Removes the records sent by clocks that lack a digest, a node, or a content that is neither
    /// in the message nor held; returns their keys, which must be requested. If this node recently
    /// refused such a record, removes only the parts that lack a digest or a content, because the
    /// refusal most likely concerned them. A record that lacks a suppressed digest or a node is
    /// requested even then: the answer has them.
    fn leave_incomplete(
        arrived: &mut Vec<Arrived>,
        contents: &[Named<C>],
        view: &impl View,
    ) -> Vec<[u8; 32]> {
        let along: BTreeSet<&[u8; 32]> = contents.iter().map(|(digest, _)| digest).collect();
        let held = |digest: &[u8; 32]| along.contains(digest) || view.holds(digest);
        let mut lacking = Vec::new();
        arrived.retain_mut(|Arrived { key, record, form, .. }| {
            let is_complete = match form {
                Form::Whole => true,
                Form::Restored => record.mentions().all(held),
                Form::LacksDigests | Form::LacksSuppression | Form::LacksNodes => false,
            };
            if is_complete {
                return true;
            }
            let may_be_refused = matches!(form, Form::Restored | Form::LacksDigests);
            if may_be_refused && view.has_refused(&tag::key(key)) {
                record.parts.retain(|part| part.contents().all(held));
                return !record.parts.is_empty();
            }
            lacking.push(*key);
            false
        });
        lacking
    }

    /// Notes a piece of a requested record. The pieces of one record are consecutive.
    pub(super) fn arrive<V: View<Content = C>>(
        &mut self,
        space_index: u32,
        (key, piece): ([u8; 32], Record),
        directory: &Directory<V>,
        session_key: SessionKey,
    ) {
        match &mut self.arriving {
            Some(arriving) if arriving.continues(space_index, &key) => {
                arriving.record.absorb(piece)
            }
            _ => {
                self.finish_arriving(directory, session_key);
                self.arriving = Some(Arriving { space_index, key, record: piece });
            }
        }
    }

    /// Queues the record for the peer if this side's record differs, after the join, from the one
    /// that the peer sent.
    pub(super) fn finish_arriving<V: View<Content = C>>(
        &mut self,
        directory: &Directory<V>,
        session_key: SessionKey,
    ) {
        let Some(Arriving { space_index, key, record }) = self.arriving.take() else { return };
        // The peer has refused what it still lacks of a record sent by clocks.
        if self.sent.contains(space_index, tag::key(&key)) {
            return;
        }
        let joined = directory.at(space_index).and_then(|space| space.view.record(&key));
        if joined.is_some_and(|joined| joined != record) {
            self.push_record(space_index, key, session_key.tags(record.contents()));
        }
    }

    /// Receives the next part of a content.
    ///
    /// # Errors
    /// Fails if the part does not continue the previous one, if the completed bytes are not exactly
    /// one content, or if the contents ahead exceed a limit.
    pub(super) fn receive_part(
        &mut self,
        part: ContentPart,
        view: &impl View<Content = C>,
    ) -> Result<(), SessionError> {
        if self.carried.space_index != part.space {
            self.end_assembly()?;
            self.carried = Carried::at(part.space);
        }
        let assembly = self.carried.assembly.get_or_insert_with(|| Assembly::new(&part));
        assembly.add(part)?;
        match self.carried.assembly.take_if(|assembly| assembly.is_complete()) {
            Some(complete) => {
                let content = complete.finish()?;
                self.carry(Vec::from([(view.digest(&content), content)]))
            }
            None => Ok(()),
        }
    }

    /// Fails if the content that is arriving is incomplete.
    pub(super) fn end_assembly(&mut self) -> Result<(), SessionError> {
        match self.carried.assembly.take() {
            Some(_) => Err(SessionError::Violation(ProtocolViolation::MissingPart)),
            None => Ok(()),
        }
    }

    fn carry(&mut self, contents: Vec<Named<C>>) -> Result<(), SessionError> {
        let over = |what, cap| Err(SessionError::OverLimit { what, cap: cap as u64 });
        if self.carried.contents.len() + contents.len() > MAX_NODE_DOTS {
            return over("contents ahead of their part", MAX_NODE_DOTS);
        }
        self.carried.bytes +=
            contents.iter().map(|(_, content)| content.size().wire).sum::<usize>();
        if self.carried.bytes > MAX_AHEAD {
            return over("bytes of contents ahead of their part", MAX_AHEAD);
        }
        self.carried.contents.extend(contents);
        Ok(())
    }
}

/// Resolves the tags of a record. A content's tag stands for the only digest that has it, among
/// those of the contents of the message and those in this side's record.
fn restore(
    short: ShortRecord,
    along: &Names,
    nodes: &NodeNames<'_>,
    view: &impl View,
    session_key: SessionKey,
) -> Arrived {
    let key = view.key_of(&short.id);
    let (named_nodes, suppressed) = (short.parts.len(), short.suppressed.len());
    let known = short.context().filter_map(|(tag, entry)| Some((nodes.find(&tag)?, entry)));
    let context: Vec<(NodeId, u64)> = known.collect();
    let held = view.record(&key);
    let names = Names::of(held.iter().flat_map(Record::digests), session_key);
    let digest_of = |tag: &Tag| names.find(along, tag);
    let (record, is_whole) = short.restore(held.as_ref(), digest_of, |tag| nodes.find(tag));
    let form = match is_whole {
        true => Form::Restored,
        false if context.len() < named_nodes => Form::LacksNodes,
        false if record.suppressed.len() < suppressed => Form::LacksSuppression,
        false => Form::LacksDigests,
    };
    Arrived { key, context, record, form }
}

impl Arriving {
    /// Whether a piece belongs to this record. A record that unfolds to more than [`MAX_UNFOLDED`]
    /// is compared in parts, which costs bytes but no memory.
    fn continues(&self, space_index: u32, key: &[u8; 32]) -> bool {
        let small = Size::of_record(&self.record).unfolded <= MAX_UNFOLDED;
        self.space_index == space_index && self.key == *key && small
    }
}
