//! Connections: established by handshakes, closed after silence.

use core::time::Duration;
use std::vec::Vec;

use super::event::{Dial, Event};
use super::{Cut, Host, World};
use crate::schedule::{DialFailure, Disconnect};

/// Silence after which a connection times out: the default of QUIC's idle time-out in gossip-net.
const IDLE_TIMEOUT: Duration = Duration::from_secs(180);
/// Time after which a packet of a handshake is resent: QUIC's first probe time-out. It doubles with
/// each of the first four attempts.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

impl<H: Host> World<H> {
    pub(super) fn dial(&mut self, node: usize, peer: usize, timeout: Duration) {
        self.dials += 1;
        let dial = Dial { node, peer, serial: self.dials, attempts: 0 };
        self.nodes[node].dials.insert(peer, dial.serial);
        self.queue.schedule(self.now + timeout, Event::DialTimeout(dial));
        self.knock(dial);
    }

    fn is_under_way(&self, dial: Dial) -> bool {
        self.nodes[dial.node].dials.get(&dial.peer) == Some(&dial.serial)
    }

    pub(super) fn knock(&mut self, mut dial: Dial) {
        if !self.is_under_way(dial) {
            return;
        }
        let Dial { node, peer, .. } = dial;
        let there = self.network.packet(node, peer, self.now).filter(|_| self.nodes[peer].up);
        let back = there.and_then(|_| self.network.packet(peer, node, self.now));
        let (Some(there), Some(back)) = (there, back) else {
            let pause = PROBE_TIMEOUT * (1 << dial.attempts.min(4));
            dial.attempts += 1;
            return self.queue.schedule(self.now + pause, Event::Knock(dial));
        };
        let met = |node, peer, dial| {
            let run = |node: usize| self.nodes[node].run;
            Event::Met { node, run: run(node), peer, peer_run: run(peer), dial }
        };
        let here = met(node, peer, Some(dial.serial));
        let at_peer = met(peer, node, None);
        self.queue.schedule(self.now + there + back, here);
        self.queue.schedule(self.now + there + back + there, at_peer);
    }

    pub(super) fn on_met(&mut self, node: usize, peer: usize, run: u32, dial: Option<u64>) {
        if !self.is_running(peer, run) || dial.is_some() && dial != self.dial_of(node, peer) {
            return;
        }
        self.nodes[node].dials.remove(&peer);
        if self.nodes[node].links.insert(peer, run).is_some_and(|before| before != run) {
            self.cut_contacts_between(node, peer);
        }
        self.note(format_args!("n{node} is connected to n{peer}"));
        self.tell(node, |scheduler, now| {
            if dial.is_some() {
                scheduler.handle_dialled(peer, now);
            }
            scheduler.handle_connected(peer, now);
        });
    }

    fn dial_of(&self, node: usize, peer: usize) -> Option<u64> {
        self.nodes[node].dials.get(&peer).copied()
    }

    pub(super) fn on_dial_timeout(&mut self, dial: Dial) {
        if self.is_under_way(dial) {
            let Dial { node, peer, .. } = dial;
            self.nodes[node].dials.remove(&peer);
            self.tell(node, |scheduler, now| {
                scheduler.handle_dial_failed(peer, DialFailure::Silent, now);
            });
        }
    }

    /// Whether `to` accepts a packet that `from` sent on its connection to this run of `to`. Resets
    /// the connection if `to` is running but does not have it.
    pub(super) fn is_received(&mut self, from: usize, to: usize, run: u32) -> bool {
        if !self.nodes[to].up {
            return false;
        }
        let knows = self.nodes[to].links.get(&from) == Some(&self.nodes[from].run);
        if self.nodes[to].run == run && knows {
            return true;
        }
        if let Some(delay) = self.network.packet(to, from, self.now) {
            let reset = Event::Reset { node: from, peer: to, peer_run: run };
            self.queue.schedule(self.now + delay, reset);
        }
        false
    }

    pub(super) fn on_reset(&mut self, node: usize, peer: usize, peer_run: u32) {
        // A reset from the current run of the peer is ignored: most likely, the handshake is not
        // complete there yet.
        let is_current = self.is_running(peer, peer_run);
        if !is_current && self.nodes[node].links.get(&peer) == Some(&peer_run) {
            self.disconnect(node, peer, Disconnect::Lost);
        }
    }

    /// Closes the connection at one end.
    pub(super) fn disconnect(&mut self, node: usize, peer: usize, how: Disconnect) {
        if self.nodes[node].links.remove(&peer).is_none() {
            return;
        }
        self.note(format_args!("n{node} loses n{peer} ({how:?})"));
        self.cut_contacts_between(node, peer);
        if self.nodes[node].up {
            self.tell(node, |scheduler, now| scheduler.handle_disconnected(peer, how, now));
        }
    }

    /// Cuts links from now until [`heal`](Self::heal). A connection across a lasting cut times out;
    /// one across a flapping cut does not.
    pub fn cut(&mut self, cut: Cut) {
        self.network.cut(self.now, cut);
        self.queue.schedule(self.now + IDLE_TIMEOUT, Event::Silence { since: self.now });
    }

    /// Removes all cuts and clogs. A connection to a crashed node still times out.
    pub fn heal(&mut self) {
        self.network.heal();
    }

    pub(super) fn on_silence(&mut self, since: Duration) {
        self.lose(|world, node, peer, _| world.network.is_cut(node, peer, since, world.now));
    }

    /// Schedules the time-out of the connections to a run of a node that has just crashed.
    pub(super) fn plan_absence(&mut self, peer: usize, run: u32) {
        self.queue.schedule(self.now + IDLE_TIMEOUT, Event::Absence { peer, run });
    }

    pub(super) fn on_absence(&mut self, absent: usize, absent_run: u32) {
        self.lose(|_, _, peer, run| (peer, run) == (absent, absent_run));
    }

    /// Closes the ends of all connections that have timed out. Arguments of `is_silent`: the world,
    /// the node at this end, and the peer and its run at the other end.
    fn lose(&mut self, is_silent: impl Fn(&Self, usize, usize, u32) -> bool) {
        let nodes = self.nodes.iter().enumerate();
        let links = nodes.flat_map(|(node, us)| us.links.iter().map(move |link| (node, link)));
        let silent = links.filter(|(node, (peer, run))| is_silent(self, *node, **peer, **run));
        let silent: Vec<_> = silent.map(|(node, (peer, _))| (node, *peer)).collect();
        for (node, peer) in silent {
            self.disconnect(node, peer, Disconnect::Lost);
        }
    }
}
