//! The inputs and outputs of a scheduler.

use alloc::vec::Vec;
use core::time::Duration;

use super::limits::LEAST_RECEIVED;
use crate::{Intake, Outcome, SessionConfig, SpaceId, Stats};

/// An action for the driver to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action<P> {
    /// Look up the addresses of a member, and abandon any earlier lookup of them. The driver
    /// answers with [`handle_resolved`](super::Scheduler::handle_resolved) or
    /// [`handle_dial_failed`](super::Scheduler::handle_dial_failed).
    Resolve {
        /// The member.
        peer: P,
    },
    /// Dial a member at its known addresses, and abandon any earlier dial of it. The driver answers
    /// with [`handle_dialled`](super::Scheduler::handle_dialled),
    /// [`handle_connected`](super::Scheduler::handle_connected) or
    /// [`handle_dial_failed`](super::Scheduler::handle_dial_failed).
    Dial {
        /// The member.
        peer: P,
        /// Maximum duration of the handshake.
        timeout: Duration,
    },
    /// Open a session. The driver answers this action and the next two with
    /// [`handle_session_ended`](super::Scheduler::handle_session_ended).
    Open {
        /// The peer.
        peer: P,
        /// The id of the session.
        session: SessionId,
        /// The limits of the session, and the state that it continues from.
        terms: Terms,
    },
    /// Open a preview session with a peer, for the oldest waiting request. The session makes no
    /// claims.
    Preview {
        /// The peer.
        peer: P,
        /// The id of the session.
        session: SessionId,
        /// The limits of the session, and the state that it continues from.
        terms: Terms,
    },
    /// Run a waiting session that a peer opened.
    Accept {
        /// The peer that opened the session.
        peer: P,
        /// The id of the session.
        session: SessionId,
        /// The limits of the session, and the state that it continues from.
        terms: Terms,
    },
    /// Refuse a waiting session that a peer opened.
    Refuse {
        /// The peer that opened the session.
        peer: P,
        /// The reason.
        reason: Refusal,
    },
    /// Send the advert that [`Scheduler::advert`](super::Scheduler::advert) returns. The advert may
    /// be lost.
    Advertise {
        /// The receiver.
        peer: P,
    },
}

/// The id of a session within its scheduler. Later sessions have greater ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(super) u64);

/// The limits of a session, and the state from which it continues.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terms {
    /// The cursor of the last session with the peer; sending continues there.
    pub cursor: Option<u64>,
    /// Number of consecutive sessions with the peer, immediately before this one, that left records
    /// to the next session or to other sessions.
    pub postponed: u8,
    /// Spaces whose root differs from the peer's last known root, at most
    /// [`MAX_SUSPECTS`](super::limits::MAX_SUSPECTS).
    pub suspects: Vec<SpaceId>,
    /// Maximum number of bytes of records that the session may send.
    pub sends: u64,
    /// Maximum number of bytes that the session may receive; [`apply`](Self::apply) raises it to at
    /// least [`LEAST_RECEIVED`].
    pub receives: u64,
    /// Which records the peer sends without a request.
    pub intake: Intake,
}

impl Terms {
    /// Terms without limits, for a session that starts at the beginning of the key space.
    pub const UNLIMITED: Self = Self {
        cursor: None,
        postponed: 0,
        suspects: Vec::new(),
        sends: u64::MAX,
        receives: u64::MAX,
        intake: Intake::AtOnce,
    };

    /// Applies the terms to `config`. Even if less has accrued, the session may receive
    /// [`LEAST_RECEIVED`] bytes: one full frame and some hashes.
    pub fn apply(self, config: SessionConfig) -> SessionConfig {
        SessionConfig {
            cursor: self.cursor,
            postponed: self.postponed,
            suspects: self.suspects,
            intake: self.intake,
            send_budget: config.send_budget.min(self.sends),
            receive_budget: config.receive_budget.min(self.receives.max(LEAST_RECEIVED)),
            ..config
        }
    }
}

/// The reason for refusing a session that a peer opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Another session of the peer is already waiting, too many sessions that peers opened are
    /// running, or the peer is not a member.
    Busy,
    /// This node has opened a session with the peer, and this node's id is the smaller one.
    Crossed,
    /// A quota of the peer, or the send rate of this node, is exhausted.
    OverQuota,
}

/// Whether a member can be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The member has a known address.
    Dialable,
    /// The member has no known address and has to dial this node.
    DialsUs,
}

/// How a dial, or the lookup before it, failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialFailure {
    /// No address of the member was found, or the member did not answer.
    Silent,
    /// The member answered in a way that makes another dial useless for a while.
    Refused,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// The connection broke, or the peer replaced it. The peer may still be reachable.
    Lost,
    /// The peer shut down, or no longer answers.
    Gone,
    /// One side closed the connection for a lasting reason: eviction, or an outdated certificate.
    Rejected,
}

/// How a session ended.
#[derive(Clone, Copy, Debug)]
pub enum SessionEnd<'a> {
    /// The session has an outcome other than a failure.
    Outcome(&'a Outcome),
    /// The session crossed a session that the peer opened and that takes precedence, or its
    /// connection was replaced. The scheduler opens it again if this node opened it.
    Displaced,
    /// The peer refused the session because a quota was exhausted. The scheduler opens it again
    /// after a pause, unless only the host or the timer triggered it.
    OverQuota,
    /// The session failed for another reason.
    Failed,
}

/// The resources that a session used, even if it failed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// The statistics of the session.
    pub stats: Stats,
    /// Bytes sent on the stream of the session.
    pub sent: u64,
    /// Bytes received on the stream of the session.
    pub received: u64,
}

/// An event of interest to an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice<P> {
    /// Sessions with a peer repeatedly make no progress and do not end in sync. The notice is sent
    /// once per stall.
    Stalled {
        /// The peer.
        peer: P,
        /// Number of consecutive sessions without progress.
        sessions: u32,
    },
    /// The peer is no longer stalled.
    Recovered {
        /// The peer.
        peer: P,
        /// Number of consecutive sessions without progress before the recovery.
        sessions: u32,
    },
    /// A session found no space that both sides host. The notice is not repeated until a session
    /// has found a common space.
    NoCommonSpace {
        /// The peer.
        peer: P,
    },
}

/// Why a requested session is not possible. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The peer is not a member.
    #[error("the peer is not a member; add it first")]
    NotAMember,
    /// The peer is not connected and has no address.
    #[error("the peer is not connected and has no address; wait until it dials this node")]
    NotDialable,
    /// The maximum number of previews is already running or waiting.
    #[error("{cap} previews are already running or waiting; retry when one has ended")]
    TooManyPreviews {
        /// The maximum, per peer or in total.
        cap: usize,
    },
}
