//! Root adverts, and the sessions that they trigger.

use core::time::Duration;
use std::vec::Vec;

use super::event::Event;
use super::node::{Cause, Node};
use super::trigger::Progress;
use super::{Host, World};
use crate::limits::MAX_ADVERT;
use crate::{RootAdvert, SpaceId, Summary};

impl<H: Host> World<H> {
    /// Has a change advertised, unless that is planned already.
    pub(super) fn announce_soon(&mut self, node: usize) {
        let Some(adverts) = self.climate.schedule.adverts else { return };
        let announcer = &mut self.nodes[node];
        if adverts.fanout > 0 && !announcer.announcing {
            announcer.announcing = true;
            let life = announcer.life;
            self.queue.schedule(self.now + adverts.hold, Event::Announce { node, life });
        }
    }

    pub(super) fn on_announce(&mut self, node: usize) {
        self.nodes[node].announcing = false;
        if let Some(adverts) = self.climate.schedule.adverts {
            self.advertise(node, adverts.fanout);
        }
    }

    pub(super) fn on_ping(&mut self, node: usize) {
        let Some(adverts) = self.climate.schedule.adverts else { return };
        let life = self.nodes[node].life;
        self.queue.schedule(self.now + adverts.interval, Event::Ping { node, life });
        self.advertise(node, 1);
    }

    fn advertise(&mut self, node: usize, fanout: usize) {
        let peers: Vec<_> = self.nodes[node].turn.choose(fanout);
        for peer in peers {
            let bytes = self.nodes[node].advert();
            self.tally.adverts += 1;
            self.tally.advert_bytes += bytes.len() as u64;
            self.nodes[node].bytes += bytes.len() as u64;
            for delay in self.network.datagram(node, peer, self.now) {
                let (from, to, bytes) = (node, peer, bytes.clone());
                self.queue.schedule(self.now + delay, Event::Datagram { from, to, bytes });
            }
        }
    }

    pub(super) fn on_datagram(&mut self, from: usize, to: usize, bytes: &[u8]) {
        let Some(adverts) = self.climate.schedule.adverts else { return };
        let Ok(advert) = RootAdvert::decode(bytes) else { return };
        if !self.nodes[to].up || self.nodes[to].differing(&advert).is_empty() {
            return;
        }
        let head_start = if to < from { Duration::ZERO } else { adverts.jitter };
        let at = self.now + head_start + self.random.duration(adverts.jitter);
        self.nodes[to].triggers.entry(from).or_default().heard = Some(advert);
        self.plan_trigger(to, from, at);
    }

    fn plan_trigger(&mut self, node: usize, peer: usize, at: Duration) {
        let life = self.nodes[node].life;
        let Some(trigger) = self.nodes[node].triggers.get_mut(&peer) else { return };
        if let Some(at) = trigger.plan(at) {
            self.queue.schedule(at, Event::Trigger { node, life, peer });
        }
    }

    /// Looks at the latest advert of a peer: does it still call for a session?
    pub(super) fn on_trigger(&mut self, node: usize, peer: usize) {
        let us = &mut self.nodes[node];
        let Some(trigger) = us.triggers.get_mut(&peer) else { return };
        trigger.due = None;
        let Some(advert) = trigger.heard.take() else { return };
        let roots = us.differing(&advert);
        if roots.is_empty() {
            return;
        }
        if let Some(trigger) = us.triggers.get_mut(&peer) {
            trigger.heard = Some(advert);
        }
        // Another session brings the same: whether this one is needed shows when it has ended.
        let chased = |root| us.triggers.values().any(|trigger| trigger.chased.contains(root));
        if !roots.iter().all(chased) {
            self.want(node, peer, Cause::Advert);
        }
    }

    /// A session that an advert called for begins.
    pub(super) fn chase(&mut self, node: usize, peer: usize) {
        let us = &mut self.nodes[node];
        let heard = us.triggers.get_mut(&peer).and_then(|trigger| trigger.heard.take());
        let roots = heard.map(|advert| us.differing(&advert)).unwrap_or_default();
        us.triggers.entry(peer).or_default().chased = roots;
    }

    /// The session with `peer` has ended; whoever waited for what it brings looks again.
    pub(super) fn end_chase(&mut self, node: usize, peer: usize, progress: Progress) {
        let Some(adverts) = self.climate.schedule.adverts else { return };
        let us = &mut self.nodes[node];
        if !us.up {
            return;
        }
        us.triggers.entry(peer).or_default().end(self.now, &adverts, progress);
        let waiting = us.triggers.iter().filter(|(_, trigger)| trigger.heard.is_some());
        let waiting: Vec<_> = waiting.map(|(peer, _)| *peer).collect();
        for peer in waiting {
            self.plan_trigger(node, peer, self.now);
        }
    }
}

impl<H: Host> Node<H> {
    fn summaries(&self) -> Vec<(SpaceId, Summary)> {
        let summary = |space: &SpaceId| (space.clone(), self.host.summary(space));
        self.spaces.iter().map(summary).collect()
    }

    /// The next advert. If not all spaces fit, they take turns.
    fn advert(&mut self) -> Vec<u8> {
        let mut summaries = self.summaries();
        if summaries.len() > RootAdvert::capacity(MAX_ADVERT) {
            let first = self.told % summaries.len();
            summaries.rotate_left(first);
            self.told = first + RootAdvert::capacity(MAX_ADVERT);
        }
        RootAdvert::encode(&summaries, MAX_ADVERT)
    }

    /// The advertised roots that differ from those of the same spaces here.
    fn differing(&self, advert: &RootAdvert) -> Vec<[u8; 8]> {
        advert.differing(&self.summaries())
    }
}
