//! How it stands with each peer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engram_gossip_proto::{SpaceId, Summary};
use quinn::Connection;
use tokio::time::Instant;

use crate::{HandshakeError, Member, SessionReport, SyncError};

/// How it stands with one member of the roster.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PeerStatus {
    /// Who, and where.
    pub member: Member,
    /// Whether there is a connection, and if not, why.
    pub connection: ConnectionState,
    /// How long ago a session last found both nodes equal; `None` if that never happened.
    pub equal_ago: Option<Duration>,
    /// What the last session brought, whoever opened it.
    pub last_session: Option<Result<SessionReport, SyncError>>,
    /// How many sessions were held with it.
    pub sessions: u64,
    /// How many sessions in a row ended without progress and without becoming equal.
    pub stalled_sessions: u32,
    /// Bytes of sessions and adverts sent to it, without QUIC's own.
    pub bytes_sent: u64,
    /// Bytes of sessions and adverts received from it, without QUIC's own.
    pub bytes_received: u64,
}

/// Whether a peer is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// Not connected, and not dialled at the moment: it has no address, or its time has not come.
    Idle,
    /// Being dialled, or dialled and not yet known to have accepted this node.
    Dialling,
    /// Connected.
    Connected {
        /// How long.
        since: Duration,
        /// Whether this node dialled; otherwise the peer did.
        dialled_by_us: bool,
        /// The round-trip time as QUIC estimates it.
        round_trip: Duration,
    },
    /// The last dials failed; the next one has to wait.
    BackOff {
        /// How many dials in a row failed.
        failures: u32,
        /// When it is dialled again.
        retry_in: Duration,
        /// Why the last dial failed.
        cause: HandshakeError,
    },
}

/// Where a peer's task notes how it stands, and others read it.
#[derive(Debug)]
pub(crate) struct Board {
    notes: Mutex<Notes>,
}

/// The notes behind a [`PeerStatus`], in times instead of durations.
#[derive(Debug)]
pub(crate) struct Notes {
    pub(crate) member: Member,
    pub(crate) state: State,
    pub(crate) equal_at: Option<Instant>,
    /// The roots of the shared spaces, as both nodes had them when they were last equal.
    agreed: Vec<(SpaceId, [u8; 32])>,
    pub(crate) last_session: Option<Result<SessionReport, SyncError>>,
    pub(crate) sessions: u64,
    pub(crate) stalled_sessions: u32,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
}

/// As [`ConnectionState`].
#[derive(Debug)]
pub(crate) enum State {
    Idle,
    Dialling,
    Connected { connection: Connection, since: Instant, dialled_by_us: bool },
    BackOff { failures: u32, retry_at: Instant, cause: HandshakeError },
}

impl Board {
    pub(crate) fn new(member: Member) -> Self {
        let notes = Notes {
            member,
            state: State::Idle,
            equal_at: None,
            agreed: Vec::new(),
            last_session: None,
            sessions: 0,
            stalled_sessions: 0,
            bytes_sent: 0,
            bytes_received: 0,
        };
        Self { notes: Mutex::new(notes) }
    }

    /// The notes, for reading or changing. Never held across a wait.
    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        // Notes are independent of each other, so a panicking holder leaves nothing inconsistent.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, if both sides have accepted each other.
    pub(crate) fn connection(&self) -> Option<Connection> {
        match &self.notes().state {
            State::Connected { connection, .. } => Some(connection.clone()),
            _ => None,
        }
    }

    /// Whether dialling has to wait.
    pub(crate) fn backs_off(&self) -> bool {
        matches!(self.notes().state, State::BackOff { .. })
    }

    pub(crate) fn status(&self, now: Instant) -> PeerStatus {
        let notes = self.notes();
        PeerStatus {
            member: notes.member.clone(),
            connection: notes.state.at(now),
            equal_ago: notes.equal_at.map(|at| now.duration_since(at)),
            last_session: notes.last_session.clone(),
            sessions: notes.sessions,
            stalled_sessions: notes.stalled_sessions,
            bytes_sent: notes.bytes_sent,
            bytes_received: notes.bytes_received,
        }
    }
}

impl Notes {
    /// Whether the peer had these very roots when it was last equal with us: they are no news.
    pub(crate) fn knows(&self, roots: &[(SpaceId, Summary)]) -> bool {
        let is_current = |(space, root): &(SpaceId, [u8; 32])| {
            roots
                .binary_search_by_key(&space, |(name, _)| name)
                .is_ok_and(|at| roots[at].1.root == *root)
        };
        !self.agreed.is_empty() && self.agreed.iter().all(is_current)
    }

    /// Notes how a session ended.
    pub(crate) fn note_session(
        &mut self,
        result: &Result<SessionReport, SyncError>,
        [sent, received]: [u64; 2],
        now: Instant,
    ) {
        self.sessions += 1;
        self.bytes_sent += sent;
        self.bytes_received += received;
        if let Ok(report) = result {
            if report.is_equal() {
                self.equal_at = Some(now);
                let shared = report.outcome.spaces.iter();
                self.agreed = shared.map(|space| (space.space.clone(), space.ours)).collect();
            }
            let stalled = !report.is_equal() && !report.made_progress();
            self.stalled_sessions = if stalled { self.stalled_sessions + 1 } else { 0 };
        }
        self.last_session = Some(result.clone());
    }
}

impl State {
    fn at(&self, now: Instant) -> ConnectionState {
        match self {
            Self::Idle => ConnectionState::Idle,
            Self::Dialling => ConnectionState::Dialling,
            Self::Connected { connection, since, dialled_by_us } => ConnectionState::Connected {
                since: now.duration_since(*since),
                dialled_by_us: *dialled_by_us,
                round_trip: connection.rtt(),
            },
            Self::BackOff { failures, retry_at, cause } => ConnectionState::BackOff {
                failures: *failures,
                retry_in: retry_at.duration_since(now),
                cause: cause.clone(),
            },
        }
    }
}
