//! The state of one peer.

use core::time::Duration;

use super::backoff::Backoff;
use super::dial_class::DialClass;
use super::limits::{FREE_FLAPS, MET_LATELY, SHORT_CONNECTION};
use super::rates::PeerAccount;
use super::roots::PeerRoots;
use super::token_bucket::TokenBucket;
use super::trigger::{Call, Trigger, gap};
use super::{Reach, SessionId};

/// The scheduler's state for one peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) reach: Reach,
    pub(super) contact: Contact,
    /// Whether the membership reports the peer as down.
    pub(super) is_down: bool,
    pub(super) backoff: Backoff,
    /// Time of the last dial.
    pub(super) dialled_at: Duration,
    /// Time until which the peer counts as lost recently.
    pub(super) met_until: Duration,
    /// The start of the connection, if there is one.
    pub(super) linked_at: Duration,
    /// Number of consecutive short connections that were lost.
    pub(super) flaps: u32,
    pub(super) opened: Option<Opened>,
    pub(super) accepted: Option<SessionId>,
    /// Why a session that the peer opened is waiting, if one is.
    pub(super) incoming: Option<Incoming>,
    pub(super) trigger: Trigger,
    /// Whether the peer is in the queue for a session permit.
    pub(super) is_queued: bool,
    /// Whether an exhausted quota has delayed the next session.
    pub(super) is_delayed: bool,
    pub(super) previews: Previews,
    pub(super) roots: PeerRoots,
    /// Cursor of the last session. The next one continues there, so that records that the peer
    /// refuses do not starve others.
    pub(super) cursor: Option<u64>,
    /// Number of consecutive sessions that left records to the next session or to other sessions.
    pub(super) postponed: u8,
    pub(super) stalled_sessions: u32,
    pub(super) account: PeerAccount,
    pub(super) datagrams: TokenBucket,
}

/// The contact with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contact {
    /// Not connected and not dialled.
    Apart,
    /// The addresses are being looked up.
    Resolving,
    /// Waiting for a dial permit.
    Queued(DialClass),
    /// Being dialled. `permit` is `None` once the dial has released its permit.
    Dialling { permit: Option<DialClass> },
    /// The handshake is complete here, but the peer may still refuse this node.
    Dialled,
    /// Connected, and both sides have accepted each other.
    Connected,
}

/// A session that this node opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    pub(super) session: SessionId,
    pub(super) purpose: Purpose,
    pub(super) since: Duration,
}

/// The purpose of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To sync, with the [`Call`] that was pending, if any.
    Sync(Option<Call>),
    /// To preview the result of a session.
    Preview,
}

/// The reason why a session that the peer opened is waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// The previous session has not ended.
    BehindAnother,
    /// No permit is free.
    ForPermit,
}

/// The previews with one peer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Previews {
    /// Number of waiting previews.
    pub(super) waiting: usize,
    /// Earliest start of the next preview.
    pub(super) not_before: Duration,
}

impl Peer {
    pub(super) fn new(reach: Reach) -> Self {
        Self {
            reach,
            contact: Contact::Apart,
            is_down: false,
            backoff: Backoff::default(),
            dialled_at: Duration::ZERO,
            met_until: Duration::ZERO,
            linked_at: Duration::ZERO,
            flaps: 0,
            opened: None,
            accepted: None,
            incoming: None,
            trigger: Trigger::default(),
            is_queued: false,
            is_delayed: false,
            previews: Previews::default(),
            roots: PeerRoots::default(),
            cursor: None,
            postponed: 0,
            stalled_sessions: 0,
            account: PeerAccount::NEW,
            datagrams: TokenBucket::FULL,
        }
    }

    /// Whether sessions can be opened with the peer.
    pub(super) fn has_link(&self) -> bool {
        matches!(self.contact, Contact::Dialled | Contact::Connected)
    }

    /// Notes that the connection was lost. Returns the additional pause before the next dial, which
    /// is zero except after several short connections in a row.
    pub(super) fn note_loss(&mut self, now: Duration) -> Duration {
        self.met_until = now + MET_LATELY;
        self.flaps = match now < self.linked_at + SHORT_CONNECTION {
            true => self.flaps.saturating_add(1),
            false => 0,
        };
        self.flaps.checked_sub(FREE_FLAPS + 1).map_or(Duration::ZERO, gap)
    }

    /// Whether no session with the peer runs, and none that the peer opened waits.
    pub(super) fn is_idle(&self) -> bool {
        self.opened.is_none() && self.accepted.is_none() && self.incoming.is_none()
    }

    /// Whether the host waits for a session.
    pub(super) fn is_requested(&self) -> bool {
        self.trigger.is_requested || self.previews.waiting > 0
    }

    /// Number of previews that run or wait.
    pub(super) fn previews(&self) -> usize {
        let is_preview = |opened: &Opened| opened.purpose == Purpose::Preview;
        self.previews.waiting + usize::from(self.opened.as_ref().is_some_and(is_preview))
    }

    /// Whether the peer was lost recently.
    pub(super) fn is_lost(&self, now: Duration) -> bool {
        now < self.met_until
    }
}
