//! Sessions: frames, and how they end.

use core::time::Duration;
use std::vec::Vec;

use super::contact::{ACCEPTOR, Contact, OPENER, Stage, pair};
use super::event::{Event, Shipment};
use super::node::Cause;
use super::pipe::{Parcel, Transport};
use super::trigger::Progress;
use super::{Host, Side, World};
use crate::{Session, SessionConfig};

impl<H: Host> World<H> {
    /// Opens a session, or plans to if `from` has no permit to spare. Does nothing if the two are
    /// in session already.
    pub fn open(&mut self, from: usize, to: usize) {
        self.want(from, to, Cause::Turn);
    }

    /// How many sessions there are at the moment.
    pub fn in_session(&self) -> usize {
        self.contacts.len()
    }

    pub(super) fn want(&mut self, from: usize, to: usize, cause: Cause) {
        let full = self.nodes[from].outbound >= self.climate.schedule.outbound;
        let opener = &mut self.nodes[from];
        if !opener.up || self.pairs.contains_key(&pair(from, to)) {
            return;
        }
        if !full {
            return self.begin(from, to, cause);
        }
        if opener.wanted.iter().all(|(peer, _)| *peer != to) {
            opener.wanted.push_back((to, cause));
        }
    }

    fn begin(&mut self, from: usize, to: usize, cause: Cause) {
        if cause == Cause::Advert {
            self.chase(from, to);
        }
        self.tally.sessions += 1;
        if self.random.chance(self.climate.lost_sessions) {
            self.tally.note_ending("lost");
            self.note(format_args!("n{from} > n{to}  session lost"));
            return;
        }
        let config = self.session_config(from, to);
        let half = self.random.bits().to_le_bytes();
        let now = self.local(from);
        let opener = &mut self.nodes[from];
        let session = Session::open(config, opener.host.parameters(), half, opener.pin(), now)
            .expect("the session of a simulation is set up by valid rules");
        opener.outbound += 1;
        let contact = self.tally.sessions;
        self.contacts.insert(contact, Contact::new(from, to, self.climate.transport, session));
        self.pairs.insert(pair(from, to), contact);
        self.tally.most_at_once = self.tally.most_at_once.max(self.contacts.len());
        self.note(format_args!("n{from} > n{to}  session {contact} opens ({cause:?})"));
        self.note_load(from);
        self.pump(contact, OPENER);
    }

    /// What a transport gives to a session: the place where the last session with this peer
    /// stopped.
    pub(super) fn session_config(&self, node: usize, peer: usize) -> SessionConfig {
        let cursor = self.nodes[node].cursors.get(&peer).copied();
        SessionConfig { cursor, ..self.climate.session.clone() }
    }

    pub(super) fn note_load(&mut self, node: usize) {
        let load = self.nodes[node].outbound + self.nodes[node].inbound;
        self.tally.most_at_one_node = self.tally.most_at_one_node.max(load);
    }

    // What arrives.

    pub(super) fn on_arrival(&mut self, shipment: Shipment) {
        let Shipment { contact, end, number, parcel, .. } = shipment;
        let Some(found) = self.contacts.get_mut(&contact) else { return };
        if !self.nodes[found.ends[1 - end].node].up {
            return;
        }
        let parcels = match found.transport {
            Transport::Stream { .. } => found.ends[end].pipe.arrive(number, parcel),
            Transport::Frames => Vec::from([parcel]),
        };
        for parcel in parcels {
            self.take(contact, 1 - end, parcel);
        }
    }

    pub(super) fn take(&mut self, contact: u64, end: usize, parcel: Parcel) {
        let Some(found) = self.contacts.get_mut(&contact) else { return };
        let node = found.ends[end].node;
        match &mut found.ends[end].stage {
            Stage::Unopened => {
                found.ends[end].stage = Stage::Waiting(Vec::from([parcel]));
                self.ask_permit(contact, node);
            }
            Stage::Waiting(held) => held.push(parcel),
            Stage::Running(session) => match parcel {
                Parcel::Frame(frame) => {
                    let now = self.now + self.nodes[node].skew;
                    // The outcome says what went wrong, if anything did.
                    let before = session.stats().applied;
                    _ = session.handle_frame(&frame, now);
                    if session.stats().applied > before {
                        self.touch(node);
                    }
                    self.pump(contact, end);
                }
                Parcel::End => self.cut(contact, end, "cut"),
                Parcel::Busy => self.cut(contact, end, "busy"),
            },
            Stage::Over => {}
        }
    }

    // What is sent.

    /// Sends whatever a session has to say, and looks whether it is over.
    fn pump(&mut self, contact: u64, end: usize) {
        let Some(found) = self.contacts.get_mut(&contact) else { return };
        let (node, peer) = (found.ends[end].node, found.ends[1 - end].node);
        let Stage::Running(session) = &mut found.ends[end].stage else { return };
        let now = self.now + self.nodes[node].skew;
        let frames: Vec<_> = core::iter::from_fn(|| session.poll_frame(now)).collect();
        let events: Vec<_> = core::iter::from_fn(|| session.poll_event()).collect();
        let outcome = session.outcome().cloned();
        for event in events {
            self.note(format_args!("n{node} session {contact}: {event:?}"));
        }
        for mut frame in frames {
            if let Some(tamper) = &mut self.tamper {
                let side = if end == OPENER { Side::Opener } else { Side::Acceptor };
                frame = tamper(contact, side, frame);
            }
            self.tally.frames += 1;
            self.tally.frame_bytes += frame.len() as u64;
            self.nodes[node].bytes += frame.len() as u64;
            self.ship(contact, end, Parcel::Frame(frame));
        }
        let Some(outcome) = outcome else { return self.plan_wake(contact, end) };
        self.tally.note_outcome(&outcome);
        match outcome.cursor {
            Some(cursor) => _ = self.nodes[node].cursors.insert(peer, cursor),
            None => _ = self.nodes[node].cursors.remove(&peer),
        }
        let stats = &outcome.stats;
        self.note(format_args!(
            "n{node} session {contact} ends: {:?}; {} turns, {} records out, {} in ({} known), {} bytes",
            outcome.result, stats.turns, stats.records_out, stats.records_in, stats.stale,
            stats.bytes_out + stats.bytes_in,
        ));
        let moved = stats.applied > 0 || stats.records_out > 0;
        self.ship(contact, end, Parcel::End);
        self.close(contact, end, if moved { Progress::Some } else { Progress::None });
    }

    pub(super) fn ship(&mut self, contact: u64, end: usize, parcel: Parcel) {
        let Some(found) = self.contacts.get_mut(&contact) else { return };
        let number = found.ends[end].pipe.number();
        let (from, to) = (found.ends[end].node, found.ends[1 - end].node);
        let transport = found.transport;
        let since = self.now;
        let shipment = |parcel| Shipment { contact, end, number, parcel, since, attempts: 0 };
        match transport {
            Transport::Stream { .. } => self.attempt(shipment(parcel)),
            Transport::Frames => {
                for delay in self.network.datagram(from, to, self.now) {
                    let arrival = Event::Arrival(shipment(parcel.clone()));
                    self.queue.schedule(self.now + delay, arrival);
                }
            }
        }
    }

    /// Sends a parcel of a stream. What is lost is sent again, as long as there is patience.
    pub(super) fn attempt(&mut self, mut shipment: Shipment) {
        let Some(found) = self.contacts.get(&shipment.contact) else { return };
        let to = found.ends[1 - shipment.end].node;
        let from = found.ends[shipment.end].node;
        let delay = self.network.packet(from, to, self.now).filter(|_| self.nodes[to].up);
        if let Some(delay) = delay {
            return self.queue.schedule(self.now + delay, Event::Arrival(shipment));
        }
        let age = self.now - shipment.since;
        if age >= found.transport.patience() {
            return self.on_dead(shipment.contact);
        }
        let latency = self.network.link().latency;
        let round_trip = 2 * (latency.least + latency.spread);
        let pause = (round_trip * 3 / 2 * (1 << shipment.attempts.min(10))).min(MAX_PAUSE);
        shipment.attempts += 1;
        self.queue.schedule(self.now + pause, Event::Attempt(shipment));
    }

    // Time-outs.

    fn plan_wake(&mut self, contact: u64, end: usize) {
        let Some(found) = self.contacts.get_mut(&contact) else { return };
        let end_found = &mut found.ends[end];
        let Stage::Running(session) = &end_found.stage else { return };
        let Some(local) = session.poll_timeout() else { return };
        let at = local.saturating_sub(self.nodes[end_found.node].skew).max(self.now);
        if end_found.wake_at.is_none_or(|planned| planned > at) {
            end_found.wake_at = Some(at);
            self.queue.schedule(at, Event::Wake { contact, end });
        }
    }

    pub(super) fn on_wake(&mut self, contact: u64, end: usize) {
        let Some(found) = self.contacts.get_mut(&contact) else { return };
        let end_found = &mut found.ends[end];
        if end_found.wake_at != Some(self.now) {
            return;
        }
        end_found.wake_at = None;
        let now = self.now + self.nodes[end_found.node].skew;
        if let Stage::Running(session) = &mut end_found.stage {
            if session.poll_timeout().is_some_and(|at| at <= now) {
                session.handle_timeout(now);
            }
            self.pump(contact, end);
        }
    }

    // The end.

    /// Ends a session without the machine's consent.
    fn cut(&mut self, contact: u64, end: usize, why: &'static str) {
        let Some(found) = self.contacts.get_mut(&contact) else { return };
        let node = found.ends[end].node;
        if !matches!(found.ends[end].stage, Stage::Over) {
            self.tally.note_ending(why);
            self.note(format_args!("n{node} session {contact} ends: {why}"));
            self.close(contact, end, Progress::None);
        }
    }

    fn close(&mut self, contact: u64, end: usize, progress: Progress) {
        let Some(found) = self.contacts.get_mut(&contact) else { return };
        let (node, peer) = (found.ends[end].node, found.ends[1 - end].node);
        let before = core::mem::replace(&mut found.ends[end].stage, Stage::Over);
        if found.transport == Transport::Frames {
            // The other end may never hear of this.
            let at = self.now + found.transport.patience();
            self.queue.schedule(at, Event::Dead { contact });
        }
        self.forget_if_over(contact);
        if end == OPENER {
            self.end_chase(node, peer, progress);
        }
        if matches!(before, Stage::Running(_)) {
            self.release(node, end);
        }
    }

    pub(super) fn forget_if_over(&mut self, contact: u64) {
        if let Some(found) = self.contacts.get(&contact)
            && found.is_over()
        {
            self.pairs.remove(&found.pair());
            self.contacts.remove(&contact);
        }
    }

    pub(super) fn on_dead(&mut self, contact: u64) {
        for end in [OPENER, ACCEPTOR] {
            self.cut(contact, end, "cut");
        }
    }

    /// A node died: its ends are gone at once, the others notice later.
    pub(super) fn cut_contacts_of(&mut self, node: usize) {
        let mut dead = Vec::new();
        for (contact, found) in &mut self.contacts {
            for end in found.ends.iter_mut().filter(|end| end.node == node) {
                end.stage = Stage::Over;
                dead.push((*contact, self.now + found.transport.patience()));
            }
        }
        for (contact, at) in dead {
            self.queue.schedule(at, Event::Dead { contact });
            self.forget_if_over(contact);
        }
    }
}

/// The longest pause between two attempts to send a packet.
const MAX_PAUSE: Duration = Duration::from_secs(2);
