//! The sync state machine: one session between two nodes, without sockets and without a clock.

mod delta;
mod descent;
mod directory;
mod dispatch;
mod ending;
mod greeting;
mod key_set;
mod names;
mod outcome;
mod pieces;
mod receive;
mod reconcile;
mod slices;
mod stream;
mod transfer;
mod turn;
mod unsent;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use self::delta::Deltas;
use self::descent::Descent;
use self::directory::Directory;
use self::outcome::Events;
pub use self::outcome::{Ending, Event, Holder, Outcome, SpaceOutcome, Stats, Unsendable};
use self::transfer::Transfer;
use self::turn::{Turn, TurnSoFar};
use self::unsent::Unsent;
use crate::clocks::short_node;
use crate::limits::MAX_TURNS;
use crate::message::{HelloParameters, WalkedRoot};
use crate::tag::SessionKey;
use crate::{
    Compression, Greeting, KeyHalf, Message, Parameters, ProtocolViolation, SessionConfig,
    SessionError, SetupError, SpaceId, View,
};

/// One session with one peer, over one reliable, ordered stream of frames.
///
/// Inputs are [`handle_frame`](Self::handle_frame) and [`handle_timeout`](Self::handle_timeout);
/// outputs are [`poll_frame`](Self::poll_frame), [`poll_event`](Self::poll_event) and
/// [`poll_timeout`](Self::poll_timeout). After each input, poll frames until there are none. The
/// session builds frames only when they are polled, so that a slow stream slows the session down.
/// The session is over when it has an [`outcome`](Self::outcome) and no frame is left.
///
/// `now` is the time since an arbitrary fixed moment; it must not run backwards.
pub struct Session<V: View> {
    config: SessionConfig,
    parameters: Parameters,
    directory: Directory<V>,
    deltas: Deltas,
    descent: Descent,
    transfer: Transfer<V::Content>,
    stage: Stage,
    turn: Turn,
    /// Messages that are ready and are sent before all others in this turn.
    queued: VecDeque<Message>,
    /// At most two frames that wait to be polled. The last frame of a turn is marked, so a frame is
    /// handed out only once it is known whether another follows.
    outbox: VecDeque<Vec<u8>>,
    events: Events,
    unsent: Unsent,
    /// Whether the last turn of this side ended with `Done`.
    closed: bool,
    /// Whether the last turn of the peer ended with `Done`.
    peer_closed: bool,
    /// The digest of the peer's last `Done`.
    told_digest: Option<[u8; 32]>,
    /// The roots in the last `Done` of this side.
    sent_roots: Option<SentRoots>,
    peer_kept_back: bool,
    peer_has_news: bool,
    /// Whether this side adopted the peer's table and therefore knows which spaces differ.
    adopted: bool,
    /// Whether a difference is left to the next session, which resolves it by clocks.
    postponed: bool,
    /// Whether the opener's parameters equal this side's, including those that are only reported.
    /// Only the acceptor sets this field.
    peer_agrees: bool,
    peer_greeting: Option<Greeting>,
    compression: Compression,
    key_half: KeyHalf,
    session_key: SessionKey,
    /// Number of bytes that the peer accepts in this session.
    peer_budget: u64,
    /// The part of `peer_budget` that is left.
    peer_takes: u64,
    /// Whether the peer asks for the names of spaces that it does not host.
    peer_learns: bool,
    sent_records: u64,
    stats: Stats,
    started: Duration,
    heard: Duration,
    outcome: Option<Outcome>,
}

/// The roots in this side's last `Done`.
struct SentRoots {
    digest: [u8; 32],
    roots: Vec<WalkedRoot>,
}

/// The stage of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Waiting for the peer's hello.
    Greeting,
    /// A hello showed that everything is equal; at most the answer to it is left to send.
    Equal,
    /// Waiting for the session's table, or for the answer to it.
    Spaces,
    /// Exchanging records by clocks, comparing trees, and exchanging the records that differ.
    Descending,
}

/// Shows the stage, the stats and the outcome, but not the views.
impl<V: View> fmt::Debug for Session<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("stage", &self.stage)
            .field("stats", &self.stats)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

impl<V: View> Session<V> {
    /// Begins a session; the first frame is ready to be polled.
    ///
    /// `key_half` is this side's half of the session key, drawn for this session alone. `spaces`
    /// are the spaces that this side hosts for the peer, each with a freshly pinned view. The
    /// session syncs those that both sides host.
    ///
    /// # Errors
    /// [`SetupError`] if a setting, the parameters or the spaces are invalid; nothing was sent.
    pub fn open(
        config: SessionConfig,
        parameters: Parameters,
        key_half: KeyHalf,
        spaces: Vec<(SpaceId, V)>,
        now: Duration,
    ) -> Result<Self, SetupError> {
        let mut session = Self::new(config, parameters, key_half, spaces, now)?;
        let spaces = session.directory.opening();
        let parameters = HelloParameters::Digest(session.parameters.digest());
        session.greet(parameters, spaces);
        session.tell_early();
        session.turn = Turn::Ours(TurnSoFar::default());
        Ok(session)
    }

    /// Begins the acceptor's side of a session; the peer sends the first frame.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn accept(
        config: SessionConfig,
        parameters: Parameters,
        key_half: KeyHalf,
        spaces: Vec<(SpaceId, V)>,
        now: Duration,
    ) -> Result<Self, SetupError> {
        Self::new(config, parameters, key_half, spaces, now)
    }

    fn new(
        config: SessionConfig,
        parameters: Parameters,
        key_half: KeyHalf,
        spaces: Vec<(SpaceId, V)>,
        now: Duration,
    ) -> Result<Self, SetupError> {
        config.check()?;
        parameters.check()?;
        Ok(Self {
            directory: Directory::new(spaces)?,
            deltas: Deltas::new(config.peer.as_ref().map(short_node), config.intake),
            descent: Descent::default(),
            transfer: Transfer::new(config.cursor),
            stage: Stage::Greeting,
            turn: Turn::Theirs(TurnSoFar::default()),
            queued: VecDeque::new(),
            outbox: VecDeque::new(),
            events: Events::default(),
            unsent: Unsent::default(),
            closed: false,
            peer_closed: false,
            told_digest: None,
            sent_roots: None,
            peer_kept_back: false,
            peer_has_news: false,
            adopted: false,
            postponed: false,
            peer_agrees: false,
            peer_greeting: None,
            compression: Compression::Off,
            session_key: SessionKey::default(),
            key_half,
            peer_budget: 0,
            peer_takes: 0,
            peer_learns: false,
            sent_records: 0,
            stats: Stats::default(),
            started: now,
            heard: now,
            outcome: None,
            config,
            parameters,
        })
    }

    /// Handles one whole frame from the peer.
    ///
    /// # Errors
    /// The session has ended with this error as its outcome, or was already
    /// [`Over`](SessionError::Over). A refusal for the peer may still have to be polled. Records
    /// that were applied before the error are valid and are kept.
    pub fn handle_frame(&mut self, frame: &[u8], now: Duration) -> Result<(), SessionError> {
        let Turn::Theirs(mut turn) = self.turn else {
            return Err(self.handle_out_of_turn(frame));
        };
        self.heard = now;
        self.stats.frames_in += 1;
        self.stats.bytes_in += frame.len() as u64;
        let taken = self.check_received().and_then(|()| {
            let (message, ends_turn) = Message::decode(frame)?;
            turn.frames += 1;
            turn.done = matches!(message, Message::Done(_));
            if turn.done && !ends_turn {
                return Err(SessionError::Violation(ProtocolViolation::TurnAfterEnd));
            }
            self.turn = Turn::Theirs(turn);
            if matches!(message, Message::PatternSync(_) | Message::ContentPart(_)) {
                self.stats.record_bytes += frame.len() as u64;
            }
            let before = self.stats;
            self.handle_message(message)?;
            self.stats.count_waste(&before, frame.len() as u64);
            if ends_turn {
                self.transfer.end_assembly()?;
            }
            Ok(ends_turn)
        });
        match taken {
            Err(error) => Err(self.fail(error)),
            Ok(true) => self.end_of_peers_turn(turn).map_err(|error| self.fail(error)),
            Ok(false) => Ok(()),
        }
    }

    /// The next whole frame to send. Send frames in the order in which they are polled.
    #[must_use]
    pub fn poll_frame(&mut self, now: Duration) -> Option<Vec<u8>> {
        self.fill_outbox();
        let frame = self.outbox.pop_front()?;
        self.stats.frames_out += 1;
        self.stats.bytes_out += frame.len() as u64;
        self.peer_takes = self.peer_takes.saturating_sub(frame.len() as u64);
        if let (Turn::Flushing(turn), true) = (self.turn, self.outbox.is_empty()) {
            self.heard = now;
            self.stats.turns += 1;
            self.closed = turn.done;
            self.turn = Turn::Theirs(TurnSoFar::default());
            if self.stage == Stage::Equal || turn.is_bare() && self.peer_closed {
                self.finish();
            }
        }
        if let Some(outcome) = &mut self.outcome {
            outcome.stats = self.stats;
        }
        Some(frame)
    }

    /// The next event of interest to an operator.
    ///
    /// At most [`MAX_EVENTS`](crate::limits::MAX_EVENTS) wait; further events are dropped. The
    /// [`stats`](Self::stats) count all refused and unasked records.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    /// The deadline for calling [`handle_timeout`](Self::handle_timeout), unless a frame arrives
    /// first.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let whole = self.started.saturating_add(self.config.session_timeout);
        match self.turn {
            Turn::Over => None,
            Turn::Ours(_) | Turn::Flushing(_) => Some(whole),
            Turn::Theirs(_) => Some(whole.min(self.heard.saturating_add(self.config.idle_timeout))),
        }
    }

    /// Ends the session if a deadline has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.poll_timeout().is_none_or(|deadline| now < deadline) {
            return;
        }
        let whole = now >= self.started.saturating_add(self.config.session_timeout);
        self.fail(if whole { SessionError::TimedOut } else { SessionError::Idle });
    }

    /// The outcome of the session; `None` while it runs.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// The greeting in the peer's hello; `None` until the hello is accepted.
    pub fn peer_greeting(&self) -> Option<Greeting> {
        self.peer_greeting
    }

    /// The statistics so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Returns the spaces and their views, ascending by name.
    pub fn into_spaces(self) -> impl Iterator<Item = (SpaceId, V)> {
        self.directory.into_spaces()
    }

    /// Handles a frame that arrives out of turn. Only a refusal may do so, because it need not wait
    /// for the end of this side's turn.
    fn handle_out_of_turn(&mut self, frame: &[u8]) -> SessionError {
        if self.turn == Turn::Over {
            return SessionError::Over;
        }
        self.fail(match Message::decode(frame) {
            Ok((Message::Refuse(refusal), _)) => SessionError::RefusedByPeer(refusal),
            _ => SessionError::Violation(ProtocolViolation::OutOfTurn),
        })
    }

    /// Checks the caps on received bytes and on turns; the turn of the frame is not counted yet.
    fn check_received(&self) -> Result<(), SessionError> {
        if self.stats.bytes_in > self.config.receive_budget {
            let (what, cap) = ("bytes of a session", self.config.receive_budget);
            return Err(SessionError::OverLimit { what, cap });
        }
        self.check_turns()
    }

    /// Checks that another turn may begin.
    fn check_turns(&self) -> Result<(), SessionError> {
        if self.stats.turns >= MAX_TURNS {
            let (what, cap) = ("turns of a session", MAX_TURNS.into());
            return Err(SessionError::OverLimit { what, cap });
        }
        Ok(())
    }
}
