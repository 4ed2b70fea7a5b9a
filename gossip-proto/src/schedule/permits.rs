//! The permits of concurrent sessions, and the queues for them.

use alloc::collections::VecDeque;
use core::time::Duration;

use super::limits::PERMIT_TIMEOUT;
use super::peer::Incoming;
use super::{Action, Due, Refusal, Scheduler, SessionId};

/// The running sessions, and the peers that wait for a permit.
#[derive(Debug)]
pub(super) struct Permits<P> {
    pub(super) opened: usize,
    pub(super) accepted: usize,
    /// Peers with which this node waits to open a session.
    pub(super) outbound: VecDeque<P>,
    /// Peers whose sessions wait to be accepted.
    pub(super) inbound: VecDeque<P>,
}

impl<P: Copy + Ord> Permits<P> {
    pub(super) const fn new() -> Self {
        Self { opened: 0, accepted: 0, outbound: VecDeque::new(), inbound: VecDeque::new() }
    }

    /// Removes a peer from the queues.
    pub(super) fn forget(&mut self, peer: P) {
        self.outbound.retain(|waiting| *waiting != peer);
        self.inbound.retain(|waiting| *waiting != peer);
    }
}

impl<P: Copy + Ord> Scheduler<P> {
    /// Number of running sessions: opened by this node, and opened by peers.
    pub fn running_sessions(&self) -> [usize; 2] {
        [self.permits.opened, self.permits.accepted]
    }

    pub(super) fn may_open_another(&self) -> bool {
        self.permits.opened < self.config.outbound_sessions
    }

    /// Queues a peer until a session with it may be opened.
    pub(super) fn queue_session(&mut self, peer: P) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        if !core::mem::replace(&mut found.is_queued, true) {
            self.permits.outbound.push_back(peer);
        }
    }

    /// Releases the claims of a session that this node opened, and gives its permit to the next
    /// waiting peer.
    pub(super) fn release_opened(&mut self, session: SessionId, peer: P, now: Duration) {
        self.permits.opened -= 1;
        self.in_flight.end(peer);
        self.claims.end(session, now);
        while self.may_open_another()
            && let Some(next) = self.permits.outbound.pop_front()
        {
            let Some(found) = self.peers.get_mut(&next) else { continue };
            found.is_queued = false;
            self.consider(next, now);
        }
        // The queue is served first, so that postponed sessions cannot pass a permit between them.
        self.resume_postponed(now);
    }

    /// Releases the claims of a session that a peer opened, and gives its permit to the next
    /// waiting session of a peer.
    pub(super) fn release_accepted(&mut self, session: SessionId, now: Duration) {
        self.permits.accepted -= 1;
        if self.claims.end(session, now) {
            self.resume_postponed(now);
        }
        while self.permits.accepted < self.config.inbound_sessions
            && let Some(next) = self.permits.inbound.pop_front()
        {
            self.admit_next(next, Incoming::ForPermit, now);
        }
    }

    /// Handles a session that a peer opens. After `Ok`, [`Action::Accept`] or [`Action::Refuse`]
    /// follows, unless the peer abandons the session or is removed first.
    ///
    /// One session with a peer runs at a time. Another may wait for it to end, because the peer may
    /// see the end before this node does. If two sessions cross, the one opened by the node with
    /// the smaller id continues.
    ///
    /// # Errors
    /// [`Refusal`] if the session is refused immediately.
    pub fn handle_incoming(&mut self, peer: P, now: Duration) -> Result<(), Refusal> {
        let admitted = self.admit(peer, now);
        if let Err(refusal) = admitted {
            self.count_refusal(peer, refusal, now);
        }
        admitted
    }

    fn admit(&mut self, peer: P, now: Duration) -> Result<(), Refusal> {
        let crosses = self.us < peer;
        let Some(found) = self.peers.get_mut(&peer) else { return Err(Refusal::Busy) };
        if found.incoming.is_some() {
            return Err(Refusal::Busy);
        }
        if found.accepted.is_some() {
            found.incoming = Some(Incoming::BehindAnother);
            return Ok(());
        }
        if found.opened.is_some() && crosses {
            return Err(Refusal::Crossed);
        }
        if self.owes(peer, now).is_some() {
            return Err(Refusal::OverQuota);
        }
        if self.permits.accepted < self.config.inbound_sessions {
            self.accept(peer, now);
            return Ok(());
        }
        if let Some(found) = self.peers.get_mut(&peer) {
            found.incoming = Some(Incoming::ForPermit);
            self.permits.inbound.push_back(peer);
            self.agenda.set(Due::Incoming(peer), now + PERMIT_TIMEOUT);
        }
        Ok(())
    }

    fn count_refusal(&mut self, peer: P, refusal: Refusal, now: Duration) {
        match (refusal, self.owes(peer, now)) {
            (Refusal::OverQuota, Some((what, _))) => {
                *self.stats.sessions_over_quota.entry(what).or_default() += 1;
            }
            _ => self.stats.sessions_refused += 1,
        }
    }

    /// Admits, queues or refuses the peer's session if it waited for the reason `why`. A quota may
    /// have been exhausted meanwhile.
    pub(super) fn admit_next(&mut self, peer: P, why: Incoming, now: Duration) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        if found.incoming.take_if(|incoming| *incoming == why).is_none() {
            return;
        }
        self.agenda.cancel(Due::Incoming(peer));
        if let Err(reason) = self.handle_incoming(peer, now) {
            self.actions.push_back(Action::Refuse { peer, reason });
            self.consider(peer, now);
        }
    }

    /// Refuses a peer's session that has waited too long for a permit.
    pub(super) fn on_incoming_late(&mut self, peer: P, now: Duration) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        if found.incoming.take_if(|incoming| *incoming == Incoming::ForPermit).is_some() {
            self.permits.inbound.retain(|waiting| *waiting != peer);
            self.count_refusal(peer, Refusal::Busy, now);
            self.actions.push_back(Action::Refuse { peer, reason: Refusal::Busy });
            self.consider(peer, now);
        }
    }

    /// Removes a waiting session that its peer has abandoned.
    pub fn handle_incoming_gone(&mut self, peer: P, now: Duration) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        if found.incoming.take().is_some() {
            self.permits.inbound.retain(|waiting| *waiting != peer);
            self.agenda.cancel(Due::Incoming(peer));
            self.consider(peer, now);
        }
    }

    fn accept(&mut self, peer: P, now: Duration) {
        let session = self.next_session(peer, now);
        let terms = self.terms(peer, now);
        let Some(found) = self.peers.get_mut(&peer) else { return };
        found.accepted = Some(session);
        self.permits.accepted += 1;
        self.actions.push_back(Action::Accept { peer, session, terms });
    }

    /// Assigns the id of a session that begins now, and enables it to claim records.
    pub(super) fn next_session(&mut self, peer: P, now: Duration) -> SessionId {
        self.last_session.0 += 1;
        self.claims.begin(self.last_session, peer, now);
        self.refusals.drop_old(peer, now);
        self.last_session
    }
}
