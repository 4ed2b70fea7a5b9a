//! Carries out the actions of the schedulers.

use std::vec::Vec;

use super::event::Event;
use super::{Host, World};
use crate::RootAdvert;
use crate::limits::MAX_ADVERT;
use crate::schedule::{Action, Notice, Scheduler};

impl<H: Host> World<H> {
    /// Passes an input to the scheduler of a node, and carries out the actions that follow.
    pub(super) fn tell<T>(
        &mut self,
        node: usize,
        tell: impl FnOnce(&mut Scheduler<usize>, core::time::Duration) -> T,
    ) -> T {
        let now = self.nodes[node].read_clock(self.now);
        let told = tell(&mut self.nodes[node].scheduler.borrow_mut(), now);
        self.drive(node);
        told
    }

    fn drive(&mut self, node: usize) {
        let scheduler = self.nodes[node].scheduler.clone();
        let action = || scheduler.borrow_mut().poll_action();
        core::iter::from_fn(action).for_each(|action| self.act(node, action));
        let notice = || scheduler.borrow_mut().poll_notice();
        core::iter::from_fn(notice).for_each(|notice| self.on_notice(node, notice));
        self.note_load(node);
        self.plan_timeout(node);
    }

    fn act(&mut self, node: usize, action: Action<usize>) {
        match action {
            Action::Resolve { peer } => {
                // In the simulation, all addresses are known. `drive` polls the action that
                // follows.
                let now = self.nodes[node].read_clock(self.now);
                self.nodes[node].scheduler.borrow_mut().handle_resolved(peer, now);
            }
            Action::Dial { peer, timeout } => self.dial(node, peer, timeout),
            Action::Open { peer, session, terms } => self.open_contact(node, peer, session, terms),
            Action::Accept { peer, session, terms } => {
                self.accept_contact(node, peer, session, terms);
            }
            Action::Refuse { peer, reason } => self.refuse_contact(node, peer, reason),
            Action::Advertise { peer } => self.advertise(node, peer),
            Action::Preview { .. } => unreachable!("no preview is requested here"),
        }
    }

    fn on_notice(&mut self, node: usize, notice: Notice<usize>) {
        if let Notice::Stalled { .. } = notice {
            self.tally.stalls += 1;
        }
        self.note(format_args!("n{node} {notice:?}"));
    }

    fn plan_timeout(&mut self, node: usize) {
        let us = &mut self.nodes[node];
        let Some(local) = us.scheduler.borrow().poll_timeout() else { return };
        let at = local.saturating_sub(us.skew).max(self.now);
        if us.wake_at.is_none_or(|planned| planned > at) {
            us.wake_at = Some(at);
            self.queue.schedule(at, Event::Timeout { node, run: us.run });
        }
    }

    pub(super) fn on_timeout(&mut self, node: usize, run: u32) {
        if self.is_running(node, run) && self.nodes[node].wake_at == Some(self.now) {
            self.nodes[node].wake_at = None;
            self.tell(node, Scheduler::handle_timeout);
        }
    }

    fn note_load(&mut self, node: usize) {
        let load = self.nodes[node].scheduler.borrow().running_sessions().iter().sum();
        self.tally.most_at_one_node = self.tally.most_at_one_node.max(load);
    }

    // Adverts.

    fn advertise(&mut self, node: usize, peer: usize) {
        let Some(run) = self.nodes[node].links.get(&peer).copied() else { return };
        let bytes = self.nodes[node].scheduler.borrow_mut().advert(MAX_ADVERT);
        self.tally.adverts += 1;
        self.tally.advert_bytes += bytes.len() as u64;
        for delay in self.network.datagram(node, peer, self.now) {
            let datagram = Event::Datagram { from: node, to: peer, run, bytes: bytes.clone() };
            self.queue.schedule(self.now + delay, datagram);
        }
    }

    pub(super) fn on_datagram(&mut self, from: usize, to: usize, run: u32, bytes: &[u8]) {
        if !self.is_received(from, to, run) {
            return;
        }
        let Ok(advert) = RootAdvert::decode(bytes) else { return };
        self.tell(to, |scheduler, now| {
            if scheduler.admits_datagram(from, now) {
                scheduler.handle_advert(from, &advert, now);
            }
        });
    }

    /// Passes the current roots of a node to its scheduler.
    pub(super) fn tell_roots(&mut self, node: usize) {
        let spaces = self.nodes[node].summaries();
        self.tell(node, |scheduler, now| scheduler.handle_roots(spaces, now));
    }

    /// Adds the members to the scheduler of a node that starts.
    pub(super) fn introduce(&mut self, node: usize, members: Vec<usize>) {
        self.tell(node, |scheduler, now| {
            for peer in members {
                scheduler.set_member(peer, crate::schedule::Reach::Dialable, now);
            }
        });
    }
}
