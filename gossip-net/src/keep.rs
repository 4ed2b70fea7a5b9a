//! Drives the membership: sends its packets with this node's roots, and publishes its changes.

use std::sync::{Arc, PoisonError};

use tokio::time::sleep;

use crate::limits::PACKET_ADVERT;
use crate::membership::packet::Packet;
use crate::node::{Phase, Shared};
use crate::{Event, MembershipInput, NodeId};

/// Drives the membership until the node shuts down.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut phase = shared.phase.subscribe();
    loop {
        shared.flush_membership();
        let timeout = shared.membership.poll_timeout();
        let wait = timeout.map(|timeout| timeout.saturating_sub(shared.schedule.now()));
        tokio::select! {
            () = shared.membership_spoke.notified() => {}
            () = sleep(wait.unwrap_or_default()), if wait.is_some() => {
                shared.tell_membership(MembershipInput::Timeout);
            }
            () = Phase::draining(&mut phase) => {
                shared.tell_membership(MembershipInput::Leaving);
                return shared.flush_membership();
            }
        }
    }
}

impl Shared {
    /// Passes an input to the membership, unless the node has left; [`run`] handles its outputs.
    pub(crate) fn tell_membership(&self, input: MembershipInput<'_>) {
        // Hold the lock meanwhile, so that no input overtakes `Leaving`.
        let mut has_left = self.has_left.lock().unwrap_or_else(PoisonError::into_inner);
        if *has_left {
            return;
        }
        *has_left = matches!(input, MembershipInput::Leaving);
        self.membership.handle(input, self.schedule.now());
        drop(has_left);
        self.membership_spoke.notify_one();
    }

    fn flush_membership(&self) {
        while let Some((to, packet)) = self.membership.poll_packet() {
            self.send_packet(to, &packet);
        }
        while let Some((peer, liveness)) = self.membership.poll_change() {
            let incarnation = self.membership.incarnation(&peer);
            self.events.publish(Event::Member { peer, liveness, incarnation });
            self.tell(|scheduler, now| liveness.tell(scheduler, peer, now));
        }
    }

    /// Sends a membership packet with this node's roots if the peer is connected. The packet may be
    /// lost.
    fn send_packet(&self, to: NodeId, membership: &[u8]) {
        let Some(peer) = self.peer(&to) else { return };
        let Some(connection) = peer.state.connection() else { return };
        let advert = self.schedule.ask(|scheduler, _| scheduler.advert(PACKET_ADVERT));
        let datagram = Packet { advert: &advert, membership }.encode();
        if connection.send_datagram(datagram.into()).is_ok() {
            let [adverts, membership] = [advert.len(), membership.len()].map(|len| len as u64);
            self.schedule.ask(|scheduler, _| scheduler.note_carried_advert());
            let mut notes = peer.state.notes();
            notes.sent.adverts += adverts;
            notes.sent.membership += membership;
            drop(notes);
            self.counters.update(|stats| {
                stats.adverts_sent += 1;
                stats.advert_bytes_sent += adverts;
                stats.membership_sent += 1;
                stats.membership_bytes_sent += membership;
            });
        }
    }
}
