//! The delta by clocks of one space.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::clocks::short_node;
use crate::limits::MAX_NEWS;
use crate::message::{RangeAnswer, RangeOffer, VersionBase, Versions, range_of};
use crate::record::NodeId;
use crate::session::names::Names;
use crate::session::receive::Arrived;
use crate::session::stream::Stream;
use crate::tag::{self, KEY_LEN, SessionKey};
use crate::view::ask;
use crate::{
    Clocks, ProtocolViolation, SessionError, ShortNode, VersionRange, VersionSummary, View,
};

/// The delta of one space.
pub(in crate::session) struct Delta {
    /// This side's summary, read before the tree was pinned.
    pub(super) ours: VersionSummary,
    /// The peer's summary, once its base is resolved. This side's declarations raise it.
    pub(super) theirs: Option<VersionSummary>,
    /// The nodes of the peer's summary, ascending: the peer knows their ids.
    pub(super) known: Vec<ShortNode>,
    /// The nodes of this side's summary, once the peer has named nodes by their tags.
    pub(super) nodes: Option<Names>,
    tell: Tell,
    /// Whether this side requested the peer's whole summary.
    asked: bool,
    offer: Offer,
    pub(super) answer: Answer,
    pub(super) stream: Option<Stream>,
    /// Keys of records that the peer sent although they are above its summary; they need not be
    /// sent back.
    pub(super) over: BTreeSet<[u8; KEY_LEN]>,
    /// Whether a side declined a range, or this side has records for the peer that it does not
    /// begin to send.
    left_out: bool,
    /// Whether this side expects records without an offer.
    pub(super) expects: bool,
    /// Whether the comparison of the trees has begun.
    pub(super) ended: bool,
}

/// Whether this side still has to send its summary, and in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tell {
    Relative,
    Whole,
    /// Whole, with a request for the peer's whole summary.
    WholeForWhole,
    /// The summary has been sent.
    Told,
}

/// The state of this side's offer of ranges.
enum Offer {
    /// Waiting for the peer's summary.
    Waiting,
    /// The peer's summary has arrived.
    Due,
    /// Waiting for the peer's answer.
    Made(RangeOffer),
    /// The ranges to send are known, or this side leaves its records to a later session.
    Settled,
}

/// The state of this side's answer to the peer's offer of ranges.
pub(super) enum Answer {
    /// No offer has arrived.
    NoOffer,
    /// Waiting to be sent.
    Due(RangeAnswer),
    Sent,
}

impl Answer {
    pub(super) fn take_due(&mut self) -> Option<RangeAnswer> {
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
pub(in crate::session) struct Untaken {
    /// Number of records that another session is fetching or expects, or that this side cannot
    /// accept.
    pub(in crate::session) left: u64,
    /// Number of records that another session has received since this one began.
    pub(in crate::session) came: u64,
}

impl Delta {
    pub(super) fn new(ours: VersionSummary) -> Self {
        Self {
            ours,
            theirs: None,
            known: Vec::new(),
            nodes: None,
            tell: Tell::Relative,
            asked: false,
            offer: Offer::Waiting,
            answer: Answer::NoOffer,
            stream: None,
            over: BTreeSet::new(),
            left_out: false,
            expects: false,
            ended: false,
        }
    }

    /// Whether this side sent its summary, so that the peer may send the records above it.
    pub(super) fn told(&self) -> bool {
        self.tell == Tell::Told
    }

    /// Whether this side sent its summary and has no records left to send: it sent them, left them
    /// to a later session, or does not know the peer's summary.
    pub(in crate::session) fn is_over(&self) -> bool {
        let sent = match self.offer {
            Offer::Waiting => true,
            Offer::Due | Offer::Made(_) => false,
            Offer::Settled => self.stream.as_ref().is_none_or(Stream::is_done),
        };
        self.told() && sent
    }

    pub(in crate::session) fn left_out(&self) -> bool {
        self.left_out
    }

    /// Whether a record lies above the summary that this side sent. The summary has no entry of a
    /// node that this side does not know.
    pub(in crate::session) fn awaits(&self, arrived: &Arrived) -> bool {
        self.told() && (arrived.has_unknown_nodes() || exceeds(&arrived.context, &self.ours))
    }

    /// Notes a received record that is above the peer's summary, so that it is not sent back.
    pub(in crate::session) fn note(&mut self, key: &[u8; 32], context: &[(NodeId, u64)]) {
        let Some(theirs) = &self.theirs else { return };
        if exceeds(context, theirs) && self.over.len() < MAX_NEWS as usize {
            self.over.insert(tag::key(key));
        }
    }

    /// Whether this side has handled records above the peer's summary; false while that summary is
    /// unknown.
    pub(in crate::session) fn has_news(&self, view: &impl View) -> bool {
        let Some(theirs) = &self.theirs else { return false };
        let news = |clocks: &mut dyn Clocks| {
            clocks.summary().iter().any(|(node, upper)| {
                clocks.count(&VersionRange { node, above: theirs.get(&node), upper }) > 0
            })
        };
        ask(view, news).unwrap_or(false)
    }

    /// Handles the peer's summary.
    pub(super) fn on_versions(
        &mut self,
        versions: &Versions,
        view: &impl View,
    ) -> Result<(), SessionError> {
        let is_requested = !self.asked || versions.base == VersionBase::Whole;
        if self.theirs.is_some() || !is_requested {
            return Err(SessionError::Violation(ProtocolViolation::SecondSummary));
        }
        if versions.repeat {
            self.tell = Tell::Whole;
        }
        let base = match &versions.base {
            VersionBase::Whole => Some(VersionSummary::default()),
            VersionBase::Yours if self.tell == Tell::Told => Some(self.ours.clone()),
            VersionBase::Yours => {
                return Err(SessionError::Violation(ProtocolViolation::UnknownBase));
            }
            VersionBase::Kept(id) => ask(view, |clocks| clocks.base(id)).flatten(),
        };
        let Some(base) = base else {
            self.tell = Tell::WholeForWhole;
            self.asked = true;
            return Ok(());
        };
        let told = versions.resolve(&base)?;
        self.known = told.iter().map(|(node, _)| node).collect();
        self.theirs = Some(told);
        self.offer = Offer::Due;
        self.expect_told(view);
        Ok(())
    }

    /// Decides which of the peer's ranges this side takes.
    pub(super) fn on_offer(
        &mut self,
        offer: &RangeOffer,
        view: &impl View,
    ) -> Result<Untaken, SessionError> {
        if self.tell != Tell::Told || !matches!(self.answer, Answer::NoOffer) {
            return Err(SessionError::Violation(ProtocolViolation::UnexpectedOffer));
        }
        let accepts = view.accepts_records();
        // Another session may have received records since this side sent its summary.
        let handled = ask(view, |clocks| clocks.summary()).unwrap_or_default();
        let mut untaken = Untaken::default();
        let answer = RangeAnswer::to(offer, |range| {
            let (node, upper, records) = range;
            if handled.get(node) >= *upper {
                untaken.came = untaken.came.saturating_add(*records);
                return false;
            }
            let takes = accepts && view.claim_range(&range_of(range, &self.ours));
            untaken.left = untaken.left.saturating_add(if takes { 0 } else { *records });
            takes
        });
        self.left_out |= untaken.left > 0 || untaken.came > 0;
        self.answer = Answer::Due(answer);
        Ok(untaken)
    }

    /// Handles the peer's answer to this side's ranges.
    pub(super) fn on_answer(
        &mut self,
        answer: &RangeAnswer,
        session_key: SessionKey,
    ) -> Result<(), SessionError> {
        let Offer::Made(offer) = core::mem::replace(&mut self.offer, Offer::Settled) else {
            return Err(SessionError::Violation(ProtocolViolation::UnexpectedAnswer));
        };
        answer.check(&offer)?;
        let taken = offer.ranges.iter().enumerate().filter(|(at, _)| answer.takes(*at));
        let theirs = self.theirs.clone().unwrap_or_default();
        let taken: Vec<_> = taken.map(|(_, range)| range_of(range, &theirs)).collect();
        let all = taken.len() == offer.ranges.len();
        self.left_out |= !all;
        self.stream = Some(Stream::new(taken, all, session_key));
        Ok(())
    }

    pub(super) fn next_summary(
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
    pub(super) fn leave_out(&mut self, view: &impl View) -> bool {
        if !matches!(self.offer, Offer::Due) {
            return false;
        }
        self.offer = Offer::Settled;
        let has_news = self.has_news(view);
        self.left_out |= has_news;
        has_news
    }

    /// Decides which ranges to send once the peer's summary is known; offers them if they hold more
    /// than `unoffered` records.
    pub(super) fn next_offer(
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
