//! The records of a space that one side sends by clocks, one range per node, oldest records first.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::transfer::QueuedRecord;
use crate::clocks::short_node;
use crate::limits::MAX_NEWS;
use crate::record::NodeId;
use crate::tag::{KEY_LEN, SessionKey, Tag};
use crate::view::ask;
use crate::{Clocks, Prefix, Record, ShortNode, VersionRange, VersionSummary, View};

/// Number of records looked up at once, apart from further ones with the last one's version.
const PAGE: usize = 256;

/// A stream of the records in the ranges that the peer takes, each sent once. If the peer takes all
/// ranges, the records above this side's summary follow, unless there are many.
pub(super) struct Stream {
    /// The ranges, one per node. The session key selects the first node, so that records that are
    /// refused again and again do not delay those of other nodes every time.
    ranges: Vec<VersionRange>,
    /// The index of the range being sent.
    current: usize,
    /// The next records of the current range.
    page: VecDeque<(u64, [u8; KEY_LEN])>,
    /// The version up to which the current range has been looked up.
    looked_up: u64,
    /// The last returned record, until it is known to have been sent.
    last: Option<Mark>,
    /// For each node, the version up to which all its records have been sent; to be declared with the
    /// next message.
    declared: BTreeMap<NodeId, u64>,
    rest: Rest,
}

/// The state of the records above this side's summary.
enum Rest {
    /// Not sent in this session, because the peer did not take all ranges.
    LeftOut,
    /// Waiting until the ranges are sent.
    Due,
    /// Being sent, in an order that depends on the session key. These records are never declared,
    /// so sessions that break off early must not begin with the same ones every time.
    Sending(BTreeSet<(Tag, [u8; KEY_LEN])>),
    /// Nothing is left to send.
    Done,
}

/// The node and the version of a returned record.
struct Mark {
    node: NodeId,
    version: u64,
}

/// The summaries and the received keys that a stream depends on.
pub(super) struct Told<'a> {
    pub(super) ours: &'a VersionSummary,
    pub(super) theirs: &'a VersionSummary,
    /// Keys of records that the peer sent although they are above its summary.
    pub(super) came: &'a BTreeSet<[u8; KEY_LEN]>,
}

impl Stream {
    /// Creates a stream of `ranges`; `all` is true if the peer takes every range that was offered.
    pub(super) fn new(mut ranges: Vec<VersionRange>, all: bool, session_key: SessionKey) -> Self {
        let first = u64::from(session_key.key_tag(&[0; KEY_LEN])[0]) * ranges.len() as u64 / 256;
        ranges.rotate_left(first as usize);
        let looked_up = ranges.first().map_or(0, |range| range.above);
        Self {
            ranges,
            current: 0,
            page: VecDeque::new(),
            looked_up,
            last: None,
            declared: BTreeMap::new(),
            rest: if all { Rest::Due } else { Rest::LeftOut },
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.rest, Rest::Done)
    }

    /// Stops sending. The last returned record does not count as sent.
    pub(super) fn stop(&mut self) {
        (self.last, self.rest) = (None, Rest::Done);
    }

    /// Takes the versions to declare with the next message.
    pub(super) fn take_declared(&mut self) -> BTreeMap<NodeId, u64> {
        core::mem::take(&mut self.declared)
    }

    pub(super) fn has_declarations(&self) -> bool {
        !self.declared.is_empty()
    }

    /// Returns the next record. Each call marks the previously returned record as sent.
    pub(super) fn next(
        &mut self,
        space_index: u32,
        view: &impl View,
        told: &Told<'_>,
        session_key: SessionKey,
    ) -> Option<QueuedRecord> {
        if self.is_done() {
            return None;
        }
        let queued = self.next_of_ranges(space_index, view, told, session_key);
        let queued = queued.or_else(|| self.next_of_rest(space_index, view, told, session_key));
        if queued.is_none() {
            self.rest = Rest::Done;
        }
        queued
    }

    fn next_of_ranges(
        &mut self,
        space_index: u32,
        view: &impl View,
        told: &Told<'_>,
        session_key: SessionKey,
    ) -> Option<QueuedRecord> {
        while let Some(range) = self.ranges.get(self.current).copied() {
            self.look_up(view, &range);
            let next = self.page.pop_front();
            let follows = self.declare_last(&range, next);
            let Some((version, short)) = next else {
                self.current += 1;
                self.looked_up = self.ranges.get(self.current).map_or(0, |range| range.above);
                continue;
            };
            let Some((key, record)) = find(view, &short) else { continue };
            let Some(node) = node_of(&record, &range.node) else { continue };
            self.last = Some(Mark { node, version });
            if !self.was_sent(&record) {
                let at = (space_index, key);
                return Some(queue(at, &record, told.theirs, session_key, follows));
            }
        }
        None
    }

    fn look_up(&mut self, view: &impl View, range: &VersionRange) {
        if self.page.is_empty() && self.looked_up < range.upper {
            let rest = VersionRange { above: self.looked_up, ..*range };
            let page = ask(view, |clocks| clocks.records(&rest, PAGE)).unwrap_or_default();
            self.looked_up = page.last().map_or(range.upper, |(version, _)| *version);
            self.page = page.into();
        }
    }

    /// Declares all versions below that of the next record, or up to the end of the range if there
    /// is none, because the last returned record has been sent. If the next record has the same
    /// version, declares nothing and returns true, because that record must follow.
    fn declare_last(&mut self, range: &VersionRange, next: Option<(u64, [u8; KEY_LEN])>) -> bool {
        let Some(Mark { node, version }) = self.last.take() else { return false };
        let upper = match next {
            Some((next, _)) if next == version => return true,
            Some((next, _)) => next - 1,
            None => range.upper,
        };
        self.declared.insert(node, upper);
        false
    }

    /// Whether a record was sent as part of an earlier range.
    fn was_sent(&self, record: &Record) -> bool {
        self.ranges[..self.current].iter().any(|range| lies_in(record, range))
    }

    /// The next record above this side's summary. These records are sent last, and only if there
    /// are few of them.
    fn next_of_rest(
        &mut self,
        space_index: u32,
        view: &impl View,
        told: &Told<'_>,
        session_key: SessionKey,
    ) -> Option<QueuedRecord> {
        if matches!(self.rest, Rest::Due) {
            let keys = self.rest_of(view, told).into_iter();
            self.rest = Rest::Sending(keys.map(|key| (session_key.key_tag(&key), key)).collect());
        }
        loop {
            let Rest::Sending(keys) = &mut self.rest else { return None };
            let (_, short) = keys.pop_first()?;
            let Some((key, record)) = find(view, &short) else { continue };
            if !self.ranges.iter().any(|range| lies_in(&record, range)) {
                return Some(queue((space_index, key), &record, told.theirs, session_key, false));
            }
        }
    }

    fn rest_of(&self, view: &impl View, told: &Told<'_>) -> BTreeSet<[u8; KEY_LEN]> {
        let above = |clocks: &mut dyn Clocks| {
            let greatest = clocks.greatest();
            let ranges = greatest.iter().map(|(node, upper)| {
                let above = told.theirs.get(&node).max(told.ours.get(&node));
                VersionRange { node, above, upper }
            });
            let ranges: Vec<_> = ranges.filter(|range| range.above < range.upper).collect();
            let count: u64 = ranges.iter().map(|range| clocks.count(range)).sum();
            if count > MAX_NEWS {
                return BTreeSet::new();
            }
            let records = ranges.iter().flat_map(|range| clocks.records(range, usize::MAX));
            let keys: BTreeSet<_> = records.map(|(_, key)| key).collect();
            keys.difference(told.came).copied().collect()
        };
        ask(view, above).unwrap_or_default()
    }
}

/// Creates the item that sends a record to a peer whose summary is `theirs`.
fn queue(
    (space_index, key): (u32, [u8; 32]),
    record: &Record,
    theirs: &VersionSummary,
    session_key: SessionKey,
    follows: bool,
) -> QueuedRecord {
    let known = session_key.tags(known_contents(record, theirs));
    // A peer that has handled versions of none of these nodes does not hold the suppressed digests.
    let is_met = record.context().any(|(node, _)| theirs.get(&short_node(&node)) > 0);
    let short = record.suppressed.is_empty() || is_met;
    QueuedRecord { space_index, key, known, follows, short }
}

/// Finds a record whose key hash begins with these bytes.
fn find(view: &impl View, short: &[u8; KEY_LEN]) -> Option<([u8; 32], Record)> {
    let entry = view.entries(&Prefix::of_key(short)).into_iter().next()?;
    Some((entry.key, view.record(&entry.key)?))
}

fn node_of(record: &Record, node: &ShortNode) -> Option<NodeId> {
    record.context().map(|(node, _)| node).find(|other| short_node(other) == *node)
}

fn lies_in(record: &Record, range: &VersionRange) -> bool {
    record.context().any(|(node, entry)| {
        short_node(&node) == range.node && range.above < entry && entry <= range.upper
    })
}

/// The contents named by dots that the peer has handled.
fn known_contents<'a>(
    record: &'a Record,
    theirs: &VersionSummary,
) -> impl Iterator<Item = &'a [u8; 32]> {
    record.parts.iter().flat_map(|part| {
        let handled = theirs.get(&short_node(&part.node));
        let known = part.dots.iter().filter(move |(version, _)| *version <= handled);
        known.map(|(_, digest)| digest)
    })
}
