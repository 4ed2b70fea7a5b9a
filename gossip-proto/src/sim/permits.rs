//! Permits: how many sessions a node has at once, and who waits for one.

use std::boxed::Box;

use super::contact::{ACCEPTOR, Contact, OPENER, Stage};
use super::event::Event;
use super::node::Cause;
use super::pipe::Parcel;
use super::{Host, World};
use crate::Session;

impl<H: Host> World<H> {
    pub(super) fn ask_permit(&mut self, contact: u64, node: usize) {
        if self.nodes[node].inbound < self.climate.schedule.inbound {
            return self.accept(contact, node);
        }
        self.nodes[node].waiting.push_back(contact);
        let until = self.now + self.climate.schedule.permit_timeout;
        self.queue.schedule(until, Event::Impatience { contact });
    }

    pub(super) fn accept(&mut self, contact: u64, node: usize) {
        let waits = |found: &&Contact<_>| matches!(found.ends[ACCEPTOR].stage, Stage::Waiting(_));
        let Some(found) = self.contacts.get(&contact).filter(waits) else { return };
        let opener = found.ends[OPENER].node;
        let config = self.session_config(node, opener);
        let half = self.random.bits().to_le_bytes();
        let now = self.local(node);
        let acceptor = &mut self.nodes[node];
        let session =
            Session::accept(config, acceptor.host.parameters(), half, acceptor.pin(), now)
                .expect("the session of a simulation is set up by valid rules");
        acceptor.inbound += 1;
        self.note_load(node);
        let Some(found) = self.contacts.get_mut(&contact) else { return };
        let stage = &mut found.ends[ACCEPTOR].stage;
        let before = core::mem::replace(stage, Stage::Running(Box::new(session)));
        if let Stage::Waiting(held) = before {
            held.into_iter().for_each(|parcel| self.take(contact, ACCEPTOR, parcel));
        }
    }

    pub(super) fn on_impatience(&mut self, contact: u64) {
        let Some(found) = self.contacts.get_mut(&contact) else { return };
        let acceptor = &mut found.ends[ACCEPTOR];
        if let Stage::Waiting(_) = acceptor.stage {
            acceptor.stage = Stage::Over;
            let node = acceptor.node;
            self.nodes[node].waiting.retain(|waiting| *waiting != contact);
            self.note(format_args!("n{node} has no permit for session {contact}"));
            self.ship(contact, ACCEPTOR, Parcel::Busy);
            self.forget_if_over(contact);
        }
    }

    /// Gives the permit of an end back, and to the next who waits for it.
    pub(super) fn release(&mut self, node: usize, end: usize) {
        if !self.nodes[node].up {
            return;
        }
        if end == ACCEPTOR {
            self.nodes[node].inbound -= 1;
            while self.nodes[node].inbound < self.climate.schedule.inbound {
                let Some(next) = self.nodes[node].waiting.pop_front() else { return };
                self.accept(next, node);
            }
        } else {
            self.nodes[node].outbound -= 1;
            while self.nodes[node].outbound < self.climate.schedule.outbound {
                let Some((peer, cause)) = self.nodes[node].wanted.pop_front() else { return };
                match cause {
                    Cause::Turn => self.want(node, peer, cause),
                    Cause::Advert => self.on_trigger(node, peer),
                }
            }
        }
    }
}
