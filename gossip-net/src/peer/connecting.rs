//! Dialling a peer, being dialled by it, and losing it.

use std::time::SystemTime;

use quinn::{Connection, ConnectionError};
use rustls::pki_types::UnixTime;

use super::{PeerTask, first_pause};
use crate::endpoint::peer_chain;
use crate::limits::RECHECK_INTERVAL;
use crate::link::{Close, Link, diagnose};
use crate::stats::count;
use crate::status::State;
use crate::tls::{Expected, PeerVerifier};
use crate::{Event, HandshakeError, MembershipInput};

impl PeerTask {
    pub(super) fn begin_dial(&mut self) {
        let Some(address) = self.address.clone() else {
            return self.answer_waiting(&HandshakeError::NoAddress.into());
        };
        self.dialled_at = self.now;
        let (shared, id) = (self.shared.clone(), self.id);
        let dial = async move {
            // The semaphore is never closed, so there is always a permit in the end.
            let _permit = shared.dials.acquire().await;
            shared.socket.dial(id, &address, &shared.identity()).await
        };
        self.dial = Some(Box::pin(dial));
        if !self.board.backs_off() {
            self.board.notes().state = State::Dialling;
        }
    }

    pub(super) fn on_dialled(&mut self, dialled: Result<Connection, HandshakeError>) {
        self.dial = None;
        match dialled {
            Ok(connection) => {
                self.shared.counters.update(|stats| stats.handshakes_dialled += 1);
                self.take_link(Link::dialled(connection, self.now));
            }
            // A connection that the peer dialled is as good.
            Err(_) if self.link.is_some() => {}
            Err(cause) => self.on_unreachable(cause),
        }
    }

    pub(super) fn on_unreachable(&mut self, cause: HandshakeError) {
        let retry_in = self.shared.choose(|rng| self.backoff.fail(rng));
        self.dial_at = self.now + retry_in;
        let failures = self.backoff.failures();
        let state = State::BackOff { failures, retry_at: self.dial_at, cause: cause.clone() };
        self.board.notes().state = state;
        self.shared.counters.update(|stats| count(&mut stats.connections_failed, cause.reason()));
        self.answer_waiting(&cause.clone().into());
        self.shared.events.publish(Event::Unreachable { peer: self.id, cause, retry_in });
    }

    /// Takes a new connection, unless the one there is stays.
    pub(super) fn take_link(&mut self, newer: Link) {
        if let Some(older) = self.link.take() {
            self.shared.counters.update(|stats| stats.connections_replaced += 1);
            if !older.yields_to(&newer, self.shared.us, self.id) {
                Close::Replaced.close(&newer.connection);
                self.link = Some(older);
                return;
            }
            Close::Replaced.close(&older.connection);
        }
        if !newer.dialled_by_us && self.id < self.shared.us {
            // Our own dial would lose against this connection.
            self.dial = None;
        }
        let proved = newer.proved;
        self.link = Some(newer);
        if proved {
            self.prove();
        }
    }

    /// The peer has accepted us: the connection counts, and both learn each other's roots.
    pub(super) fn prove(&mut self) {
        let Some(link) = &mut self.link else { return };
        link.proved = true;
        self.backoff.reset();
        let state = State::Connected {
            connection: link.connection.clone(),
            since: link.since,
            dialled_by_us: link.dialled_by_us,
        };
        let before = std::mem::replace(&mut self.board.notes().state, state);
        if !matches!(before, State::Connected { .. }) {
            self.shared.events.publish(Event::Connected { peer: self.id });
        }
        self.shared.tell_membership(MembershipInput::Connected(self.id));
        self.shared.send_advert(&self.board);
    }

    /// Gives the connection up if its peer would not be accepted any more.
    pub(super) fn recheck(&mut self) {
        self.recheck_at = self.now + RECHECK_INTERVAL;
        let Some(link) = &self.link else { return };
        let chain = peer_chain(&link.connection).unwrap_or_default();
        let trust = self.shared.identity().trust.clone();
        let verifier = PeerVerifier::new(trust, Expected::Node(self.id));
        let now = self.shared.wall_time().duration_since(SystemTime::UNIX_EPOCH);
        let now = UnixTime::since_unix_epoch(now.unwrap_or_default());
        if let Err(cause) = verifier.check_chain(&chain, now) {
            self.give_up_link(Close::Outdated, cause);
        }
    }

    pub(super) fn on_closed(&mut self, error: &ConnectionError) {
        let Some(link) = self.link.take() else { return };
        let why = Close::of(error);
        if link.proved {
            let reason = why.map_or_else(|| error.to_string(), |why| why.reason().into());
            self.shared.events.publish(Event::Disconnected { peer: self.id, reason });
        }
        match why {
            Some(Close::Replaced) => {
                self.shared.counters.update(|stats| stats.connections_replaced += 1);
                self.dial_anew();
            }
            Some(why @ (Close::Evicted | Close::Outdated | Close::Shutdown)) => {
                if why == Close::Shutdown {
                    self.shared.tell_membership(MembershipInput::Left(self.id));
                }
                self.on_unreachable(diagnose(error));
            }
            _ if !link.proved => self.on_unreachable(diagnose(error)),
            _ => {
                self.shared.counters.update(|stats| stats.connections_lost += 1);
                self.dial_anew();
            }
        }
    }

    /// Dials as after a start: the peer was there a moment ago, and may dial as well.
    fn dial_anew(&mut self) {
        self.board.notes().state = State::Idle;
        self.dial_at = self.now + first_pause(&self.shared, self.id);
    }

    /// Closes a connection that is of no use. It is dialled again after a pause.
    pub(super) fn give_up_link(&mut self, why: Close, cause: HandshakeError) {
        let Some(link) = self.link.take() else { return };
        why.close(&link.connection);
        let reason = why.reason().into();
        self.shared.events.publish(Event::Disconnected { peer: self.id, reason });
        self.on_unreachable(cause);
    }
}
