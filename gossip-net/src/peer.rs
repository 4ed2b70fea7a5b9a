//! One peer: its connection, its dials, its sessions. One task owns all of it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use engram_gossip_proto::RootAdvert;
use quinn::{Connection, ConnectionError, RecvStream, SendStream};
use rustls::pki_types::UnixTime;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::backoff::{Backoff, jitter};
use crate::bucket::TokenBucket;
use crate::endpoint::peer_chain;
use crate::limits::{
    DATAGRAM_BURST, DATAGRAM_REFILL, FINISH_TIMEOUT, HANDSHAKE_TIMEOUT, MAILBOX, RECHECK_INTERVAL,
    STALLED_AFTER,
};
use crate::link::{self, Close, Link, LinkEvent};
use crate::report::SessionReport;
use crate::session::{self, Ended, Failure};
use crate::shared::{Peer, Phase, Shared};
use crate::status::{Board, State};
use crate::stream::Abort;
use crate::task::{Task, ready};
use crate::tls::{Expected, PeerVerifier};
use crate::trigger::{Trigger, Verdict};
use crate::{Event, HandshakeError, Member, NodeId, SyncError};

/// What others ask of a peer's task.
pub(crate) enum Command {
    /// The peer dialled us and proved who it is.
    Accepted(Connection),
    /// Open a session that begins after now, and say how it ended.
    Sync(oneshot::Sender<Result<SessionReport, SyncError>>),
    /// The peer's roots, by whatever way they came.
    Heard(RootAdvert),
    /// The roster may give the peer another address.
    Moved,
}

type Answer = oneshot::Sender<Result<SessionReport, SyncError>>;
type Dial = Pin<Box<dyn Future<Output = Result<Connection, HandshakeError>> + Send>>;
type Permit = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

/// The task of one peer.
pub(crate) struct PeerTask {
    shared: Arc<Shared>,
    board: Arc<Board>,
    mailbox: mpsc::Receiver<Command>,
    id: NodeId,
    address: Option<String>,
    link: Option<Link>,
    dial: Option<Dial>,
    dial_at: Instant,
    backoff: Backoff,
    /// The wait for permission to open a session.
    permit: Option<Permit>,
    /// The session that we opened, and the one that the peer opened. Both run only while two
    /// sessions cross.
    opened: Option<Task<Ended>>,
    accepted: Option<Task<Ended>>,
    /// Whom the next session, and whom the running one, is to be reported to.
    waiting: Vec<Answer>,
    served: Vec<Answer>,
    /// Where the last session left off, so that records which the peer refuses starve no others.
    cursor: Option<u64>,
    trigger: Trigger,
    datagrams: TokenBucket,
    /// Streams whose last bytes are not acknowledged yet.
    last_bytes: JoinSet<()>,
    recheck_at: Instant,
}

/// Starts the task of `member`.
pub(crate) fn spawn(shared: &Arc<Shared>, member: Member) -> Peer {
    let (mailbox, commands) = mpsc::channel(MAILBOX);
    let board = Arc::new(Board::new(member.clone()));
    let now = Instant::now();
    let config = &shared.config;
    let task = PeerTask {
        shared: shared.clone(),
        board: board.clone(),
        mailbox: commands,
        id: member.id,
        address: member.address,
        link: None,
        dial: None,
        dial_at: now + first_pause(shared, member.id),
        backoff: Backoff::new(config.backoff_min, config.backoff_max),
        permit: None,
        opened: None,
        accepted: None,
        waiting: Vec::new(),
        served: Vec::new(),
        cursor: None,
        trigger: Trigger::new(config.trigger_jitter, shared.us < member.id),
        datagrams: TokenBucket::new(DATAGRAM_BURST, DATAGRAM_REFILL, now),
        last_bytes: JoinSet::new(),
        recheck_at: now + RECHECK_INTERVAL,
    };
    tokio::spawn(task.run());
    Peer { mailbox, board }
}

/// The smaller id dials in the first half of the spread, so that dials seldom cross.
fn first_pause(shared: &Shared, peer: NodeId) -> Duration {
    let half = shared.config.dial_spread / 2;
    let head_start = if shared.us < peer { Duration::ZERO } else { half };
    head_start + shared.choose(|rng| jitter(half, rng))
}

impl PeerTask {
    async fn run(mut self) {
        let mut phase = self.shared.phase.subscribe();
        let mut fetched = self.shared.chase.subscribe();
        let mut recheck = self.shared.recheck.subscribe();
        loop {
            self.advance();
            let deadline = self.deadline();
            tokio::select! {
                command = self.mailbox.recv() => match command {
                    Some(command) => self.on_command(command),
                    None => return self.leave_evicted(),
                },
                event = next_event(self.link.as_ref()) => self.on_event(event),
                dialled = ready(&mut self.dial) => self.on_dialled(dialled),
                permit = ready(&mut self.permit) => self.on_permit(permit),
                ended = ready(&mut self.opened) => self.on_opened_ended(ended),
                ended = ready(&mut self.accepted) => self.on_accepted_ended(ended),
                Some(_) = self.last_bytes.join_next() => {}
                () = sleep_until(deadline) => {}
                _ = fetched.changed() => self.trigger.resume(),
                _ = recheck.changed() => self.recheck(),
                () = Phase::draining(&mut phase) => return self.leave_in_order().await,
            }
        }
    }

    // What is due.

    /// Begins whatever is due: a dial, a session, the certainty that the peer has accepted us.
    fn advance(&mut self) {
        let now = Instant::now();
        if self.link.is_none() && self.dial.is_none() && self.wants_dial(now) {
            self.begin_dial();
        }
        if self.link.as_ref().is_some_and(|link| !link.proved && link.since + PROOF <= now) {
            self.prove();
        }
        if self.recheck_at <= now {
            self.recheck();
        }
        if self.may_open() && (!self.waiting.is_empty() || self.trigger_is_due(now)) {
            let permit = self.shared.outbound.clone().acquire_owned();
            // The semaphore is never closed, so there is always a permit in the end.
            self.permit = Some(Box::pin(async { permit.await.ok() }));
        }
    }

    /// The next moment at which [`advance`](Self::advance) has something to begin.
    fn deadline(&self) -> Instant {
        let now = Instant::now();
        let dial = (self.link.is_none() && self.dial.is_none() && self.address.is_some())
            .then_some(self.dial_at.max(now + MEMBERSHIP_POLL * u32::from(self.is_down())));
        let proof = self.link.as_ref().filter(|link| !link.proved).map(|link| link.since + PROOF);
        let trigger = self.trigger.due().filter(|_| self.may_open());
        [dial, proof, trigger].into_iter().flatten().fold(self.recheck_at, Instant::min)
    }

    fn may_open(&self) -> bool {
        let idle = self.permit.is_none() && self.opened.is_none() && self.accepted.is_none();
        idle && self.link.is_some()
    }

    fn wants_dial(&self, now: Instant) -> bool {
        let in_turn = self.address.is_some() && self.dial_at <= now && !self.is_down();
        in_turn || !self.waiting.is_empty()
    }

    fn is_down(&self) -> bool {
        self.shared.membership.liveness(&self.id) == crate::Liveness::Down
    }

    /// Whether an advert of the peer still calls for a session.
    fn trigger_is_due(&mut self, now: Instant) -> bool {
        match self.trigger.check(now, &*self.shared.source, &self.shared.chase) {
            Verdict::Open => true,
            Verdict::Wait => false,
            Verdict::Settled => {
                self.shared.counters.update(|stats| stats.triggers_saved += 1);
                false
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Accepted(connection) => {
                self.take_link(Link::accepted(connection, Instant::now()));
            }
            Command::Sync(answer) => self.waiting.push(answer),
            Command::Heard(advert) => self.on_advert(advert),
            Command::Moved => {
                let address = self.board.notes().member.address.clone();
                if self.address != address {
                    self.address = address;
                    self.dial = None;
                    self.dial_at = Instant::now();
                }
            }
        }
    }

    // Connecting.

    fn begin_dial(&mut self) {
        let Some(address) = self.address.clone() else {
            return self.answer_waiting(&HandshakeError::NoAddress.into());
        };
        let (shared, id) = (self.shared.clone(), self.id);
        self.dial =
            Some(Box::pin(
                async move { shared.socket.dial(id, &address, &shared.identity()).await },
            ));
        if !self.board.backs_off() {
            self.board.notes().state = State::Dialling;
        }
    }

    fn on_dialled(&mut self, dialled: Result<Connection, HandshakeError>) {
        self.dial = None;
        match dialled {
            Ok(connection) => {
                self.shared.counters.update(|stats| stats.handshakes_dialled += 1);
                self.take_link(Link::dialled(connection, Instant::now()));
            }
            // A connection that the peer dialled is as good.
            Err(_) if self.link.is_some() => {}
            Err(cause) => self.on_unreachable(cause),
        }
    }

    fn on_unreachable(&mut self, cause: HandshakeError) {
        let retry_in = self.shared.choose(|rng| self.backoff.fail(rng));
        self.dial_at = Instant::now() + retry_in;
        let failures = self.backoff.failures();
        let state = State::BackOff { failures, retry_at: self.dial_at, cause: cause.clone() };
        self.board.notes().state = state;
        self.shared.counters.update(|stats| {
            crate::stats::count(&mut stats.handshakes_failed, cause.reason());
        });
        self.answer_waiting(&cause.clone().into());
        self.shared.events.publish(Event::Unreachable { peer: self.id, cause, retry_in });
    }

    /// Takes a new connection, unless the one there is stays.
    fn take_link(&mut self, newer: Link) {
        if let Some(older) = self.link.take() {
            self.shared.counters.update(|stats| stats.connections_replaced += 1);
            if !older.yields_to(&newer, self.shared.us, self.id) {
                Close::Replaced.close(&newer.connection);
                self.link = Some(older);
                return;
            }
            Close::Replaced.close(&older.connection);
        }
        if !newer.dialled_by_us && self.id < self.shared.us {
            // Our own dial would lose against this connection.
            self.dial = None;
        }
        let proved = newer.proved;
        self.link = Some(newer);
        if proved {
            self.prove();
        }
    }

    /// The peer has accepted us: the connection counts, and both learn each other's roots.
    fn prove(&mut self) {
        let Some(link) = &mut self.link else { return };
        link.proved = true;
        self.backoff.reset();
        self.board.notes().state = State::Connected {
            connection: link.connection.clone(),
            since: link.since,
            dialled_by_us: link.dialled_by_us,
        };
        self.shared.events.publish(Event::Connected { peer: self.id });
        self.shared.send_advert(&self.board);
    }

    /// Gives the connection up if its peer would not be accepted any more.
    fn recheck(&mut self) {
        self.recheck_at = Instant::now() + RECHECK_INTERVAL;
        let Some(link) = &self.link else { return };
        let chain = peer_chain(&link.connection).unwrap_or_default();
        let trust = self.shared.identity().trust.clone();
        let verifier = PeerVerifier::new(trust, Expected::Node(self.id));
        if let Err(cause) = verifier.check_chain(&chain, UnixTime::now()) {
            self.give_up_link(Close::Outdated, cause);
        }
    }

    // What happens on the connection.

    fn on_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Stream(send, recv) => self.on_stream(send, recv),
            LinkEvent::Datagram(bytes) => self.on_datagram(&bytes),
            LinkEvent::Closed(error) => self.on_closed(&error),
        }
    }

    /// The peer opens a session. One is held at a time; of two that cross, that of the smaller id.
    fn on_stream(&mut self, mut send: SendStream, mut recv: RecvStream) {
        self.note_sign_of_life();
        let refusal = match (&self.accepted, &self.opened) {
            (Some(_), _) => Some(Abort::Busy),
            (None, Some(_)) if self.shared.us < self.id => Some(Abort::Crossed),
            _ => None,
        };
        if let Some(refusal) = refusal {
            refusal.abort(&mut send, &mut recv);
            self.shared.counters.update(|stats| stats.sessions_refused += 1);
            return;
        }
        // A session of ours that still waits for its permit lets the peer's go first.
        self.permit = None;
        let session = session::accept(self.shared.clone(), self.id, self.cursor, send, recv);
        self.accepted = Some(Task::spawn(session));
    }

    fn on_datagram(&mut self, bytes: &[u8]) {
        self.note_sign_of_life();
        if !self.datagrams.take(Instant::now()) {
            return self.shared.counters.update(|stats| stats.datagrams_over_limit += 1);
        }
        self.board.notes().bytes_received += bytes.len() as u64;
        match RootAdvert::decode(bytes) {
            Ok(advert) => {
                self.shared.counters.update(|stats| {
                    stats.adverts_received += 1;
                    stats.advert_bytes_received += bytes.len() as u64;
                });
                self.on_advert(advert);
            }
            Err(_) => self.shared.counters.update(|stats| stats.datagrams_malformed += 1),
        }
    }

    fn on_advert(&mut self, advert: RootAdvert) {
        let now = Instant::now();
        self.shared.choose(|rng| self.trigger.hear(advert, now, &*self.shared.source, rng));
    }

    /// Whatever a peer sends, it sends after having accepted us.
    fn note_sign_of_life(&mut self) {
        if self.link.as_ref().is_some_and(|link| !link.proved) {
            self.prove();
        }
    }

    fn on_closed(&mut self, error: &ConnectionError) {
        let Some(link) = self.link.take() else { return };
        if !link.proved {
            return self.on_unreachable(link::diagnose(error));
        }
        self.shared.counters.update(|stats| stats.connections_lost += 1);
        let reason = Close::of(error).map_or_else(|| error.to_string(), |why| why.reason().into());
        self.shared.events.publish(Event::Disconnected { peer: self.id, reason });
        match Close::of(error) {
            Some(Close::Evicted | Close::Outdated | Close::Shutdown) => {
                self.on_unreachable(link::diagnose(error));
            }
            _ => {
                self.board.notes().state = State::Idle;
                self.dial_at = Instant::now() + first_pause(&self.shared, self.id);
            }
        }
    }

    // Sessions.

    fn on_permit(&mut self, permit: Option<OwnedSemaphorePermit>) {
        self.permit = None;
        let Some(permit) = permit else { return };
        // While we waited, another session may have brought what this one was to fetch.
        if self.waiting.is_empty() && !self.trigger_is_due(Instant::now()) {
            return;
        }
        let Some(link) = &self.link else { return };
        let connection = link.connection.clone();
        self.served.append(&mut self.waiting);
        if self.trigger.begin(self.id, &*self.shared.source, &self.shared.chase) {
            self.shared.counters.update(|stats| stats.triggers += 1);
        }
        let session = session::open(self.shared.clone(), self.id, self.cursor, connection, permit);
        self.opened = Some(Task::spawn(session));
    }

    fn on_opened_ended(&mut self, ended: Option<Ended>) {
        self.opened = None;
        self.shared.chase.end(self.id);
        let served = std::mem::take(&mut self.served);
        let Some(ended) = ended else {
            return answer(served, &Err(SyncError::Cut));
        };
        match self.note_end(ended) {
            Ok(report) => {
                let progress = report.made_progress();
                self.trigger.end(Instant::now(), progress);
                answer(served, &Ok(report));
            }
            Err(Failure::Crossed | Failure::Replaced) => {
                // The callers did not get their session yet; it is opened again.
                self.waiting.extend(served);
                self.shared.choose(|rng| self.trigger.retry(Instant::now(), rng));
            }
            Err(Failure::Unresponsive) => {
                answer(served, &Err(SyncError::TimedOut("answer")));
                self.give_up_link(Close::Unresponsive, HandshakeError::TimedOut);
            }
            Err(Failure::Failed(error)) => {
                self.trigger.end(Instant::now(), false);
                answer(served, &Err(error));
            }
        }
    }

    fn on_accepted_ended(&mut self, ended: Option<Ended>) {
        self.accepted = None;
        if let Some(ended) = ended {
            // The opener's side tells its callers; here the notes are all.
            _ = self.note_end(ended);
        }
    }

    /// Notes how a session ended, and tells everybody whom it concerns.
    fn note_end(&mut self, ended: Ended) -> Result<SessionReport, Failure> {
        if let Some(stream) = ended.last_bytes {
            self.last_bytes.spawn(async move {
                _ = tokio::time::timeout(FINISH_TIMEOUT, stream.stopped()).await;
            });
        }
        let result = match &ended.result {
            Ok(report) => Ok(report.clone()),
            Err(Failure::Crossed | Failure::Replaced) => return ended.result,
            Err(Failure::Unresponsive) => Err(SyncError::TimedOut("answer")),
            Err(Failure::Failed(error)) => Err(error.clone()),
        };
        let bytes = [ended.bytes_sent, ended.bytes_received];
        self.shared.publish_session(self.id, &result, bytes);
        let stalled = {
            let mut notes = self.board.notes();
            notes.note_session(&result, bytes, Instant::now());
            notes.stalled_sessions
        };
        if stalled > 0 && stalled % STALLED_AFTER == 0 {
            self.shared.events.publish(Event::Stalled { peer: self.id, sessions: stalled });
        }
        if let Ok(report) = &result {
            self.cursor = report.outcome.cursor;
            self.note_sign_of_life();
        }
        if ended.changed_us {
            self.shared.changed.notify_one();
        }
        ended.result
    }

    /// Closes a connection that is of no use. It is dialled again after a pause.
    fn give_up_link(&mut self, why: Close, cause: HandshakeError) {
        let Some(link) = self.link.take() else { return };
        why.close(&link.connection);
        let reason = why.reason().into();
        self.shared.events.publish(Event::Disconnected { peer: self.id, reason });
        self.on_unreachable(cause);
    }

    fn answer_waiting(&mut self, error: &SyncError) {
        answer(std::mem::take(&mut self.waiting), &Err(error.clone()));
    }

    // Leaving.

    /// The peer left the roster: nothing is finished for it.
    fn leave_evicted(mut self) {
        self.shared.chase.end(self.id);
        self.waiting.append(&mut self.served);
        self.answer_waiting(&SyncError::NotInRoster(self.id));
        if let Some(link) = self.link.take() {
            Close::Evicted.close(&link.connection);
            let reason = Close::Evicted.reason().into();
            self.shared.events.publish(Event::Disconnected { peer: self.id, reason });
        }
    }

    /// The node shuts down: what runs may end, and what was sent may arrive.
    async fn leave_in_order(mut self) {
        self.permit = None;
        self.dial = None;
        self.answer_waiting(&SyncError::ShuttingDown);
        let until = Instant::now() + self.shared.config.shutdown_grace;
        let orderly = async {
            while self.opened.is_some() || self.accepted.is_some() {
                tokio::select! {
                    ended = ready(&mut self.opened) => self.on_opened_ended(ended),
                    ended = ready(&mut self.accepted) => self.on_accepted_ended(ended),
                }
            }
            while self.last_bytes.join_next().await.is_some() {}
        };
        _ = timeout_at(until, orderly).await;
        self.waiting.append(&mut self.served);
        self.answer_waiting(&SyncError::ShuttingDown);
        if let Some(link) = self.link.take() {
            Close::Shutdown.close(&link.connection);
        }
    }
}

/// A dialled connection that lives this long was accepted, even if the peer has said nothing.
const PROOF: Duration = HANDSHAKE_TIMEOUT;
/// How often a member that is down is looked up again.
const MEMBERSHIP_POLL: Duration = Duration::from_secs(1);

async fn next_event(link: Option<&Link>) -> LinkEvent {
    match link {
        Some(link) => link.event().await,
        None => std::future::pending().await,
    }
}

fn answer(callers: Vec<Answer>, result: &Result<SessionReport, SyncError>) {
    for caller in callers {
        // A caller that no longer waits needs no answer.
        _ = caller.send(result.clone());
    }
}
