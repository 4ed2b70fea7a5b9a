//! One peer: its connection, its dials, its sessions. One task owns all of it.

mod connecting;
mod leaving;
mod syncing;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use engram_gossip_proto::RootAdvert;
use quinn::{Connection, RecvStream, SendStream};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::backoff::{Backoff, jitter};
use crate::bucket::TokenBucket;
use crate::limits::{DATAGRAMS, HANDSHAKE_TIMEOUT, MAILBOX, RECHECK_INTERVAL};
use crate::link::{Link, LinkEvent};
use crate::membership::keep::Packet;
use crate::report::SessionReport;
use crate::session::Ended;
use crate::shared::{Peer, Phase, Shared};
use crate::status::Board;
use crate::task::{Work, ready};
use crate::transfer::Account;
use crate::trigger::{Trigger, Verdict};
use crate::{HandshakeError, Liveness, Member, MembershipInput, NodeId, SyncError};

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
    /// When it woke up last.
    now: Instant,
    address: Option<String>,
    link: Option<Link>,
    dial: Option<Dial>,
    dial_at: Instant,
    dialled_at: Instant,
    backoff: Backoff,
    /// The wait for permission to open a session.
    permit: Option<Permit>,
    /// The session that we opened, and the one that the peer opened. Both run only while two
    /// sessions cross.
    opened: Option<Work<Ended>>,
    accepted: Option<Work<Ended>>,
    /// The stream of the peer's next session, if it comes before we have seen the end of the last.
    queued: Option<(SendStream, RecvStream)>,
    /// Whom the next session, and whom the running one, is to be reported to.
    waiting: Vec<Answer>,
    served: Vec<Answer>,
    /// Where the last session left off, so that records which the peer refuses starve no others.
    cursor: Option<u64>,
    trigger: Trigger,
    datagrams: TokenBucket,
    /// What its sessions have used up, and until when none is opened because of that.
    account: Account,
    delayed_until: Option<Instant>,
    /// The stream of the last session, if its end is not told yet, and by when it has to be.
    unended: Option<(SendStream, Instant)>,
    /// Streams whose last bytes may still be on their way, and how long they are waited for.
    last_bytes: Vec<(RecvStream, Instant)>,
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
        now,
        address: member.address,
        link: None,
        dial: None,
        dial_at: now + first_pause(shared, member.id),
        dialled_at: now,
        backoff: Backoff::new(config.backoff_min, config.backoff_max),
        permit: None,
        opened: None,
        accepted: None,
        queued: None,
        waiting: Vec::new(),
        served: Vec::new(),
        cursor: None,
        trigger: Trigger::new(config.trigger_jitter, shared.us < member.id),
        datagrams: TokenBucket::new(DATAGRAMS, now),
        account: Account::new(config.transfer.peer, now),
        delayed_until: None,
        unended: None,
        last_bytes: Vec::new(),
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
        let mut brought = self.shared.source.claims().subscribe();
        let mut recheck = self.shared.recheck.subscribe();
        let mut transfer = self.shared.transfer_changed.subscribe();
        let mut draining = pin!(Phase::draining(&mut phase));
        let mut timer = pin!(sleep_until(self.now));
        loop {
            self.advance();
            let deadline = self.deadline();
            // A timer that ends too early costs one look; to set it back each time costs more.
            if timer.is_elapsed() || deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            // In no order: whatever comes without end must keep nothing else waiting.
            tokio::select! {
                ended = ready(&mut self.opened) => self.woken().on_opened_ended(ended),
                ended = ready(&mut self.accepted) => self.woken().on_accepted_ended(ended),
                () = &mut draining => {
                    self.woken();
                    return self.leave_in_order().await;
                }
                command = self.mailbox.recv() => match command {
                    Some(command) => self.woken().on_command(command),
                    None => return self.leave_evicted(),
                },
                dialled = ready(&mut self.dial) => self.woken().on_dialled(dialled),
                permit = ready(&mut self.permit) => self.woken().on_permit(permit),
                _ = fetched.changed(), if self.trigger.is_postponed() => self.woken().trigger.resume(),
                _ = brought.changed(), if self.trigger.is_postponed() => self.woken().trigger.resume(),
                _ = recheck.changed() => self.woken().recheck(),
                _ = transfer.changed(), if self.delayed_until.is_some() => {
                    self.woken().delayed_until = None;
                }
                event = next_event(self.link.as_mut()) => self.woken().on_event(event),
                () = &mut timer => {
                    self.woken();
                }
            }
        }
    }

    /// Notes the time at which something happened: what follows from it happens now.
    pub(super) fn woken(&mut self) -> &mut Self {
        self.now = Instant::now();
        self
    }

    // What is due.

    /// Begins whatever is due: a dial, a session, the certainty that the peer has accepted us.
    fn advance(&mut self) {
        let now = self.now;
        if self.link.is_none() && self.dial.is_none() && self.wants_dial() {
            self.begin_dial();
        }
        if self.link.as_ref().is_some_and(|link| !link.proved && link.since + PROOF <= now) {
            self.prove();
        }
        if self.recheck_at <= now {
            self.woken().recheck();
        }
        self.delayed_until = self.delayed_until.filter(|until| *until > now);
        let is_due = self.may_open() && (!self.waiting.is_empty() || self.trigger_is_due());
        if is_due && !self.is_delayed() {
            self.open_session();
        }
        self.unended.take_if(|(_, by)| *by <= now);
        self.last_bytes.retain(|(_, by)| *by > now);
    }

    /// The next moment at which [`advance`](Self::advance) has something to begin.
    fn deadline(&self) -> Instant {
        let now = self.now;
        let dial = (self.link.is_none() && self.dial.is_none() && self.address.is_some())
            .then_some(self.dial_at.max(now + MEMBERSHIP_POLL * u32::from(self.is_down())));
        let proof = self.link.as_ref().filter(|link| !link.proved).map(|link| link.since + PROOF);
        let trigger = self.trigger.due().filter(|_| self.may_open());
        let end = self.unended.as_ref().map(|(_, by)| *by);
        let last = self.last_bytes.first().map(|(_, by)| *by);
        [dial, proof, trigger, end, last, self.delayed_until]
            .into_iter()
            .flatten()
            .fold(self.recheck_at, Instant::min)
    }

    fn may_open(&self) -> bool {
        let idle = self.permit.is_none() && self.opened.is_none() && self.accepted.is_none();
        idle && self.link.is_some() && self.delayed_until.is_none()
    }

    fn wants_dial(&self) -> bool {
        let in_turn = self.address.is_some() && self.dial_at <= self.now;
        // If both sides took each other for dead, nobody else would ever find out.
        let in_vain = self.is_down() && self.now < self.dialled_at + self.shared.config.backoff_max;
        in_turn && !in_vain || !self.waiting.is_empty()
    }

    fn is_down(&self) -> bool {
        self.shared.membership.liveness(&self.id) == Liveness::Down
    }

    /// Whether an advert of the peer still calls for a session.
    fn trigger_is_due(&mut self) -> bool {
        match self.trigger.check(self.now, &*self.shared.source, &self.shared.chase) {
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
                self.take_link(Link::accepted(connection, self.now));
            }
            Command::Sync(answer) => self.waiting.push(answer),
            Command::Heard(advert) => self.on_advert(advert),
            Command::Moved => {
                let address = self.board.notes().member.address.clone();
                if self.address != address {
                    self.address = address;
                    self.dial = None;
                    self.dial_at = self.now;
                }
            }
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

    fn on_datagram(&mut self, bytes: &[u8]) {
        self.note_sign_of_life();
        if !self.datagrams.take(self.now) {
            return self.shared.counters.update(|stats| stats.datagrams_over_limit += 1);
        }
        let advert = match Packet::parse(bytes) {
            Some(Packet { advert, membership: bytes }) => {
                self.shared.counters.update(|stats| {
                    stats.membership_received += 1;
                    stats.membership_bytes_received += bytes.len() as u64;
                });
                self.board.notes().received.membership += bytes.len() as u64;
                self.shared.tell_membership(MembershipInput::Packet { from: self.id, bytes });
                advert
            }
            None => bytes,
        };
        self.board.notes().received.adverts += advert.len() as u64;
        let len = advert.len() as u64;
        match RootAdvert::decode(advert) {
            Ok(advert) => {
                self.shared.counters.update(|stats| {
                    stats.adverts_received += 1;
                    stats.advert_bytes_received += len;
                });
                self.on_advert(advert);
            }
            Err(_) => self.shared.counters.update(|stats| stats.datagrams_malformed += 1),
        }
    }

    fn on_advert(&mut self, advert: RootAdvert) {
        let pause = self.jitter();
        self.trigger.hear(advert, self.now, pause, &*self.shared.source);
    }

    /// A random share of the time over which triggered sessions are spread.
    fn jitter(&self) -> Duration {
        self.shared.choose(|rng| jitter(self.shared.config.trigger_jitter, rng))
    }

    /// Whatever a peer sends, it sends after having accepted us.
    fn note_sign_of_life(&mut self) {
        if self.link.as_ref().is_some_and(|link| !link.proved) {
            self.prove();
        }
    }
}

/// A dialled connection that lives this long was accepted, even if the peer has said nothing.
const PROOF: Duration = HANDSHAKE_TIMEOUT;
/// How often a member that is down is looked up again.
const MEMBERSHIP_POLL: Duration = Duration::from_secs(1);

async fn next_event(link: Option<&mut Link>) -> LinkEvent {
    match link {
        Some(link) => link.event().await,
        None => std::future::pending().await,
    }
}
