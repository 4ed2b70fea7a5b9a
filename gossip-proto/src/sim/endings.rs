//! The ends of sessions.

use std::boxed::Box;
use std::vec::Vec;

use super::contact::{ACCEPTOR, Contact, OPENER, Stage};
use super::event::Event;
use super::pipe::Transport;
use super::{Host, World};
use crate::schedule::{SessionEnd, SessionId, Used};
use crate::{Outcome, Stats};

/// The way in which a session ended at one of its ends.
pub(super) enum End {
    Outcome(Box<Outcome>),
    Displaced,
    OverQuota,
    Failed(Stats),
}

impl<H: Host> World<H> {
    /// Fails a session for a reason outside the sync machine.
    pub(super) fn fail(&mut self, contact: u64, end: usize, why: &'static str) {
        let Some(found) = self.contacts.get(&contact) else { return };
        let stats = match &found.ends[end].stage {
            Stage::Running(_, session) => session.stats(),
            _ => Stats::default(),
        };
        self.close(contact, end, why, End::Failed(stats));
    }

    pub(super) fn close(&mut self, contact: u64, end: usize, why: &'static str, how: End) {
        let Some(found) = self.contacts.get(&contact) else { return };
        let node = found.ends[end].node;
        if !matches!(found.ends[end].stage, Stage::Over) {
            self.tally.note_ending(why);
            self.note(format_args!("n{node} session {contact} ends: {why}"));
            self.finish(contact, end, how);
        }
    }

    pub(super) fn finish(&mut self, contact: u64, end: usize, how: End) {
        let Some(found) = self.contacts.get_mut(&contact) else { return };
        let (node, peer) = (found.ends[end].node, found.ends[1 - end].node);
        let before = core::mem::replace(&mut found.ends[end].stage, Stage::Over);
        if found.transport == Transport::Frames {
            // The other end may never notice this.
            let at = self.now + found.transport.retry_timeout();
            self.queue.schedule(at, Event::Dead { contact });
        }
        self.forget_if_over(contact);
        if !self.nodes[node].up {
            return;
        }
        match before {
            Stage::Running(session, _) => self.report(node, peer, session, &how),
            Stage::Waiting(_) => {
                self.nodes[node].incoming.remove(&peer);
                self.tell(node, |scheduler, now| scheduler.handle_incoming_gone(peer, now));
            }
            Stage::Unopened | Stage::Over => {}
        }
    }

    /// Reports the end of a session to the scheduler.
    pub(super) fn report(&mut self, node: usize, peer: usize, session: SessionId, how: &End) {
        let (end, stats) = match how {
            End::Outcome(outcome) => (SessionEnd::Outcome(outcome), outcome.stats),
            End::Displaced => (SessionEnd::Displaced, Stats::default()),
            End::OverQuota => (SessionEnd::OverQuota, Stats::default()),
            End::Failed(stats) => (SessionEnd::Failed, *stats),
        };
        let used = Used { stats, sent: stats.bytes_out, received: stats.bytes_in };
        let spaces = self.nodes[node].summaries();
        self.tell(node, |scheduler, now| {
            scheduler.handle_roots(spaces, now);
            scheduler.handle_session_ended(peer, session, end, used, now);
        });
    }

    pub(super) fn forget_if_over(&mut self, contact: u64) {
        if self.contacts.get(&contact).is_some_and(Contact::is_over) {
            self.contacts.remove(&contact);
        }
    }

    pub(super) fn on_dead(&mut self, contact: u64) {
        for end in [OPENER, ACCEPTOR] {
            self.fail(contact, end, "cut");
        }
    }

    /// Ends the sessions of `node` with `peer` at `node`, where their connection is closed; the
    /// other ends notice later.
    pub(super) fn cut_contacts_between(&mut self, node: usize, peer: usize) {
        let of_both = |end: usize, contact: &Contact<_>| {
            contact.ends[end].node == node && contact.ends[1 - end].node == peer
        };
        let mut cut = Vec::new();
        for end in [OPENER, ACCEPTOR] {
            let found = self.contacts.iter().filter(|(_, contact)| of_both(end, contact));
            cut.extend(found.map(|(contact, _)| (*contact, end)));
        }
        for (contact, end) in cut {
            self.fail(contact, end, "cut");
            self.queue.schedule(
                self.now + self.config.transport.retry_timeout(),
                Event::Dead { contact },
            );
        }
    }

    /// Removes the ends of a crashed node immediately; the other ends notice later.
    pub(super) fn cut_contacts_of(&mut self, node: usize) {
        let mut dead = Vec::new();
        for (contact, found) in &mut self.contacts {
            for end in found.ends.iter_mut().filter(|end| end.node == node) {
                end.stage = Stage::Over;
                dead.push((*contact, self.now + found.transport.retry_timeout()));
            }
        }
        for (contact, at) in dead {
            self.queue.schedule(at, Event::Dead { contact });
            self.forget_if_over(contact);
        }
    }
}
