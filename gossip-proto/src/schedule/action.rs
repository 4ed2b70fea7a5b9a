//! What goes into a scheduler and what comes out.

use alloc::vec::Vec;
use core::time::Duration;

use super::limits::LEAST_RECEIVED;
use crate::{Outcome, SessionConfig, SpaceId, Stats};

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action<P> {
    /// Look up the addresses of a member; a lookup of them that runs is given up. Answered by
    /// [`handle_resolved`](super::Scheduler::handle_resolved) or
    /// [`handle_dial_failed`](super::Scheduler::handle_dial_failed).
    Resolve {
        /// Which member.
        peer: P,
    },
    /// Dial a member at the addresses that are known; a dial of it that is under way is given up. Answered by
    /// [`handle_dialled`](super::Scheduler::handle_dialled),
    /// [`handle_connected`](super::Scheduler::handle_connected) or
    /// [`handle_dial_failed`](super::Scheduler::handle_dial_failed).
    Dial {
        /// Which member.
        peer: P,
        /// How long the handshake may take.
        timeout: Duration,
    },
    /// Open a session. Answered by
    /// [`handle_session_ended`](super::Scheduler::handle_session_ended), like the next two.
    Open {
        /// With which peer.
        peer: P,
        /// The name of the session.
        session: SessionId,
        /// How much it may move, and where it goes on.
        terms: Terms,
    },
    /// Open the session of the oldest preview that was requested of a peer. It claims nothing.
    Preview {
        /// With which peer.
        peer: P,
        /// The name of the session.
        session: SessionId,
        /// How much it may move.
        terms: Terms,
    },
    /// Hold the session of a peer that was let wait.
    Accept {
        /// Which peer opened it.
        peer: P,
        /// The name of the session.
        session: SessionId,
        /// How much it may move, and where it goes on.
        terms: Terms,
    },
    /// Refuse the session of a peer that was let wait.
    Refuse {
        /// Which peer opened it.
        peer: P,
        /// Why.
        reason: Refusal,
    },
    /// Send an advert: [`Scheduler::advert`](super::Scheduler::advert). It may be lost.
    Advertise {
        /// To which peer.
        peer: P,
    },
}

/// The name of a session within its scheduler. Later sessions have greater ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(super) u64);

/// On which terms a session is held.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terms {
    /// Where the last session with the peer left off; sending goes on there.
    pub cursor: Option<u64>,
    /// How many sessions with the peer before it, in a row, left news to the next.
    pub postponed: u8,
    /// Spaces whose root differs from the one that the peer told last.
    pub suspects: Vec<SpaceId>,
    /// Bytes of records that it may send.
    pub sends: u64,
    /// Bytes that it may receive.
    pub receives: u64,
}

impl Terms {
    /// No limits, from the beginning.
    pub const UNLIMITED: Self = Self {
        cursor: None,
        postponed: 0,
        suspects: Vec::new(),
        sends: u64::MAX,
        receives: u64::MAX,
    };

    /// The configuration of a session that is held on these terms. It may receive one full frame and
    /// room for hashes, however little has accrued: [`LEAST_RECEIVED`].
    pub fn apply(self, config: SessionConfig) -> SessionConfig {
        SessionConfig {
            cursor: self.cursor,
            postponed: self.postponed,
            suspects: self.suspects,
            send_budget: config.send_budget.min(self.sends),
            receive_budget: config.receive_budget.min(self.receives.max(LEAST_RECEIVED)),
            ..config
        }
    }
}

/// Why a session of a peer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// A session with the peer runs, or too many run in all.
    Busy,
    /// This node has opened a session with the peer, and its id is the smaller one.
    Crossed,
    /// The peer, or all peers together, have used up what they may.
    OverQuota,
}

/// Whether a member can be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It has an address.
    Dialable,
    /// It has to dial this node.
    DialsUs,
}

/// How a dial failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialFailure {
    /// There was no answer.
    Silent,
    /// There was an answer, which makes another dial useless for a while.
    Refused,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// It broke, or the peer gave it up for another one. The peer may be there.
    Lost,
    /// The peer shut down, or does not answer any more.
    Gone,
    /// One side gave it up for a reason that stays: evicted, or a certificate that is outdated.
    Rejected,
}

/// How a session ended.
#[derive(Clone, Copy, Debug)]
pub enum SessionEnd<'a> {
    /// The machine has an outcome that is no failure.
    Outcome(&'a Outcome),
    /// It crossed a session of the peer, which goes first, or its connection gave way to another
    /// one. It is opened again.
    Displaced,
    /// The peer refused it: too much was used up. It is opened again after a pause.
    OverQuota,
    /// It failed for another reason.
    Failed,
}

/// What a session used up, be it before a failure.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// What it moved and compared.
    pub stats: Stats,
    /// Bytes sent on its stream.
    pub sent: u64,
    /// Bytes received on its stream.
    pub received: u64,
}

/// Something that an operator wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice<P> {
    /// Sessions with a peer end again and again without progress and without becoming equal. Said
    /// once an episode.
    Stalled {
        /// With which peer.
        peer: P,
        /// How many sessions in a row.
        sessions: u32,
    },
    /// The episode is over.
    Recovered {
        /// With which peer.
        peer: P,
        /// How many sessions in a row it took.
        sessions: u32,
    },
    /// A session found no space that both sides host. Said once until one is found.
    NoCommonSpace {
        /// With which peer.
        peer: P,
    },
}

/// Why a session that the host requests cannot be held. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The peer is no member.
    #[error("the peer is no member; add it first")]
    NotAMember,
    /// The peer is not connected and has no address.
    #[error("the peer is not connected and has no address; wait until it dials this node")]
    NotDialable,
    /// As many previews as may be run or wait already.
    #[error("{cap} previews run or wait already; ask again when one has ended")]
    TooManyPreviews {
        /// How many may: of the peer, or in all.
        cap: usize,
    },
}
