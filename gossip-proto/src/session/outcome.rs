//! The results of a session: outcome, statistics and events.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;

use crate::limits::MAX_EVENTS;
use crate::{Greeting, Rejection, SessionError, SpaceId};

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The full roots of all shared spaces were equal when the sides last compared them.
    InSync,
    /// No budget or cap was reached, yet the final roots differ, for example because a write
    /// happened during the session, a record was refused, or records were left to another or a
    /// later session. The next session continues.
    Synced,
    /// No budget or cap was reached, yet the final roots differ, and [`Outcome::unsendable`] names
    /// records that exceed a limit of the wire. The roots stay different until these records are
    /// rewritten within the limit.
    Unsendable,
    /// A budget or a cap ended the session before everything was sent, or a side accepts no records
    /// in some of its spaces. The next session continues.
    BudgetSpent,
    /// One side [accepts no records](crate::View::accepts_records) now, and the other keeps its
    /// records for a later session.
    NotAccepted,
    /// The two sides host no common space.
    NothingShared,
    /// The session ended early. Records that were applied before are valid and are kept.
    Failed(SessionError),
}

/// The result of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// How the session ended.
    pub result: Ending,
    /// The statistics of the session.
    pub stats: Stats,
    /// The shared spaces, ascending by name. Clones of the outcome share this list.
    pub spaces: Arc<[SpaceOutcome]>,
    /// Spaces that the peer named and this side does not host: all such spaces of the peer, if this
    /// side [asks for them](crate::SessionConfig::learn_spaces).
    pub unhosted: Arc<[SpaceId]>,
    /// The cursor for the next session with this peer; `None` starts at the beginning: see
    /// [`SessionConfig::cursor`](crate::SessionConfig::cursor).
    pub cursor: Option<u64>,
    /// Whether the session left a difference to the next one, which resolves it by clocks: see
    /// [`SessionConfig::postponed`](crate::SessionConfig::postponed).
    pub postponed: bool,
    /// The records of both sides that exceed a limit of the wire; at most
    /// [`MAX_UNSENDABLE`](crate::limits::MAX_UNSENDABLE) of each side. The [`stats`](Self::stats)
    /// also count further ones of this side. Clones of the outcome share this list.
    pub unsendable: Arc<[Unsendable]>,
}

/// A record, or one part of it, that exceeds a limit of the wire, so that no peer receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsendable {
    /// The space of the record.
    pub space: SpaceId,
    /// The pattern id of the record. The id of a peer's record is truncated to
    /// [`MAX_ID`](crate::limits::MAX_ID) bytes.
    pub id: String,
    /// The limit that the record exceeds, or the rule that it breaks.
    pub what: String,
    /// The side that holds the record.
    pub holder: Holder,
}

/// The side of a session that holds a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// This side.
    Us,
    /// The peer.
    Peer,
}

/// The result of a session for one shared space.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpaceOutcome {
    /// The space.
    pub space: SpaceId,
    /// This side's live root at the end.
    pub ours: [u8; 32],
    /// The peer's last known root; `None` if the session ended before the peer sent it.
    pub theirs: Option<[u8; 32]>,
    /// Whether the roots differed at the beginning.
    pub differed: bool,
}

/// The statistics of a session so far. A record is counted each time it is transferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Turns taken by both sides.
    pub turns: u32,
    /// Frames sent.
    pub frames_out: u32,
    /// Frames received.
    pub frames_in: u32,
    /// Bytes sent, frame headers included.
    pub bytes_out: u64,
    /// Bytes received, frame headers included.
    pub bytes_in: u64,
    /// Bytes sent and received in frames that carry records or contents.
    pub record_bytes: u64,
    /// Tree nodes, listings and requested keys received.
    pub hash_nodes: u64,
    /// Records sent.
    pub records_out: u64,
    /// Records received.
    pub records_in: u64,
    /// Contents sent.
    pub contents_out: u64,
    /// Contents received.
    pub contents_in: u64,
    /// Records received that changed this side's state.
    pub applied: u64,
    /// Records received that were already known or outdated.
    pub stale: u64,
    /// Bytes received for records that were already known, outdated or not asked for. All records
    /// of a frame are assumed to be equally long.
    pub wasted_bytes: u64,
    /// This side's records, or parts of them, that exceed a limit of the wire, each counted once.
    pub unsendable: u64,
    /// The peer's records, or parts of them, that the peer reported as exceeding a limit of the
    /// wire.
    pub peer_unsendable: u64,
    /// Records received that were refused.
    pub rejected: u64,
    /// The [`rejected`](Self::rejected) records that were refused because this side's store cannot
    /// write.
    pub unstored: u64,
    /// Records received that this side did not ask for, and requests for keys that it neither
    /// listed, requested nor synced by clocks. This side neither stores these records nor answers
    /// these requests.
    pub unasked: u64,
    /// Records that this side left to another of its sessions, which is fetching, expects or has
    /// fetched them: see [`View::claim`](crate::View::claim) and
    /// [`View::claim_range`](crate::View::claim_range).
    pub left_to_others: u64,
    /// Offered records that this side did not take, because another of its sessions has received
    /// them since this one began.
    pub came_by_others: u64,
    /// Spaces whose trees were compared after a delta by clocks, and spaces whose trees this side
    /// began to compare without a delta.
    pub descents: u64,
}

impl Stats {
    /// Counts the wasted bytes of the frame that was handled since `before`.
    pub(super) fn count_waste(&mut self, before: &Self, frame: u64) {
        let useless = self.stale + self.unasked - before.stale - before.unasked;
        if let Some(each) = frame.checked_div(self.records_in - before.records_in) {
            self.wasted_bytes += useless * each;
        }
    }
}

/// An event of interest to an operator while a session runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The peer's hello was accepted; no record from the peer has been applied yet.
    Greeted(Greeting),
    /// A reported parameter differs, for example the strategy: the states converge, but the visible
    /// results may differ.
    ParameterDiffers {
        /// The name of the parameter.
        name: String,
        /// The value on this side.
        ours: String,
        /// The value at the peer.
        theirs: String,
    },
    /// A record from the peer was refused, whole or in part.
    Rejected {
        /// The space of the record.
        space: SpaceId,
        /// The pattern id of the record.
        id: String,
        /// The reason.
        reason: Rejection,
    },
    /// The peer sent records that were not asked for; none of them was stored.
    Unasked {
        /// The space of the records.
        space: SpaceId,
        /// Number of records.
        records: u32,
    },
    /// A record of one side, or one part of it, exceeds a limit of the wire and reaches no peer.
    Unsendable(Unsendable),
}

/// A queue of events that wait to be polled. Drops new events once it holds [`MAX_EVENTS`].
#[derive(Default)]
pub(super) struct Events(VecDeque<Event>);

impl Events {
    pub(super) fn push(&mut self, event: Event) {
        if self.0.len() < MAX_EVENTS {
            self.0.push_back(event);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        self.0.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpolled_events_stop_at_max_events() {
        let space = SpaceId::new("space").unwrap();
        let mut events = Events::default();
        for records in 0..=MAX_EVENTS as u32 {
            events.push(Event::Unasked { space: space.clone(), records });
        }
        assert_eq!(events.0.len(), MAX_EVENTS);
        let first = Event::Unasked { space, records: 0 };
        assert_eq!(events.pop(), Some(first), "the oldest events are kept");
    }
}
