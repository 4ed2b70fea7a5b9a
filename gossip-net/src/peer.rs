//! The task of a peer. It owns the peer's connection, dials and sessions.
//!
//! The scheduler decides what to start and when; this task carries out the decisions and reports
//! the results.

mod connection;
mod leaving;
mod lingering;
mod sessions;
mod told;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use engram_gossip_proto::RootAdvert;
use engram_gossip_proto::schedule::Scheduler;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use self::connection::{Dial, Lookup};
use self::lingering::Lingering;
use self::sessions::Sessions;
use self::told::Told;
use crate::command::Command;
use crate::handle::Peer;
use crate::limits::RECHECK_INTERVAL;
use crate::link::{Link, LinkEvent, Proof};
use crate::membership::packet::Packet;
use crate::node::{Phase, Shared};
use crate::status::PeerState;
use crate::task::ready;
use crate::{Member, MembershipInput, NodeId};

/// The task of one peer.
pub(crate) struct PeerTask {
    shared: Arc<Shared>,
    state: Arc<PeerState>,
    mailbox: mpsc::UnboundedReceiver<Command>,
    id: NodeId,
    /// The time of the last wake-up.
    now: Instant,
    address: Option<String>,
    /// The address at which the peer answered, although the roster lists it for another member.
    sighted: Option<SocketAddr>,
    link: Option<Link>,
    lookup: Option<Lookup>,
    /// The resolved addresses of the peer.
    addresses: Vec<SocketAddr>,
    dial: Option<Dial>,
    told: Told,
    sessions: Sessions,
    lingering: Lingering,
    recheck_at: Instant,
}

/// Starts the task of `member`.
pub(crate) fn spawn(shared: &Arc<Shared>, member: Member) -> Peer {
    let (mailbox, commands) = mpsc::unbounded_channel();
    let state = Arc::new(PeerState::new(member.clone()));
    let now = Instant::now();
    let task = PeerTask {
        shared: shared.clone(),
        state: state.clone(),
        mailbox: commands,
        id: member.id,
        now,
        address: member.address,
        sighted: None,
        link: None,
        lookup: None,
        addresses: Vec::new(),
        dial: None,
        told: Told::default(),
        sessions: Sessions::default(),
        lingering: Lingering::default(),
        recheck_at: now + RECHECK_INTERVAL,
    };
    shared.runtime.spawn(task.run());
    Peer { mailbox, state }
}

impl PeerTask {
    async fn run(mut self) {
        let mut phase = self.shared.phase.subscribe();
        let mut recheck = self.shared.identity.subscribe();
        let mut draining = pin!(Phase::draining(&mut phase));
        let mut timer = pin!(sleep_until(self.now));
        loop {
            self.advance();
            let deadline = self.deadline();
            // An early wake-up costs one pass; resetting the timer on every pass costs more.
            if timer.is_elapsed() || deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            // Not `biased`: an always-ready branch must not starve the others.
            tokio::select! {
                ended = ready(&mut self.sessions.opened) => self.tick().on_opened_ended(ended),
                ended = ready(&mut self.sessions.accepted) => self.tick().on_accepted_ended(ended),
                () = &mut draining => {
                    self.tick();
                    return self.leave_in_order().await;
                }
                command = self.mailbox.recv() => match command {
                    Some(command) => self.tick().on_command(command),
                    None if !self.shared.is_running() => {
                        self.tick();
                        return self.leave_in_order().await;
                    }
                    None => return self.leave_evicted(),
                },
                found = ready(&mut self.lookup) => self.tick().on_looked_up(found),
                dialled = ready(&mut self.dial) => self.tick().on_dialled(dialled),
                _ = recheck.changed() => self.tick().recheck(),
                event = next_event(self.link.as_mut()) => self.tick().on_event(event),
                () = &mut timer => {
                    self.tick();
                }
            }
        }
    }

    /// Updates the current time. Called before each event is handled.
    fn tick(&mut self) -> &mut Self {
        self.now = Instant::now();
        self
    }

    /// Does all work that is due.
    fn advance(&mut self) {
        let now = self.now;
        if self.proof_due().is_some_and(|due| due <= now) {
            self.prove();
        }
        if self.recheck_at <= now {
            self.recheck();
        }
        self.lingering.expire(now);
    }

    /// The time at which [`advance`](Self::advance) must run next.
    fn deadline(&self) -> Instant {
        let dues = [self.proof_due(), self.lingering.next_due()];
        dues.into_iter().flatten().fold(self.recheck_at, Instant::min)
    }

    fn proof_due(&self) -> Option<Instant> {
        match self.link.as_ref()?.proof {
            Proof::Awaited { until } => Some(until),
            Proof::Given { .. } => None,
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Accepted(connection, arrived) => {
                self.take_link(Link::accepted(connection, arrived, self.now));
            }
            Command::Request(answer) => self.on_request(answer),
            Command::RequestPreview(request) => self.on_preview_request(request),
            Command::Moved => self.on_moved(),
            Command::Sighted(address) => self.on_sighted(address),
            Command::Resolve => self.begin_lookup(),
            Command::Dial { timeout } => self.begin_dial(timeout),
            Command::Open { session, terms } => self.open(session, terms),
            Command::Preview { session, terms } => self.open_preview(session, terms),
            Command::Accept { session, terms } => self.accept(session, terms),
            Command::Refuse { reason } => self.refuse(reason),
        }
    }

    // Connection events.

    fn on_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Stream(send, recv) => self.on_stream(send, recv),
            LinkEvent::Datagram(bytes) => self.on_datagram(&bytes),
            LinkEvent::Closed(error) => self.on_closed(&error),
        }
    }

    fn on_datagram(&mut self, bytes: &[u8]) {
        self.note_sign_of_life();
        let id = self.id;
        if !self.shared.schedule.ask(|scheduler, now| scheduler.admits_datagram(id, now)) {
            return self.shared.counters.update(|stats| stats.datagrams_over_limit += 1);
        }
        let advert = match Packet::parse(bytes) {
            Some(Packet { advert, membership: bytes }) => {
                self.shared.counters.update(|stats| {
                    stats.membership_received += 1;
                    stats.membership_bytes_received += bytes.len() as u64;
                });
                self.state.notes().received.membership += bytes.len() as u64;
                self.shared.tell_membership(MembershipInput::Packet { from: id, bytes });
                advert
            }
            None => bytes,
        };
        let len = advert.len() as u64;
        match RootAdvert::decode(advert) {
            Ok(advert) => {
                self.state.notes().received.adverts += len;
                self.shared.counters.update(|stats| {
                    stats.adverts_received += 1;
                    stats.advert_bytes_received += len;
                });
                self.shared.tell_advert(id, &advert);
            }
            Err(_) => self.shared.counters.update(|stats| stats.datagrams_malformed += 1),
        }
    }

    /// Passes an input about this peer, with its id, to the scheduler. Passes nothing and returns
    /// `None` if the member was removed: a member that was added later with the same id has its own
    /// task.
    fn tell<T>(
        &self,
        tell: impl FnOnce(&mut Scheduler<NodeId>, NodeId, Duration) -> T,
    ) -> Option<T> {
        let is_current = || {
            let peer = self.shared.peer(&self.id);
            peer.is_some_and(|peer| Arc::ptr_eq(&peer.state, &self.state))
        };
        self.shared.tell(|scheduler, now| is_current().then(|| tell(scheduler, self.id, now)))
    }

    /// Records that the peer has accepted this node. A peer sends no message before that, so any
    /// message is proof.
    fn note_sign_of_life(&mut self) {
        if self.proof_due().is_some() {
            self.prove();
        }
    }
}

async fn next_event(link: Option<&mut Link>) -> LinkEvent {
    match link {
        Some(link) => link.event().await,
        None => std::future::pending().await,
    }
}
