//! How it stands with each peer.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engram_gossip_proto::schedule::Agreement;
use quinn::Connection;
use tokio::time::Instant;

use crate::stats::count;
use crate::{HandshakeError, Liveness, Member, Membership, SessionReport, SyncError};

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
    /// What the last session brought, whichever side opened it.
    pub last_session: Option<Result<SessionReport, SyncError>>,
    /// How many sessions were held with it.
    pub sessions: u64,
    /// How it stands, by the roots that it told last.
    pub agreement: Agreement,
    /// How many sessions in a row ended without progress and without becoming equal.
    pub stalled_sessions: u32,
    /// How many sessions ended in which way, by [`SessionReport::reason`] and [`SyncError::reason`].
    pub outcomes: BTreeMap<&'static str, u64>,
    /// How many records the last session with a result found to differ: those that it moved, either
    /// way, and those that it left to others. `None` before the first one.
    pub differing_records: Option<u64>,
    /// What was sent to it.
    pub sent: Traffic,
    /// What was received from it.
    pub received: Traffic,
    /// How the membership sees it.
    pub liveness: Liveness,
    /// Its incarnation, if the membership knows one.
    pub incarnation: Option<u64>,
}

/// Bytes in one direction by kind, without QUIC's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Of sessions.
    pub sessions: u64,
    /// Of root adverts.
    pub adverts: u64,
    /// Of the membership's packets.
    pub membership: u64,
}

impl Traffic {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.sessions + self.adverts + self.membership
    }
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
pub(crate) struct PeerState {
    notes: Mutex<Notes>,
}

/// The notes behind a [`PeerStatus`], in times instead of durations.
#[derive(Debug)]
pub(crate) struct Notes {
    pub(crate) member: Member,
    pub(crate) state: State,
    pub(crate) equal_at: Option<Instant>,
    pub(crate) last_session: Option<Result<SessionReport, SyncError>>,
    pub(crate) sessions: u64,
    outcomes: BTreeMap<&'static str, u64>,
    differing_records: Option<u64>,
    pub(crate) sent: Traffic,
    pub(crate) received: Traffic,
}

/// As [`ConnectionState`].
#[derive(Debug)]
pub(crate) enum State {
    Idle,
    Dialling,
    Connected { connection: Connection, since: Instant, dialled_by_us: bool },
    BackOff { failures: u32, retry_at: Instant, cause: HandshakeError },
}

impl PeerState {
    pub(crate) fn new(member: Member) -> Self {
        let notes = Notes {
            member,
            state: State::Idle,
            equal_at: None,
            last_session: None,
            sessions: 0,
            outcomes: BTreeMap::new(),
            differing_records: None,
            sent: Traffic::default(),
            received: Traffic::default(),
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

    pub(crate) fn status(
        &self,
        now: Instant,
        membership: &dyn Membership,
        agreement: Agreement,
        stalled_sessions: u32,
    ) -> PeerStatus {
        let notes = self.notes();
        let (liveness, incarnation) =
            (membership.liveness(&notes.member.id), membership.incarnation(&notes.member.id));
        PeerStatus {
            member: notes.member.clone(),
            connection: notes.state.at(now),
            agreement,
            equal_ago: notes.equal_at.map(|at| now.duration_since(at)),
            last_session: notes.last_session.clone(),
            sessions: notes.sessions,
            stalled_sessions,
            outcomes: notes.outcomes.clone(),
            differing_records: notes.differing_records,
            sent: notes.sent,
            received: notes.received,
            liveness,
            incarnation,
        }
    }
}

impl Notes {
    /// Notes how a session ended.
    pub(crate) fn note_session(
        &mut self,
        result: &Result<SessionReport, SyncError>,
        [sent, received]: [u64; 2],
        now: Instant,
    ) {
        self.sessions += 1;
        self.sent.sessions += sent;
        self.received.sessions += received;
        let reason = result.as_ref().map_or_else(SyncError::reason, SessionReport::reason);
        count(&mut self.outcomes, reason);
        if let Ok(report) = result {
            if report.is_equal() {
                self.equal_at = Some(now);
            }
            let stats = &report.outcome.stats;
            self.differing_records =
                Some(stats.records_in + stats.records_out + stats.left_to_others);
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
