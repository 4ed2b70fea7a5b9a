//! Delta by clocks: each side sends its version summary, then the records above the other side's
//! summary.

mod space;
mod unoffered;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use self::space::{Delta, Untaken};
use super::directory::{Directory, Hosted};
use super::names::Names;
use super::stream::{Stream, Told};
use super::transfer::QueuedRecord;
use crate::clocks::short_node;
use crate::limits::{MAX_NEWS, MAX_SUMMARIES, MAX_SUMMARY};
use crate::message::{RangeAnswer, RangeOffer, Versions};
use crate::record::NodeId;
use crate::tag::SessionKey;
use crate::view::ask;
use crate::{Intake, Message, ProtocolViolation, SessionError, ShortNode, VersionSummary, View};

/// The spaces that are synced by clocks; the delta of each ends when the comparison of its trees
/// begins.
#[derive(Default)]
pub(super) struct Deltas {
    spaces: BTreeMap<u32, Delta>,
    /// The peer's short id, which selects the base of a summary.
    peer: Option<ShortNode>,
    /// Number of entries in all summaries of this side, and in those of the peer.
    entries: [usize; 2],
    sending: Sending,
    /// No nodes, for a space without a delta.
    nothing: Names,
    /// Maximum number of records of a space that this side sends without an offer of their ranges.
    unoffered: u64,
    intake: Intake,
}

/// Whether this side may begin to send records by clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sending {
    #[default]
    Open,
    /// The peer accepts no records, or this side starts nothing new.
    Closed,
    /// Closed, although this side has records for the peer.
    KeptBack,
}

impl Deltas {
    pub(super) fn new(peer: Option<ShortNode>, intake: Intake) -> Self {
        Self { peer, unoffered: MAX_NEWS, intake, ..Self::default() }
    }

    /// Begins the delta of a space that differs or is expected to. Returns false if its trees must
    /// be compared instead.
    pub(super) fn begin<V: View>(&mut self, space_index: u32, space: &mut Hosted<V>) -> bool {
        let Some(ours) = ask(&space.view, |clocks| clocks.summary()) else { return false };
        if ours.len() > MAX_SUMMARY || self.entries[0] + ours.len() > MAX_SUMMARIES {
            return false;
        }
        self.entries[0] += ours.len();
        // The tree is pinned after the summary was read, so it contains everything that the summary
        // covers.
        space.view.repin();
        let mut delta = Delta::new(ours);
        if self.intake != Intake::Offered {
            delta.expect_any(&space.view);
        }
        self.spaces.insert(space_index, delta);
        true
    }

    /// Ends the delta of a space, because the comparison of its trees begins.
    ///
    /// Returns false if the space has no delta or its delta has already ended.
    pub(super) fn end(&mut self, space_index: u32) -> bool {
        self.get_mut(space_index).map(|delta| delta.ended = true).is_some()
    }

    /// The delta of a space, unless it has ended.
    pub(super) fn get(&self, space_index: u32) -> Option<&Delta> {
        self.spaces.get(&space_index).filter(|delta| !delta.ended)
    }

    pub(super) fn get_mut(&mut self, space_index: u32) -> Option<&mut Delta> {
        self.spaces.get_mut(&space_index).filter(|delta| !delta.ended)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Delta)> {
        let all = self.spaces.iter().map(|(space_index, delta)| (*space_index, delta));
        all.filter(|(_, delta)| !delta.ended)
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Delta)> {
        let all = self.spaces.iter_mut().map(|(space_index, delta)| (*space_index, delta));
        all.filter(|(_, delta)| !delta.ended)
    }

    /// The peer's summaries, raised by this side's declarations, including those of ended deltas.
    pub(super) fn told(&self) -> impl Iterator<Item = (u32, &VersionSummary)> {
        self.spaces
            .iter()
            .filter_map(|(space_index, delta)| Some((*space_index, delta.theirs.as_ref()?)))
    }

    /// Whether the summary that the peer sent for a space has an entry of `node`.
    pub(super) fn peer_knows(&self, space_index: u32, node: &NodeId) -> bool {
        let delta = self.spaces.get(&space_index);
        delta.is_some_and(|delta| delta.known.binary_search(&short_node(node)).is_ok())
    }

    /// The nodes of the summary that this side sent for a space, by their tags: the only ones that
    /// the peer may name without introducing them.
    pub(super) fn nodes_told(
        &mut self,
        space_index: u32,
        view: &impl View,
        session_key: SessionKey,
    ) -> &Names {
        let Some(delta) = self.spaces.get_mut(&space_index) else { return &self.nothing };
        let Delta { ours, nodes, .. } = delta;
        nodes.get_or_insert_with(|| {
            let known = ask(view, |clocks| clocks.nodes()).unwrap_or_default();
            let told = known.iter().filter(|node| ours.get(&short_node(node)) > 0);
            Names::of(told, session_key)
        })
    }

    /// Keeps only the deltas of the spaces at `places`, which must be ascending.
    pub(super) fn retain<V: View>(&mut self, places: &[u32], directory: &Directory<V>) {
        self.spaces.retain(|space_index, delta| {
            let is_kept = places.binary_search(space_index).is_ok();
            if let (false, Some(space)) = (is_kept, directory.named(*space_index)) {
                delta.expect_nothing(&space.view);
            }
            is_kept
        });
    }

    pub(super) fn peer(&self) -> Option<ShortNode> {
        self.peer
    }

    /// Stops this side from beginning to send records: leaves those of spaces whose ranges are not
    /// decided yet to a later session.
    pub(super) fn keep_back(&mut self) {
        if self.sending == Sending::Open {
            self.sending = Sending::Closed;
        }
    }

    /// Makes this side offer ranges before it sends any records, because the peer asks for offers.
    pub(super) fn offer_all(&mut self) {
        self.unoffered = 0;
    }

    /// Whether this side has records that it does not begin to send.
    pub(super) fn kept_back(&self) -> bool {
        self.sending == Sending::KeptBack
    }

    /// Leaves unsent records to a later session; returns whether a stream was unfinished.
    pub(super) fn stop(&mut self) -> bool {
        let streams = self.iter_mut().filter_map(|(_, delta)| delta.stream.as_mut());
        streams.fold(false, |stopped, stream| {
            let was_done = stream.is_done();
            stream.stop();
            stopped || !was_done
        })
    }

    /// Returns the next record to send by clocks. Each call marks the previously returned record as
    /// sent.
    pub(super) fn next_queued<V: View>(
        &mut self,
        directory: &Directory<V>,
        session_key: SessionKey,
    ) -> Option<QueuedRecord> {
        self.iter_mut().find_map(|(space_index, delta)| {
            let view = &directory.at(space_index)?.view;
            let Delta { ours, theirs, over, stream, .. } = delta;
            let told = Told { ours, theirs: theirs.as_ref()?, came: over };
            stream.as_mut()?.next(space_index, view, &told, session_key)
        })
    }

    /// Takes the versions to declare for a space.
    pub(super) fn declare(&mut self, space_index: u32) -> Vec<(NodeId, u64)> {
        let Some(delta) = self.get_mut(space_index) else { return Vec::new() };
        let declared = delta.stream.as_mut().map(Stream::take_declared).unwrap_or_default();
        if let Some(theirs) = &mut delta.theirs {
            declared.iter().for_each(|(node, upper)| theirs.raise(short_node(node), *upper));
        }
        declared.into_iter().collect()
    }

    /// A space with versions to declare.
    pub(super) fn undeclared(&self) -> Option<u32> {
        let due = |(_, delta): &(u32, &Delta)| {
            delta.stream.as_ref().is_some_and(Stream::has_declarations)
        };
        self.iter().find(due).map(|(space_index, _)| space_index)
    }

    /// Handles the peer's summary of a space; ignores it if the space has no delta.
    pub(super) fn on_versions(
        &mut self,
        versions: &Versions,
        space: &impl View,
    ) -> Result<(), SessionError> {
        let Some(delta) = self.get_mut(versions.space) else { return Ok(()) };
        delta.on_versions(versions, space)?;
        let entries = delta.known.len();
        self.entries[1] += entries;
        if self.entries[1] > MAX_SUMMARIES {
            let (what, cap) = ("entries of version summaries", MAX_SUMMARIES as u64);
            return Err(SessionError::OverLimit { what, cap });
        }
        Ok(())
    }

    /// Decides which of the peer's ranges this side takes.
    pub(super) fn on_offer(
        &mut self,
        offer: &RangeOffer,
        space: &impl View,
    ) -> Result<Untaken, SessionError> {
        let delta = self.get_mut(offer.space);
        let delta = delta.ok_or(SessionError::Violation(ProtocolViolation::UnexpectedOffer))?;
        delta.on_offer(offer, space)
    }

    /// Handles the peer's answer to this side's ranges.
    pub(super) fn on_answer(
        &mut self,
        answer: &RangeAnswer,
        session_key: SessionKey,
    ) -> Result<(), SessionError> {
        let delta = self.get_mut(answer.space);
        let delta = delta.ok_or(SessionError::Violation(ProtocolViolation::UnexpectedAnswer))?;
        delta.on_answer(answer, session_key)
    }

    /// The next message about summaries or ranges in this turn.
    pub(super) fn next<V: View>(
        &mut self,
        directory: &Directory<V>,
        session_key: SessionKey,
    ) -> Option<Message> {
        let (peer, unoffered, mut sending) = (self.peer, self.unoffered, self.sending);
        let message = self.iter_mut().find_map(|(space_index, delta)| {
            let view = &directory.named(space_index)?.view;
            if let Some(told) = delta.next_summary(space_index, peer, view) {
                return Some(Message::Versions(told));
            }
            if let Some(answer) = delta.answer.take_due() {
                return Some(Message::RangeAnswer(answer));
            }
            if sending != Sending::Open {
                if delta.leave_out(view) {
                    sending = Sending::KeptBack;
                }
                return None;
            }
            let offer = delta.next_offer(space_index, view, unoffered, session_key);
            offer.map(Message::RangeOffer)
        });
        self.sending = sending;
        message
    }
}
