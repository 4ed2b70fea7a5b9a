//! The status of peers.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engram_gossip_proto::schedule::Agreement;
use quinn::Connection;
use tokio::time::Instant;

use crate::stats::count;
use crate::{HandshakeError, Liveness, Member, Membership, SessionReport, SyncError};

/// The status of one member of the roster.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PeerStatus {
    /// The member.
    pub member: Member,
    /// The state of the connection.
    pub connection: ConnectionState,
    /// Time since the roots of both nodes were last known to be equal, according to a session or,
    /// while the peer was connected, to its last known roots. Zero while [in
    /// step](Self::is_in_step); `None` if the roots were never known to be equal.
    pub equal_ago: Option<Duration>,
    /// The result of the last session, whichever side opened it.
    pub last_session: Option<Result<SessionReport, SyncError>>,
    /// Number of sessions with the peer.
    pub sessions: u64,
    /// The agreement according to the peer's last known roots.
    pub agreement: Agreement,
    /// Number of consecutive completed sessions that this node opened and that neither made
    /// progress nor ended in sync. A session that left records to other sessions does not count,
    /// and one that found no common space resets the number.
    pub stalled_sessions: u32,
    /// Number of sessions by result: [`SessionReport::reason`] and [`SyncError::reason`].
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Number of differing records in the last completed session: the records transferred in either
    /// direction, and those left to other sessions. `None` before the first completed session.
    pub differing_records: Option<u64>,
    /// Bytes sent to the peer.
    pub sent: Traffic,
    /// Bytes received from the peer.
    pub received: Traffic,
    /// The peer's liveness according to the membership.
    pub liveness: Liveness,
    /// The peer's incarnation, if the membership reports one.
    pub incarnation: Option<u64>,
}

impl PeerStatus {
    /// Whether the peer is connected, and its last known roots equal the local ones.
    pub fn is_in_step(&self) -> bool {
        self.agreement == Agreement::InStep
            && matches!(self.connection, ConnectionState::Connected { .. })
    }
}

/// Bytes in one direction by kind, without QUIC's overhead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Bytes of sessions.
    pub sessions: u64,
    /// Bytes of valid root adverts.
    pub adverts: u64,
    /// Bytes of membership packets, without envelopes and adverts.
    pub membership: u64,
}

impl Traffic {
    /// The sum of all kinds.
    pub fn total(&self) -> u64 {
        self.sessions + self.adverts + self.membership
    }
}

/// The state of a peer's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// Not connected and not being dialled: the peer has no address, or its dial has not begun yet.
    Idle,
    /// Being dialled, or dialled but not yet known to have accepted this node.
    Dialling,
    /// Connected.
    Connected {
        /// Time since the handshake.
        since: Duration,
        /// Whether this node dialled; otherwise the peer did.
        dialled_by_us: bool,
        /// QUIC's estimate of the round-trip time.
        round_trip: Duration,
    },
    /// The last dial failed, or the last connection ended because one side refused the other, the
    /// peer shut down, or the peer did not answer a session. The next dial is delayed. The state
    /// remains during later dials, until the peer is connected.
    BackOff {
        /// Number of consecutive failures: failed dials, and such an end of the last connection.
        failures: u32,
        /// Time until the next dial. Zero while it waits for its turn or runs.
        retry_in: Duration,
        /// The cause of the last failure.
        cause: HandshakeError,
    },
}

/// The state of a peer, shared by its task and the rest of the node.
#[derive(Debug)]
pub(crate) struct PeerState {
    notes: Mutex<Notes>,
}

/// The raw data of a [`PeerStatus`], with instants instead of durations.
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

/// Like [`ConnectionState`].
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

    /// Locks the notes for reading or changing. The guard must not be held across an await.
    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        // Notes are independent of each other, so a panicking holder leaves them consistent.
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
        let mut notes = self.notes();
        notes.note_agreement(agreement, now);
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
    /// Records the time of the agreement if the peer is connected and its roots equal the local
    /// roots.
    pub(crate) fn note_agreement(&mut self, agreement: Agreement, now: Instant) {
        if agreement == Agreement::InStep && matches!(self.state, State::Connected { .. }) {
            self.equal_at = Some(now);
        }
    }

    /// Records the end of a session.
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
