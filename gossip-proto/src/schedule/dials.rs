//! Orders dials fairly, so that silent members do not delay others.

use alloc::collections::VecDeque;
use core::time::Duration;

use super::dial_class::DialClass;
use super::limits::{
    DIAL_PERMIT, HANDSHAKE_TIMEOUT, LEAST_DIAL_PERMIT, LOST_HANDSHAKE_TIMEOUT, LOST_PAUSE,
    MAX_DIALS, MAX_DIALS_UNDER_WAY, MET_LATELY, PERMIT_HANDSHAKES,
};
use super::peer::{Contact, Peer};
use super::{Action, DialFailure, Disconnect, Due, Reach, Scheduler};

/// The members that wait for a permit, and the permits that dials hold.
#[derive(Debug)]
pub(super) struct Dials<P> {
    /// The waiting members of each class. Entries of members that no longer wait are skipped.
    queues: [VecDeque<P>; DialClass::ALL.len()],
    held: [usize; DialClass::ALL.len()],
    /// Number of running dials, with a permit or without.
    under_way: usize,
    /// The usual duration of a handshake, once known.
    handshake: Option<Duration>,
}

impl<P: Copy + Ord> Dials<P> {
    pub(super) const fn new() -> Self {
        Self {
            queues: [const { VecDeque::new() }; DialClass::ALL.len()],
            held: [0; DialClass::ALL.len()],
            under_way: 0,
            handshake: None,
        }
    }

    fn is_free(&self, class: DialClass) -> bool {
        self.held.iter().sum::<usize>() < MAX_DIALS
            && self.held[class as usize] < class.share()
            && self.under_way < MAX_DIALS_UNDER_WAY
    }

    fn release(&mut self, permit: Option<DialClass>) {
        if let Some(class) = permit {
            self.held[class as usize] -= 1;
        }
    }

    /// Removes a peer from the queues.
    pub(super) fn forget(&mut self, peer: P) {
        self.queues.iter_mut().for_each(|queue| queue.retain(|waiting| *waiting != peer));
    }

    fn note_handshake(&mut self, took: Duration) {
        self.handshake = Some(self.handshake.map_or(took, |usual| (usual * 3 + took) / 4));
    }

    /// Time after which a silent dial releases its permit. It grows with the usual duration of a
    /// handshake: if handshakes are slow, this machine or its peers may be overloaded, and more
    /// dials would make the overload worse.
    fn permit_time(&self) -> Duration {
        self.handshake
            .map_or(DIAL_PERMIT, |usual| (usual * PERMIT_HANDSHAKES).max(LEAST_DIAL_PERMIT))
    }
}

impl<P: Copy + Ord> Scheduler<P> {
    /// Notes that the handshake of a dial is complete on this side. Sessions may begin, but the
    /// peer may still refuse this node.
    pub fn handle_dialled(&mut self, peer: P, now: Duration) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        if let Contact::Dialling { .. } = found.contact {
            let took = now.saturating_sub(found.dialled_at);
            self.dials.note_handshake(took);
            self.set_contact(peer, Contact::Dialled, now);
            self.consider(peer, now);
        }
    }

    /// Notes that a connection with a peer, dialled by either side, is established, and that both
    /// sides have accepted each other.
    pub fn handle_connected(&mut self, peer: P, now: Duration) {
        if !self.peers.contains_key(&peer) {
            return;
        }
        self.set_contact(peer, Contact::Connected, now);
        self.agenda.cancel(Due::Dial(peer));
        let Some(found) = self.peers.get_mut(&peer) else { return };
        found.backoff.reset();
        self.actions.push_back(Action::Advertise { peer });
        self.consider(peer, now);
    }

    /// Notes that no address of a member was found, that a dial failed, or that the peer did not
    /// accept this node. Drops the host's pending requests for sessions. Returns the pause before
    /// the next dial and the number of consecutive failures. Does nothing and returns `None` if no
    /// lookup is running and no dial waits for an answer or for the peer to accept this node.
    pub fn handle_dial_failed(
        &mut self,
        peer: P,
        failure: DialFailure,
        now: Duration,
    ) -> Option<(Duration, u32)> {
        let found = self.peers.get(&peer)?;
        match found.contact {
            Contact::Resolving | Contact::Dialling { .. } | Contact::Dialled => {}
            Contact::Apart | Contact::Queued(_) | Contact::Connected => return None,
        }
        Some(self.back_off(peer, failure, now))
    }

    /// Notes that the only connection with a peer has ended. Returns `None` if there was no
    /// connection, or if it was lost: a lost member that has an address is dialled again soon.
    /// Otherwise returns the same as [`handle_dial_failed`](Self::handle_dial_failed), and counts
    /// the end of the connection as a failure. Drops the host's pending requests for sessions,
    /// unless the connection was lost and the peer has an address.
    pub fn handle_disconnected(
        &mut self,
        peer: P,
        how: Disconnect,
        now: Duration,
    ) -> Option<(Duration, u32)> {
        let found = self.peers.get_mut(&peer).filter(|peer| peer.has_link())?;
        match how {
            Disconnect::Lost => {
                let pause = found.note_loss(now).min(self.config.backoff_max);
                self.set_contact(peer, Contact::Apart, now);
                let pause = pause + self.first_pause(peer);
                self.plan_dial(peer, now + pause);
                self.drop_hopeless_requests(peer);
                self.dial_if_requested(peer, now);
                None
            }
            Disconnect::Gone => {
                found.met_until = now + MET_LATELY;
                Some(self.back_off(peer, DialFailure::Silent, now))
            }
            Disconnect::Rejected => Some(self.back_off(peer, DialFailure::Refused, now)),
        }
    }

    fn back_off(&mut self, peer: P, failure: DialFailure, now: Duration) -> (Duration, u32) {
        self.set_contact(peer, Contact::Apart, now);
        self.drop_requests(peer);
        let Some(found) = self.peers.get_mut(&peer) else { return (Duration::ZERO, 0) };
        let (min, max) = (self.config.backoff_min, self.config.backoff_max);
        let pause = match failure {
            DialFailure::Silent if found.is_lost(now) => {
                found.backoff.fail_soon(LOST_PAUSE.min(max), &mut self.random)
            }
            _ => {
                found.met_until = Duration::ZERO;
                found.backoff.fail(min, max, &mut self.random)
            }
        };
        let failures = found.backoff.failures();
        self.plan_dial(peer, now + pause);
        (pause, failures)
    }

    /// Dials a member immediately, for example because its address may have changed; a member that
    /// is down is still dialled rarely. Abandons a running dial of it. Drops the host's pending
    /// requests for sessions if the member has no address any more. Does nothing if the member is
    /// connected.
    pub fn redial(&mut self, peer: P, now: Duration) {
        let Some(found) = self.peers.get_mut(&peer).filter(|peer| !peer.has_link()) else { return };
        found.backoff.reset();
        self.set_contact(peer, Contact::Apart, now);
        self.plan_dial(peer, now);
        self.drop_hopeless_requests(peer);
    }

    pub(super) fn plan_dial(&mut self, peer: P, at: Duration) {
        if self.peers.get(&peer).is_some_and(|found| found.reach == Reach::Dialable) {
            self.agenda.set(Due::Dial(peer), at);
        }
    }

    /// Draws the pause before the first dial of a new or lost member. The node with the smaller id
    /// dials in the first half of the spread, so that dials seldom cross.
    pub(super) fn first_pause(&mut self, peer: P) -> Duration {
        let half = self.config.dial_spread / 2;
        let head_start = if self.us < peer { Duration::ZERO } else { half };
        head_start + self.random.duration(half)
    }

    pub(super) fn on_dial_due(&mut self, peer: P, now: Duration) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        if found.contact != Contact::Apart || found.reach == Reach::DialsUs {
            return;
        }
        // Members that are down are still dialled occasionally: otherwise, two sides that consider
        // each other dead would never connect again.
        let again = found.dialled_at + self.config.backoff_max;
        if found.is_down && !found.is_lost(now) && !found.is_requested() && now < again {
            return self.agenda.set(Due::Dial(peer), again);
        }
        self.resolve(peer);
    }

    pub(super) fn dial_if_requested(&mut self, peer: P, now: Duration) {
        let Some(found) = self.peers.get(&peer) else { return };
        if found.reach != Reach::Dialable || !found.is_requested() {
            return;
        }
        match found.contact {
            Contact::Apart => self.resolve(peer),
            Contact::Queued(_) => self.queue_dial(peer, now),
            _ => {}
        }
    }

    /// Begins to dial a member: looks up its addresses first, without a permit, because the answer
    /// may take a long time.
    fn resolve(&mut self, peer: P) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        found.contact = Contact::Resolving;
        self.agenda.cancel(Due::Dial(peer));
        self.actions.push_back(Action::Resolve { peer });
    }

    /// Notes that the addresses of a member are known. The member then waits for a dial permit.
    pub fn handle_resolved(&mut self, peer: P, now: Duration) {
        if self.peers.get(&peer).is_some_and(|found| found.contact == Contact::Resolving) {
            self.queue_dial(peer, now);
        }
    }

    fn queue_dial(&mut self, peer: P, now: Duration) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        let class = if found.is_requested() {
            DialClass::Requested
        } else if found.is_lost(now) {
            DialClass::Lost
        } else if found.backoff.failures() > 0 {
            DialClass::Unreachable
        } else {
            DialClass::New
        };
        if found.contact != Contact::Queued(class) {
            found.contact = Contact::Queued(class);
            let queue = &mut self.dials.queues[class as usize];
            // New members are dialled in random order, so that a reachable one is soon dialled: its
            // answer shows how long a handshake takes.
            let place = match class {
                DialClass::New => self.random.below(queue.len() + 1),
                _ => queue.len(),
            };
            queue.insert(place, peer);
        }
        self.start_dials(now);
    }

    /// Number of dials that hold a permit, and number of all running dials.
    pub fn dials_under_way(&self) -> [usize; 2] {
        [self.dials.held.iter().sum(), self.dials.under_way]
    }

    fn start_dials(&mut self, now: Duration) {
        for class in DialClass::ALL {
            while self.dials.is_free(class)
                && let Some(peer) = self.dials.queues[class as usize].pop_front()
            {
                let Some(found) = self.peers.get_mut(&peer) else { continue };
                if found.contact != Contact::Queued(class) {
                    continue;
                }
                found.contact = Contact::Dialling { permit: Some(class) };
                found.dialled_at = now;
                self.dials.held[class as usize] += 1;
                self.dials.under_way += 1;
                let timeout = handshake_timeout(found, now);
                let permit_time = self.dials.permit_time();
                self.agenda.set(Due::DialPermit(peer), now + permit_time);
                self.actions.push_back(Action::Dial { peer, timeout });
            }
        }
    }

    /// Releases the permit of a silent dial, which continues without it.
    pub(super) fn on_dial_silent(&mut self, peer: P, now: Duration) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        if let Contact::Dialling { permit } = &mut found.contact {
            self.dials.release(permit.take());
            self.start_dials(now);
        }
    }

    /// Changes the contact with a peer; a permit that its dial held passes to the next dial.
    pub(super) fn set_contact(&mut self, peer: P, contact: Contact, now: Duration) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        if !found.has_link() {
            found.linked_at = now;
        }
        if let Contact::Dialling { permit } = core::mem::replace(&mut found.contact, contact) {
            self.dials.release(permit);
            self.dials.under_way -= 1;
            self.agenda.cancel(Due::DialPermit(peer));
            self.start_dials(now);
        }
    }
}

fn handshake_timeout(peer: &Peer, now: Duration) -> Duration {
    match peer.is_lost(now) {
        true => LOST_HANDSHAKE_TIMEOUT,
        false => HANDSHAKE_TIMEOUT,
    }
}
