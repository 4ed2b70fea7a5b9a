//! Sessions: how they begin, and their frames.

use core::time::Duration;
use std::boxed::Box;
use std::vec::Vec;

use super::contact::{ACCEPTOR, Contact, OPENER, Stage};
use super::endings::End;
use super::event::{Event, Shipment};
use super::pipe::{Segment, Transport};
use super::{Host, Side, World};
use crate::schedule::{Disconnect, Refusal, SessionId, Terms};
use crate::{Ending, KeyHalf, Session, SessionConfig, SessionError, Stats};

impl<H: Host> World<H> {
    /// Number of current sessions.
    pub fn in_session(&self) -> usize {
        self.contacts.len()
    }

    // Beginning.

    pub(super) fn open_contact(
        &mut self,
        node: usize,
        peer: usize,
        session: SessionId,
        terms: Terms,
    ) {
        self.tally.sessions += 1;
        let (config, half) = self.session_config(peer, terms);
        let now = self.nodes[node].read_clock(self.now);
        let us = &self.nodes[node];
        let machine = Session::open(config, us.host.parameters(), half, us.pin(session), now)
            .expect("a simulated session has a valid configuration");
        let run = us.links.get(&peer).copied().unwrap_or(self.nodes[peer].run);
        let contact = self.tally.sessions;
        let stage = Stage::Running(session, Box::new(machine));
        let ends = ((node, us.run), (peer, run));
        self.contacts.insert(contact, Contact::new(ends.0, ends.1, self.config.transport, stage));
        self.tally.most_at_once = self.tally.most_at_once.max(self.contacts.len());
        self.note(format_args!("n{node} > n{peer}  session {contact} opens"));
        self.pump(contact, OPENER);
    }

    pub(super) fn accept_contact(
        &mut self,
        node: usize,
        peer: usize,
        session: SessionId,
        terms: Terms,
    ) {
        let (config, half) = self.session_config(peer, terms);
        let now = self.nodes[node].read_clock(self.now);
        let us = &mut self.nodes[node];
        let machine = Session::accept(config, us.host.parameters(), half, us.pin(session), now)
            .expect("a simulated session has a valid configuration");
        let contact = us.incoming.remove(&peer);
        let Some(contact) = contact.filter(|contact| self.contacts.contains_key(contact)) else {
            return self.report(node, peer, session, &End::Failed(Stats::default()));
        };
        let Some(found) = self.contacts.get_mut(&contact) else { return };
        let stage = &mut found.ends[ACCEPTOR].stage;
        let running = Stage::Running(session, Box::new(machine));
        if let Stage::Waiting(held) = core::mem::replace(stage, running) {
            held.into_iter().for_each(|segment| self.take(contact, ACCEPTOR, segment));
        }
    }

    pub(super) fn refuse_contact(&mut self, node: usize, peer: usize, reason: Refusal) {
        if let Some(contact) = self.nodes[node].incoming.remove(&peer) {
            self.refuse(contact, reason);
        }
    }

    fn refuse(&mut self, contact: u64, reason: Refusal) {
        let Some(found) = self.contacts.get_mut(&contact) else { return };
        let acceptor = &mut found.ends[ACCEPTOR];
        acceptor.stage = Stage::Over;
        let node = acceptor.node;
        self.note(format_args!("n{node} refuses session {contact}: {reason:?}"));
        self.ship(contact, ACCEPTOR, Segment::Refused(reason));
        self.forget_if_over(contact);
    }

    /// Creates the arguments that a transport passes to a session: the configuration, with the peer
    /// and the scheduler's terms, and half of a fresh key.
    fn session_config(&mut self, peer: usize, terms: Terms) -> (SessionConfig, KeyHalf) {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(peer as u64).to_be_bytes());
        let config = SessionConfig { peer: Some(id), ..self.config.session.clone() };
        (terms.apply(config), self.random.bits().to_le_bytes())
    }

    // Receiving.

    pub(super) fn on_arrival(&mut self, shipment: Shipment) {
        let Shipment { contact, end, number, segment, .. } = shipment;
        let Some(found) = self.contacts.get(&contact) else { return };
        let (from, to) = (found.ends[end].node, found.ends[1 - end].node);
        let run = found.ends[end].peer_run;
        if !self.is_received(from, to, run) {
            return;
        }
        let Some(found) = self.contacts.get_mut(&contact) else { return };
        let segments = match found.transport {
            Transport::Stream { .. } => found.ends[end].pipe.arrive(number, segment),
            Transport::Frames => Vec::from([segment]),
        };
        for segment in segments {
            self.take(contact, 1 - end, segment);
        }
    }

    fn take(&mut self, contact: u64, end: usize, segment: Segment) {
        let Some(found) = self.contacts.get_mut(&contact) else { return };
        let (node, peer) = (found.ends[end].node, found.ends[1 - end].node);
        match &mut found.ends[end].stage {
            Stage::Unopened => {
                found.ends[end].stage = Stage::Waiting(Vec::from([segment]));
                let before = self.nodes[node].incoming.insert(peer, contact);
                let now = self.nodes[node].read_clock(self.now);
                let admitted = self.nodes[node].scheduler.borrow_mut().handle_incoming(peer, now);
                if let Err(reason) = admitted {
                    // The earlier session continues to wait.
                    self.nodes[node].incoming.remove(&peer);
                    self.nodes[node].incoming.extend(before.map(|before| (peer, before)));
                    self.refuse(contact, reason);
                }
                self.tell(node, |_, _| ());
            }
            Stage::Waiting(held) => held.push(segment),
            Stage::Running(_, session) => match segment {
                Segment::Frame(frame) => {
                    let now = self.nodes[node].read_clock(self.now);
                    // The outcome names the error, if there is one.
                    let before = session.stats().applied;
                    _ = session.handle_frame(&frame, now);
                    if session.stats().applied > before {
                        self.recount(node);
                    }
                    self.pump(contact, end);
                }
                Segment::End => self.fail(contact, end, "cut"),
                Segment::Refused(Refusal::Crossed) => {
                    self.close(contact, end, "crossed", End::Displaced);
                }
                Segment::Refused(Refusal::OverQuota) => {
                    self.close(contact, end, "over quota", End::OverQuota);
                }
                Segment::Refused(_) => self.fail(contact, end, "busy"),
            },
            Stage::Over => {}
        }
    }

    // Sending.

    /// Sends the frames of a session, and checks whether it is over.
    fn pump(&mut self, contact: u64, end: usize) {
        let Some(found) = self.contacts.get_mut(&contact) else { return };
        let (node, peer) = (found.ends[end].node, found.ends[1 - end].node);
        let Stage::Running(_, session) = &mut found.ends[end].stage else { return };
        let now = self.nodes[node].read_clock(self.now);
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
            self.ship(contact, end, Segment::Frame(frame));
        }
        let Some(outcome) = outcome else { return self.plan_wake(contact, end) };
        self.tally.note_outcome(&outcome);
        let stats = &outcome.stats;
        self.note(format_args!(
            "n{node} session {contact} ends: {:?}; {} turns, {} records out, {} in ({} known), {} bytes",
            outcome.result, stats.turns, stats.records_out, stats.records_in, stats.stale,
            stats.bytes_out + stats.bytes_in,
        ));
        let is_unanswered = end == OPENER && stats.bytes_in == 0;
        let is_timed_out =
            matches!(outcome.result, Ending::Failed(SessionError::Idle | SessionError::TimedOut));
        self.ship(contact, end, Segment::End);
        let how = match outcome.result {
            Ending::Failed(_) => End::Failed(*stats),
            _ => End::Outcome(Box::new(outcome)),
        };
        self.finish(contact, end, how);
        if is_unanswered && is_timed_out {
            self.disconnect(node, peer, Disconnect::Gone);
        }
    }

    fn ship(&mut self, contact: u64, end: usize, segment: Segment) {
        let Some(found) = self.contacts.get_mut(&contact) else { return };
        let number = found.ends[end].pipe.number();
        let (from, to) = (found.ends[end].node, found.ends[1 - end].node);
        let transport = found.transport;
        let since = self.now;
        let shipment = |segment| Shipment { contact, end, number, segment, since, attempts: 0 };
        match transport {
            Transport::Stream { .. } => self.attempt(shipment(segment)),
            Transport::Frames => {
                for delay in self.network.datagram(from, to, self.now) {
                    let arrival = Event::Arrival(shipment(segment.clone()));
                    self.queue.schedule(self.now + delay, arrival);
                }
            }
        }
    }

    /// Sends a segment of a stream. Resends a lost segment until the `retry_timeout` of the stream
    /// has passed.
    pub(super) fn attempt(&mut self, mut shipment: Shipment) {
        let Some(found) = self.contacts.get(&shipment.contact) else { return };
        let to = found.ends[1 - shipment.end].node;
        let from = found.ends[shipment.end].node;
        let delay = self.network.packet(from, to, self.now).filter(|_| self.nodes[to].up);
        if let Some(delay) = delay {
            return self.queue.schedule(self.now + delay, Event::Arrival(shipment));
        }
        let age = self.now - shipment.since;
        if age >= found.transport.retry_timeout() {
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
        let Stage::Running(_, session) = &end_found.stage else { return };
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
        let now = self.nodes[end_found.node].read_clock(self.now);
        if let Stage::Running(_, session) = &mut end_found.stage {
            if session.poll_timeout().is_some_and(|at| at <= now) {
                session.handle_timeout(now);
            }
            self.pump(contact, end);
        }
    }
}

/// Maximum pause between two attempts to send a packet.
const MAX_PAUSE: Duration = Duration::from_secs(2);
