//! Drives the membership: its packets go out with this node's roots, its changes become events.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::{Liveness, MembershipInput};
use crate::limits::{MAX_MEMBERSHIP_PACKET, PACKET_ADVERT};
use crate::shared::{Phase, Shared};
use crate::{Event, NodeId};

/// What a datagram with a membership packet begins with. An advert alone begins in another way.
const MAGIC: [u8; 3] = *b"EM\x01";
/// The length of the advert, after the magic.
const LENGTH: usize = 2;

/// A datagram, taken apart: the sender's roots, and what its membership says.
pub(crate) struct Packet<'a> {
    pub(crate) advert: &'a [u8],
    pub(crate) membership: &'a [u8],
}

impl<'a> Packet<'a> {
    /// `None` if the datagram carries no membership packet.
    pub(crate) fn parse(datagram: &'a [u8]) -> Option<Self> {
        let rest = datagram.strip_prefix(&MAGIC)?;
        let (length, rest) = rest.split_first_chunk::<LENGTH>()?;
        let (advert, membership) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        let fits = advert.len() <= PACKET_ADVERT && membership.len() <= MAX_MEMBERSHIP_PACKET;
        fits.then_some(Self { advert, membership })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let length = u16::try_from(self.advert.len()).expect("an advert is made for its room");
        [&MAGIC[..], &length.to_le_bytes(), self.advert, self.membership].concat()
    }
}

/// Keeps the membership going until the node shuts down.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let mut phase = shared.phase.subscribe();
    loop {
        shared.flush_membership();
        let timeout = shared.membership.poll_timeout();
        let at = timeout.map_or_else(Instant::now, |timeout| shared.started + timeout);
        tokio::select! {
            () = shared.membership_spoke.notified() => {}
            () = sleep_until(at), if timeout.is_some() => {
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
    /// Puts something into the membership; what follows from it is done by its task.
    pub(crate) fn tell_membership(&self, input: MembershipInput<'_>) {
        self.membership.handle(input, self.started.elapsed());
        self.membership_spoke.notify_one();
    }

    fn flush_membership(&self) {
        while let Some((to, packet)) = self.membership.poll_packet() {
            self.send_packet(to, &packet);
        }
        while let Some((peer, liveness)) = self.membership.poll_change() {
            let incarnation = self.membership.incarnation(&peer);
            self.events.publish(Event::Member { peer, liveness, incarnation });
            // A peer that was down may be dialled at once, and one that came anew wants our roots.
            if liveness == Liveness::Alive
                && let Some(peer) = self.peer(&peer)
            {
                _ = peer.mailbox.try_send(crate::peer::Command::Moved);
            }
        }
    }

    /// Sends a membership packet with this node's roots, if the peer is connected. It may be lost.
    fn send_packet(&self, to: NodeId, membership: &[u8]) {
        let Some(peer) = self.peer(&to) else { return };
        let Some(connection) = peer.board.connection() else { return };
        let advert = self.advert(PACKET_ADVERT);
        let datagram = Packet { advert: &advert, membership }.encode();
        let len = datagram.len() as u64;
        if connection.send_datagram(datagram.into()).is_ok() {
            let adverts = advert.len() as u64;
            let mut notes = peer.board.notes();
            notes.sent.adverts += adverts;
            notes.sent.membership += len - adverts;
            drop(notes);
            self.counters.update(|stats| {
                stats.adverts_sent += 1;
                stats.advert_bytes_sent += adverts;
                stats.membership_sent += 1;
                stats.membership_bytes_sent += len - adverts;
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_taken_apart_as_it_was_put_together() {
        let datagram = Packet { advert: b"roots", membership: b"members" }.encode();
        let packet = Packet::parse(&datagram).unwrap();
        assert_eq!((packet.advert, packet.membership), (&b"roots"[..], &b"members"[..]));
    }

    #[test]
    fn what_is_cut_short_too_long_or_strange_is_no_packet() {
        let datagram = Packet { advert: b"roots", membership: b"" }.encode();
        assert!((0..datagram.len()).all(|len| Packet::parse(&datagram[..len]).is_none()));
        let long = vec![0; MAX_MEMBERSHIP_PACKET + 1];
        for (advert, membership) in [(&long[..PACKET_ADVERT + 1], &b""[..]), (b"", &long)] {
            assert!(Packet::parse(&Packet { advert, membership }.encode()).is_none());
        }
        assert!(Packet::parse(b"EA\x01 is an advert").is_none());
    }
}
