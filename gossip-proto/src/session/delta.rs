//! Delta by clocks: each side sends its version summary, then the records above the other side's
//! summary.

mod unoffered;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::directory::{Directory, Hosted};
use super::names::Names;
use super::receive::Arrived;
use super::stream::{Stream, Told};
use super::transfer::QueuedRecord;
use crate::clocks::short_node;
use crate::limits::{MAX_NEWS, MAX_SUMMARIES, MAX_SUMMARY};
use crate::message::{RangeAnswer, RangeOffer, VersionBase, Versions, range_of};
use crate::record::NodeId;
use crate::tag::{self, KEY_LEN, SessionKey};
use crate::{
    Clocks, Intake, Message, ProtocolViolation, SessionError, ShortNode, VersionRange,
    VersionSummary, View,
};

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
    /// The nodes of a space without a delta.
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

/// The delta of one space.
pub(super) struct Delta {
    /// This side's summary, read before the tree was pinned.
    ours: VersionSummary,
    /// The peer's summary, once it has arrived. This side's declarations raise it.
    theirs: Option<VersionSummary>,
    /// The nodes of the peer's summary, ascending: the peer knows their ids.
    known: Vec<ShortNode>,
    /// The nodes of this side's summary, once the peer has sent records.
    nodes: Option<Names>,
    tell: Tell,
    offer: Offer,
    answer: Answer,
    stream: Option<Stream>,
    /// Keys of records that the peer sent although they are above its summary; they need not be
    /// sent back.
    over: BTreeSet<[u8; KEY_LEN]>,
    /// Whether a side declined a range, or the peer accepts no records although this side has some
    /// for it.
    left_out: bool,
    /// Whether this side expects records without an offer.
    expects: bool,
    /// Whether the comparison of the trees has begun.
    ended: bool,
}

/// The form in which to send this side's summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tell {
    Relative,
    Whole,
    /// Whole, with a request for the peer's whole summary.
    WholeForWhole,
    Told,
}

/// The state of this side's offer of ranges.
enum Offer {
    /// Waiting for the peer's summary.
    Waiting,
    /// The peer's summary arrived.
    Due,
    /// Waiting for the peer's answer.
    Made(RangeOffer),
    /// The ranges to send are known.
    Settled,
}

/// The state of this side's answer to the peer's offer of ranges.
enum Answer {
    /// No offer has arrived.
    NoOffer,
    /// Waiting to be sent.
    Due(RangeAnswer),
    Sent,
}

impl Answer {
    fn take_due(&mut self) -> Option<RangeAnswer> {
        if !matches!(self, Self::Due(_)) {
            return None;
        }
        match core::mem::replace(self, Self::Sent) {
            Self::Due(answer) => Some(answer),
            Self::NoOffer | Self::Sent => None,
        }
    }
}

/// The numbers of records in the offered ranges that this side does not take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Untaken {
    /// Number of records that another session is fetching, or that this side cannot accept.
    pub(super) left: u64,
    /// Number of records that another session has received since this one began.
    pub(super) came: u64,
}

impl Deltas {
    pub(super) fn new(peer: Option<ShortNode>, intake: Intake) -> Self {
        Self { peer, unoffered: MAX_NEWS, intake, ..Self::default() }
    }

    /// Begins the delta of a space that differs. Returns false if its trees must be compared
    /// instead.
    pub(super) fn begin<V: View>(&mut self, space_index: u32, space: &mut Hosted<V>) -> bool {
        let Some(ours) = ask(&space.view, |clocks| clocks.summary()) else { return false };
        if ours.len() > MAX_SUMMARY || self.entries[0] + ours.len() > MAX_SUMMARIES {
            return false;
        }
        self.entries[0] += ours.len();
        // The tree is pinned after the summary was read, so it contains everything that the summary
        // covers.
        space.view.repin();
        let mut delta = Delta {
            ours,
            theirs: None,
            known: Vec::new(),
            nodes: None,
            tell: Tell::Relative,
            offer: Offer::Waiting,
            answer: Answer::NoOffer,
            stream: None,
            over: BTreeSet::new(),
            left_out: false,
            expects: false,
            ended: false,
        };
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

    /// Begins to send no further records: leaves those of spaces whose ranges are not decided yet to
    /// a later session.
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
        if delta.theirs.is_some() {
            return Err(SessionError::Violation(ProtocolViolation::SecondSummary));
        }
        if versions.repeat {
            delta.tell = Tell::Whole;
        }
        let base = match &versions.base {
            VersionBase::Whole => Some(VersionSummary::default()),
            VersionBase::Yours if delta.tell == Tell::Told => Some(delta.ours.clone()),
            VersionBase::Yours => {
                return Err(SessionError::Violation(ProtocolViolation::UnknownBase));
            }
            VersionBase::Kept(id) => ask(space, |clocks| clocks.base(id)).flatten(),
        };
        let Some(base) = base else {
            delta.tell = Tell::WholeForWhole;
            return Ok(());
        };
        let told = versions.resolve(&base)?;
        let entries = told.len();
        delta.known = told.iter().map(|(node, _)| node).collect();
        delta.theirs = Some(told);
        delta.offer = Offer::Due;
        delta.expect_told(space);
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
        const UNEXPECTED: SessionError =
            SessionError::Violation(ProtocolViolation::UnexpectedOffer);
        let accepts = space.accepts_records();
        // Another session may have received records since this side sent its summary.
        let handled = ask(space, |clocks| clocks.summary()).unwrap_or_default();
        let delta = self.get_mut(offer.space).ok_or(UNEXPECTED)?;
        if delta.tell != Tell::Told || !matches!(delta.answer, Answer::NoOffer) {
            return Err(UNEXPECTED);
        }
        let mut untaken = Untaken::default();
        let answer = RangeAnswer::to(offer, |range| {
            let (node, upper, records) = range;
            if handled.get(node) >= *upper {
                untaken.came = untaken.came.saturating_add(*records);
                return false;
            }
            let takes = accepts && space.claim_range(&range_of(range, &delta.ours));
            untaken.left = untaken.left.saturating_add(if takes { 0 } else { *records });
            takes
        });
        delta.left_out |= untaken.left > 0 || untaken.came > 0;
        delta.answer = Answer::Due(answer);
        Ok(untaken)
    }

    /// Handles the peer's answer to this side's ranges.
    pub(super) fn on_answer(
        &mut self,
        answer: &RangeAnswer,
        session_key: SessionKey,
    ) -> Result<(), SessionError> {
        const UNEXPECTED: SessionError =
            SessionError::Violation(ProtocolViolation::UnexpectedAnswer);
        let delta = self.get_mut(answer.space).ok_or(UNEXPECTED)?;
        let Offer::Made(offer) = core::mem::replace(&mut delta.offer, Offer::Settled) else {
            return Err(UNEXPECTED);
        };
        answer.check(&offer)?;
        let taken = offer.ranges.iter().enumerate().filter(|(at, _)| answer.takes(*at));
        let theirs = delta.theirs.clone().unwrap_or_default();
        let taken: Vec<_> = taken.map(|(_, range)| range_of(range, &theirs)).collect();
        let all = taken.len() == offer.ranges.len();
        delta.left_out |= !all;
        delta.stream = Some(Stream::new(taken, all, session_key));
        Ok(())
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

impl Delta {
    /// Whether this side sent its summary, so that the peer may send the records above it.
    fn told(&self) -> bool {
        self.tell == Tell::Told
    }

    /// Whether this side sent its summary and its records, or left the records to a later session.
    pub(super) fn is_over(&self) -> bool {
        let sent = match self.offer {
            Offer::Waiting => true,
            Offer::Due | Offer::Made(_) => false,
            Offer::Settled => self.stream.as_ref().is_none_or(Stream::is_done),
        };
        self.told() && sent
    }

    pub(super) fn left_out(&self) -> bool {
        self.left_out
    }

    /// Whether a record lies above the summary that this side sent. The summary has no entry of a
    /// node that this side does not know.
    pub(super) fn awaits(&self, arrived: &Arrived) -> bool {
        self.told() && (arrived.has_unknown_nodes() || exceeds(&arrived.context, &self.ours))
    }

    /// Notes a received record, so that it is not sent back.
    pub(super) fn note(&mut self, key: &[u8; 32], context: &[(NodeId, u64)]) {
        let Some(theirs) = &self.theirs else { return };
        if exceeds(context, theirs) && self.over.len() < MAX_NEWS as usize {
            self.over.insert(tag::key(key));
        }
    }

    /// Whether this side has handled records that the peer has not.
    pub(super) fn has_news(&self, view: &impl View) -> bool {
        let Some(theirs) = &self.theirs else { return false };
        let news = |clocks: &mut dyn Clocks| {
            clocks.summary().iter().any(|(node, upper)| {
                clocks.count(&VersionRange { node, above: theirs.get(&node), upper }) > 0
            })
        };
        ask(view, news).unwrap_or(false)
    }

    fn next_summary(
        &mut self,
        space_index: u32,
        peer: Option<ShortNode>,
        view: &impl View,
    ) -> Option<Versions> {
        let tell = core::mem::replace(&mut self.tell, Tell::Told);
        let whole = || {
            let nothing = VersionSummary::default();
            Versions::relative(space_index, &self.ours, VersionBase::Whole, &nothing)
        };
        match (tell, &self.theirs) {
            (Tell::Told, _) => None,
            (Tell::Whole, _) => Some(whole()),
            (Tell::WholeForWhole, _) => Some(Versions { repeat: true, ..whole() }),
            (Tell::Relative, Some(theirs)) => {
                Some(Versions::relative(space_index, &self.ours, VersionBase::Yours, theirs))
            }
            (Tell::Relative, None) => {
                let base = ask(view, |clocks| {
                    let id = clocks.base_with(peer)?;
                    Some((id, clocks.base(&id)?))
                });
                Some(match base.flatten() {
                    Some((id, base)) => {
                        Versions::relative(space_index, &self.ours, VersionBase::Kept(id), &base)
                    }
                    None => whole(),
                })
            }
        }
    }

    /// Leaves this side's records to a later session once the peer's summary is known; returns
    /// whether there are any.
    fn leave_out(&mut self, view: &impl View) -> bool {
        if !matches!(self.offer, Offer::Due) {
            return false;
        }
        self.offer = Offer::Settled;
        self.left_out |= self.has_news(view);
        self.left_out
    }

    /// Decides which ranges to send once the peer's summary is known; offers them if they hold more
    /// than `unoffered` records.
    fn next_offer(
        &mut self,
        space_index: u32,
        view: &impl View,
        unoffered: u64,
        session_key: SessionKey,
    ) -> Option<RangeOffer> {
        let (Offer::Due, Some(theirs)) = (&self.offer, &self.theirs) else { return None };
        let count = |clocks: &mut dyn Clocks| -> Vec<(ShortNode, u64, u64)> {
            let counted = |(node, upper)| {
                let range = VersionRange { node, above: theirs.get(&node), upper };
                let count = if range.above < upper { clocks.count(&range) } else { 0 };
                (count > 0).then_some((node, upper, count))
            };
            self.ours.iter().filter_map(counted).collect()
        };
        let ranges = ask(view, count).unwrap_or_default();
        let records: u64 = ranges.iter().map(|(_, _, count)| *count).sum();
        if records > unoffered {
            let offer = RangeOffer { space: space_index, ranges };
            self.offer = Offer::Made(offer.clone());
            return Some(offer);
        }
        let ranges = ranges.iter().map(|range| range_of(range, theirs)).collect();
        self.stream = Some(Stream::new(ranges, true, session_key));
        self.offer = Offer::Settled;
        None
    }
}

/// Whether an entry of `context` lies above `summary`.
fn exceeds(context: &[(NodeId, u64)], summary: &VersionSummary) -> bool {
    context.iter().any(|(node, entry)| *entry > summary.get(&short_node(node)))
}

/// Runs `work` on the clocks of a view, if it has any.
pub(super) fn ask<T>(view: &impl View, work: impl FnOnce(&mut dyn Clocks) -> T) -> Option<T> {
    let (mut work, mut answer) = (Some(work), None);
    view.with_clocks(&mut |clocks| answer = work.take().map(|work| work(clocks)));
    answer
}
