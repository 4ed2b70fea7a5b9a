//! The members and their liveness.

use core::time::Duration;

use super::peer::{Contact, Peer};
use super::refusals::Refusals;
use super::{Due, Reach, Scheduler};

impl<P: Copy + Ord> Scheduler<P> {
    /// Adds a member, or changes the reachability of a known one.
    pub fn set_member(&mut self, peer: P, reach: Reach, now: Duration) {
        if peer == self.us {
            return;
        }
        let Some(found) = self.peers.get_mut(&peer) else {
            self.peers.insert(peer, Peer::new(reach));
            // Records may have been refused because they name a node that was not a member.
            self.refusals = Refusals::new();
            let pause = self.first_pause(peer);
            return self.plan_dial(peer, now + pause);
        };
        let before = core::mem::replace(&mut found.reach, reach);
        if before != reach && found.contact == Contact::Apart {
            self.agenda.cancel(Due::Dial(peer));
            self.plan_dial(peer, now);
            self.drop_hopeless_requests(peer);
        }
    }

    /// Removes a member. The driver ends its connection and its sessions; later reports about them
    /// are ignored.
    pub fn remove_member(&mut self, peer: P, now: Duration) {
        self.set_contact(peer, Contact::Apart, now);
        let Some(found) = self.peers.remove(&peer) else { return };
        self.previews -= found.previews();
        for due in [Due::Dial(peer), Due::DialPermit(peer), Due::Session(peer), Due::Incoming(peer)]
        {
            self.agenda.cancel(due);
        }
        self.postponed.remove(&peer);
        self.permits.forget(peer);
        self.dials.forget(peer);
        self.refusals.forget(peer);
        if let Some(opened) = found.opened {
            self.release_opened(opened.session, peer, now);
        }
        if let Some(session) = found.accepted {
            self.release_accepted(session, now);
        }
    }

    /// Notes that the membership reports the member as down: it is dialled rarely, and
    /// [`choose_round`](Self::choose_round) skips it unless it is connected.
    pub fn set_down(&mut self, peer: P) {
        if let Some(found) = self.peers.get_mut(&peer) {
            found.is_down = true;
        }
    }

    /// Notes that the membership reports the member as alive. If it was down, it is dialled
    /// immediately.
    pub fn set_alive(&mut self, peer: P, now: Duration) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        if core::mem::take(&mut found.is_down) && found.contact == Contact::Apart {
            found.backoff.reset();
            self.plan_dial(peer, now);
        }
    }

    /// Drops the host's requests for a peer that is not connected and that this node cannot dial.
    pub(super) fn drop_hopeless_requests(&mut self, peer: P) {
        let is_hopeless = |found: &Peer| !found.has_link() && found.reach == Reach::DialsUs;
        if self.peers.get(&peer).is_some_and(is_hopeless) {
            self.drop_requests(peer);
        }
    }

    /// Drops the host's requests for a peer; the driver notifies the callers.
    pub(super) fn drop_requests(&mut self, peer: P) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        found.trigger.is_requested = false;
        self.previews -= core::mem::take(&mut found.previews.waiting);
    }
}
