//! Receives records: applies those that were asked for, and finds those that lack a content.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::directory::{Directory, Hosted};
use super::slices::Assembly;
use super::transfer::{Named, Transfer};
use crate::codec::Size;
use crate::limits::{MAX_AHEAD, MAX_NODE_DOTS, MAX_UNFOLDED};
use crate::message::ContentPart;
use crate::tag::{self, SessionKey};
use crate::{Delivery, ProtocolViolation, Receipt, Record, SessionError, View, Wire};

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

/// The result of receiving a message of records.
#[derive(Default)]
pub(super) struct Received {
    pub(super) receipt: Receipt,
    pub(super) unasked: u32,
    /// The requested records, with their keys.
    pub(super) requested: Vec<([u8; 32], Record)>,
    /// The keys of records that lack a content and were not applied.
    pub(super) lacking: Vec<[u8; 32]>,
}

impl<C: Wire> Transfer<C> {
    /// Applies the records of a delivery that this side asked for.
    ///
    /// This side asked for a record if it requested the record's key, or if `told` returns true. In
    /// the second case, this side disclosed its entries around that key, or sent a version summary
    /// that does not cover the record, so the peer could tell that the record is missing here.
    pub(super) fn receive<V: View<Content = C>>(
        &mut self,
        space_index: u32,
        delivery: Delivery<C>,
        space: &mut Hosted<V>,
        told: impl Fn(&[u8; 32], &Record) -> bool,
    ) -> Result<Received, SessionError> {
        let Delivery { mut records, mut contents } = delivery;
        self.end_assembly()?;
        if self.carried.space_index != space_index {
            self.carried = Carried::at(space_index);
        }
        if records.is_empty() {
            self.carry(contents)?;
            return Ok(Received::default());
        }
        contents
            .append(&mut core::mem::replace(&mut self.carried, Carried::at(space_index)).contents);

        let came = records.len();
        let mut requested = Vec::new();
        records.retain(|record| {
            let key = space.view.key_of(&record.id);
            let asked = self.awaited.contains(&(space_index, tag::key(&key)));
            if asked {
                requested.push((key, record.clone()));
            }
            asked || told(&key, record)
        });
        let unasked = (came - records.len()) as u32;
        let lacking = self.leave_incomplete(space_index, &mut records, &contents, &space.view);
        let named: BTreeSet<[u8; 32]> =
            records.iter().flat_map(Record::mentions).copied().collect();
        contents.retain(|(digest, _)| named.contains(digest));
        let receipt = space.view.apply(Delivery { records, contents });
        Ok(Received { receipt, unasked, requested, lacking })
    }

    /// Removes the records that arrived without a request and name a content that is neither in the
    /// delivery nor held. Returns their keys, which must be requested. If a record was recently
    /// refused, removes only the parts that name such contents, because these parts were refused.
    fn leave_incomplete(
        &self,
        space_index: u32,
        records: &mut Vec<Record>,
        contents: &[Named<C>],
        view: &impl View,
    ) -> Vec<[u8; 32]> {
        let along: BTreeSet<&[u8; 32]> = contents.iter().map(|(digest, _)| digest).collect();
        let mut lacking = Vec::new();
        records.retain_mut(|record| {
            let key = view.key_of(&record.id);
            let held = |digest: &[u8; 32]| along.contains(digest) || view.holds(digest);
            let asked = self.awaited.contains(&(space_index, tag::key(&key)));
            if asked || record.mentions().all(held) {
                return true;
            }
            if view.has_refused(&tag::key(&key)) {
                record.parts.retain(|part| part.contents().all(held));
                return !record.parts.is_empty();
            }
            lacking.push(key);
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
        let joined = directory.at(space_index).and_then(|space| space.view.record(&key));
        if joined.is_some_and(|joined| joined != record) {
            self.push_record(space_index, key, session_key.tags(record.contents()));
        }
    }

    /// Receives the next part of a content.
    ///
    /// # Errors
    /// Fails if the part does not continue the previous one, or if the completed bytes are not
    /// exactly one content.
    pub(super) fn receive_part(&mut self, part: ContentPart) -> Result<(), SessionError> {
        if self.carried.space_index != part.space {
            self.end_assembly()?;
            self.carried = Carried::at(part.space);
        }
        let assembly = self.carried.assembly.get_or_insert_with(|| Assembly::new(&part));
        assembly.add(part)?;
        match self.carried.assembly.take_if(|assembly| assembly.is_complete()) {
            Some(complete) => self.carry(Vec::from([complete.finish()?])),
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

impl Arriving {
    /// Whether a piece belongs to this record. A record that unfolds to more than [`MAX_UNFOLDED`]
    /// is compared in parts, which costs bytes but no memory.
    fn continues(&self, space_index: u32, key: &[u8; 32]) -> bool {
        let small = Size::of_record(&self.record).unfolded <= MAX_UNFOLDED;
        self.space_index == space_index && self.key == *key && small
    }
}
