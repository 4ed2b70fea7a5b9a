//! Sends adverts of the local roots to peers, and reacts to the peers' adverts.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use super::limits::DATAGRAMS;
use super::peer::{Contact, Peer};
use super::trigger::Call;
use super::{Action, Agreement, Due, Scheduler};
use crate::{RootAdvert, SpaceId, Summary};

impl<P: Copy + Ord> Scheduler<P> {
    /// Sets the roots of the hosted spaces, ascending by name. If they changed, a few connected
    /// peers receive an advert soon.
    pub fn handle_roots(&mut self, spaces: Vec<(SpaceId, Summary)>, now: Duration) {
        let Some(moved) = self.roots.update(spaces, self.last_session) else { return };
        self.peers.values_mut().for_each(|peer| peer.roots.renumber(&moved));
        // A peer that connects later receives the roots when it connects.
        let is_heard = self.peers.values().any(|peer| peer.contact == Contact::Connected);
        let is_news = self.config.advert_fanout > 0 && is_heard;
        let is_held = self.agenda.is_planned(Due::Announcement) && !self.has_second_wave;
        if is_news && !is_held {
            self.has_second_wave = false;
            // More changes may follow; one advert announces all of them.
            self.agenda.set(Due::Announcement, now + self.config.advert_hold);
        }
    }

    /// Announces a change, after its hold time, to a few peers that are not known to have it.
    ///
    /// A little later, a second wave goes to further such peers. The change then spreads faster,
    /// especially to the last nodes of a large cluster.
    pub(super) fn on_announcement(&mut self, now: Duration) {
        self.has_second_wave = !self.has_second_wave;
        if self.has_second_wave {
            self.agenda.set(Due::Announcement, now + self.config.advert_hold * WAVE_HOLDS);
        }
        let lacks_roots = |peer: &Peer| peer.roots.agreement(&self.roots) != Agreement::InStep;
        let mut lacking = self.connected(lacks_roots);
        let fanout = self.config.advert_fanout;
        let ring = lacking.range(self.us..).chain(lacking.range(..self.us)).copied();
        // A purely random choice could leave a node out. Therefore, one advert of the first wave
        // goes to the next node in the ring of node ids that lacks the change; the adverts of the
        // second wave skip the next such node and go to those after it. Each node thus receives a
        // change from several others, even if some adverts are lost or some nodes are dead.
        let ring: Vec<P> = match self.has_second_wave {
            true => ring.take(1).collect(),
            false => ring.skip(1).take(fanout).collect(),
        };
        for peer in &ring {
            self.actions.push_back(Action::Advertise { peer: *peer });
            lacking.remove(peer);
        }
        self.advertise(fanout - ring.len(), &lacking);
    }

    /// Sends the roots to the next peer in turn, unless other packets have carried adverts since
    /// the last turn.
    pub(super) fn on_advert_turn(&mut self, now: Duration) {
        self.agenda.set(Due::Advert, now + self.config.advert_interval);
        if !core::mem::take(&mut self.adverts_carried) {
            self.advertise(1, &self.connected(|_| true));
        }
    }

    fn connected(&self, which: impl Fn(&Peer) -> bool) -> BTreeSet<P> {
        let is_meant = |peer: &Peer| peer.contact == Contact::Connected && which(peer);
        self.peers.iter().filter(|(_, peer)| is_meant(peer)).map(|(peer, _)| *peer).collect()
    }

    fn advertise(&mut self, count: usize, peers: &BTreeSet<P>) {
        for peer in self.advert_turns.next(count, peers, &mut self.random) {
            self.actions.push_back(Action::Advertise { peer });
        }
    }

    /// Encodes the local roots in at most `room` bytes. If not all spaces fit, changed spaces come
    /// first, in as many adverts as both waves of a change need, and each call continues with the
    /// next unchanged spaces.
    pub fn advert(&mut self, room: usize) -> Vec<u8> {
        let repeats = self.config.advert_fanout.saturating_mul(2).max(1);
        self.advert_spaces.next_advert(self.roots.spaces(), room, repeats)
    }

    /// Notes that a packet of another kind carried an advert.
    pub fn note_carried_advert(&mut self) {
        self.adverts_carried = true;
    }

    /// Counts a datagram from the peer, and returns whether to process it: false if the peer sends
    /// too many datagrams or is not a member.
    pub fn admits_datagram(&mut self, peer: P, now: Duration) -> bool {
        self.peers.get_mut(&peer).is_some_and(|peer| peer.datagrams.take(DATAGRAMS, now))
    }

    /// Handles an advert from a peer. Roots that differ from the local ones trigger a session.
    pub fn handle_advert(&mut self, peer: P, advert: &RootAdvert, now: Duration) {
        let jitter = self.random.duration(self.config.trigger_jitter);
        let at = now + self.head_start(peer) + jitter;
        let Some(found) = self.peers.get_mut(&peer) else { return };
        let known = found.roots.differing(&self.roots);
        found.roots.hear(advert, &self.roots);
        let differing = found.roots.differing(&self.roots);
        if !differing.is_empty() {
            let is_known = differing.iter().all(|root| known.contains(root));
            found.trigger.on_advert(if is_known { Call::Advert } else { Call::News }, at);
            self.postponed.remove(&peer);
        }
        self.consider(peer, now);
    }

    /// The fixed part of the delay before a session with `peer` that an advert or an accepted
    /// session triggers. If two nodes receive each other's roots, the node with the smaller id
    /// opens a session first.
    pub(super) fn head_start(&self, peer: P) -> Duration {
        if self.us < peer { Duration::ZERO } else { self.config.trigger_jitter }
    }
}

/// Time between the two waves of adverts for a change, in multiples of the configured
/// `advert_hold`.
const WAVE_HOLDS: u32 = 3;
