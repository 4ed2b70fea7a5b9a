//! Dials a peer, accepts its connections, and handles their loss.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use engram_gossip_proto::schedule::{DialFailure, Disconnect, Scheduler};
use quinn::{Connection, ConnectionError};
use rustls::pki_types::UnixTime;

use super::PeerTask;
use crate::command::Command;
use crate::dial::{OnMet, Target};
use crate::endpoint::peer_chain;
use crate::limits::RECHECK_INTERVAL;
use crate::link::{Close, Link, Proof, diagnose};
use crate::stats::count;
use crate::status::State;
use crate::tls::{Expected, PeerVerifier};
use crate::{Event, HandshakeError, MembershipInput};

/// A running lookup of the peer's addresses.
pub(super) type Lookup =
    Pin<Box<dyn Future<Output = Result<Vec<SocketAddr>, HandshakeError>> + Send>>;

/// A running dial.
pub(super) type Dial = Pin<Box<dyn Future<Output = Dialled> + Send>>;

/// The result of a dial, and the address, if any, that it tried in addition to the resolved ones.
pub(super) type Dialled = (Result<Connection, HandshakeError>, Option<SocketAddr>);

impl PeerTask {
    pub(super) fn begin_lookup(&mut self) {
        if self.link.is_some() {
            return;
        }
        let Some(address) = self.address.clone() else {
            return self.on_dial_failed(DialFailure::Silent, HandshakeError::NoAddress);
        };
        let shared = self.shared.clone();
        self.lookup = Some(Box::pin(async move { shared.socket.names.look_up(&address).await }));
    }

    pub(super) fn on_looked_up(&mut self, found: Result<Vec<SocketAddr>, HandshakeError>) {
        self.lookup = None;
        self.addresses = match found {
            Ok(addresses) => addresses,
            // The sighted address may still be valid.
            Err(_) if self.sighted.is_some() => Vec::new(),
            Err(cause) => return self.on_dial_failed(DialFailure::Silent, cause),
        };
        self.tell(Scheduler::handle_resolved);
    }

    pub(super) fn begin_dial(&mut self, timeout: Duration) {
        if self.link.is_some() {
            return;
        }
        let (shared, node, sighted) = (self.shared.clone(), self.id, self.sighted);
        let addresses = self.addresses.iter().copied().chain(sighted).collect();
        self.dial = Some(Box::pin(async move {
            let members = shared.clone();
            let on_met: OnMet = Arc::new(move |other, address| {
                if let Some(other) = members.peer(&other) {
                    other.command(Command::Sighted(address));
                }
            });
            let target = Target { node, addresses, on_met };
            (shared.socket.dial(target, timeout, &shared.identity()).await, sighted)
        }));
        let mut notes = self.state.notes();
        if !matches!(notes.state, State::BackOff { .. }) {
            notes.state = State::Dialling;
        }
    }

    pub(super) fn on_dialled(&mut self, (dialled, sighted): Dialled) {
        self.dial = None;
        match dialled {
            Ok(connection) => {
                self.shared.counters.update(|stats| stats.handshakes_dialled += 1);
                self.take_link(Link::dialled(connection, self.now));
            }
            // The peer has dialled us in the meantime: use that connection.
            Err(_) if self.link.is_some() => {}
            Err(cause) => {
                if sighted != self.sighted {
                    return self.dial_anew();
                }
                let failure = match cause {
                    HandshakeError::TimedOut
                    | HandshakeError::Busy
                    | HandshakeError::Address(_) => DialFailure::Silent,
                    _ => DialFailure::Refused,
                };
                self.on_dial_failed(failure, cause);
            }
        }
    }

    fn on_dial_failed(&mut self, failure: DialFailure, cause: HandshakeError) {
        let retry = self.tell(|scheduler, id, now| scheduler.handle_dial_failed(id, failure, now));
        self.note_unreachable(retry.flatten(), cause);
    }

    /// Records that the peer is unreachable and when it is dialled again, and fails the waiting
    /// requests. Publishes each cause once until the peer is connected or gets another address.
    /// Does nothing if `retry` is `None`.
    fn note_unreachable(&mut self, retry: Option<(Duration, u32)>, cause: HandshakeError) {
        let Some((retry_in, failures)) = retry else { return };
        let retry_at = self.now + retry_in;
        let state = State::BackOff { failures, retry_at, cause: cause.clone() };
        self.state.notes().state = state;
        self.shared.counters.update(|stats| count(&mut stats.connections_failed, cause.reason()));
        self.give_up_requests(&cause.clone().into());
        if self.told.is_new(&cause) {
            self.shared.events.publish(Event::Unreachable { peer: self.id, cause, retry_in });
        }
    }

    /// Adopts the peer's address from a new roster. If the address differs and the peer is not
    /// connected, dials the new one, or fails the waiting requests if there is none.
    pub(super) fn on_moved(&mut self) {
        let address = self.state.notes().member.address.clone();
        if self.address != address {
            self.address = address;
            self.sighted = None;
            self.dial_anew();
            self.give_up_hopeless_requests();
        }
    }

    /// Handles the report that the peer answered at another member's address. Later dials also try
    /// that address. If it is new, dials the peer now, unless the peer is connected, is being
    /// dialled, or has no address in the roster.
    pub(super) fn on_sighted(&mut self, address: SocketAddr) {
        let is_new = self.sighted.replace(address) != Some(address);
        if is_new && self.link.is_none() && self.dial.is_none() && self.lookup.is_none() {
            self.dial_anew();
        }
    }

    fn dial_anew(&mut self) {
        (self.lookup, self.dial) = (None, None);
        self.told.clear();
        self.tell(Scheduler::redial);
    }

    /// Adopts a new connection, unless the existing one takes precedence.
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
        self.link = Some(newer);
        if self.proof_due().is_none() {
            return self.prove();
        }
        self.tell(Scheduler::handle_dialled);
    }

    /// Marks the connection as established and announces the roots. Called when the peer has
    /// accepted this node, or is assumed to have done so.
    pub(super) fn prove(&mut self) {
        let Some(link) = &mut self.link else { return };
        if let Proof::Awaited { .. } = link.proof {
            link.proof = Proof::Given { at: self.now };
        }
        self.told.clear();
        let state = State::Connected {
            connection: link.connection.clone(),
            since: link.since,
            dialled_by_us: link.dialled_by_us,
        };
        let before = std::mem::replace(&mut self.state.notes().state, state);
        if !matches!(before, State::Connected { .. }) {
            self.shared.events.publish(Event::Connected { peer: self.id });
        }
        self.shared.tell_membership(MembershipInput::Connected(self.id));
        let roots = self.shared.source.summaries();
        self.tell(|scheduler, id, now| {
            scheduler.handle_roots(roots, now);
            scheduler.handle_connected(id, now);
        });
    }

    /// Closes the connection if the peer's certificate would no longer be accepted.
    pub(super) fn recheck(&mut self) {
        self.recheck_at = self.now + RECHECK_INTERVAL;
        let Some(link) = &self.link else { return };
        let chain = peer_chain(&link.connection).unwrap_or_default();
        let trust = self.shared.identity().trust.clone();
        let verifier = PeerVerifier::new(trust, Expected::Node(self.id));
        let now = self.shared.wall_time().duration_since(SystemTime::UNIX_EPOCH);
        let now = UnixTime::since_unix_epoch(now.unwrap_or_default());
        if let Err(cause) = verifier.check_chain(&chain, now) {
            self.give_up_link(Close::Outdated, Disconnect::Rejected, cause);
        }
    }

    pub(super) fn on_closed(&mut self, error: &ConnectionError) {
        let Some(link) = self.link.take() else { return };
        let why = Close::of(error);
        // A connection that replaced an established one counts as established.
        let was_connected = self.state.connection().is_some();
        if let Proof::Awaited { .. } = link.proof
            && !was_connected
        {
            self.drop_incoming();
            return match why {
                // The peer keeps another connection, possibly an earlier one whose loss it has not
                // noticed.
                Some(Close::Replaced) => self.on_disconnected(Disconnect::Lost, diagnose(error)),
                _ => self.on_dial_failed(DialFailure::Refused, diagnose(error)),
            };
        }
        let reason = why.map_or_else(|| error.to_string(), |why| why.reason().into());
        self.shared.events.publish(Event::Disconnected { peer: self.id, reason });
        self.shared.counters.update(|stats| match why {
            Some(Close::Replaced) => stats.connections_replaced += 1,
            Some(Close::Evicted | Close::Outdated | Close::Shutdown) => {}
            _ => stats.connections_lost += 1,
        });
        match why {
            Some(Close::Shutdown) => {
                self.shared.tell_membership(MembershipInput::Left(self.id));
                self.on_disconnected(Disconnect::Gone, diagnose(error));
            }
            Some(Close::Evicted | Close::Outdated) => {
                self.on_disconnected(Disconnect::Rejected, diagnose(error));
            }
            _ => self.on_disconnected(Disconnect::Lost, diagnose(error)),
        }
    }

    fn on_disconnected(&mut self, how: Disconnect, cause: HandshakeError) {
        self.state.notes().state = State::Idle;
        self.drop_incoming();
        let retry = self.tell(|scheduler, id, now| scheduler.handle_disconnected(id, how, now));
        self.note_unreachable(retry.flatten(), cause);
        self.give_up_hopeless_requests();
    }

    /// Closes an unusable connection. If the peer has an address, it is dialled again after a
    /// pause.
    pub(super) fn give_up_link(&mut self, why: Close, how: Disconnect, cause: HandshakeError) {
        let Some(link) = self.link.take() else { return };
        why.close(&link.connection);
        let reason = why.reason().into();
        self.shared.events.publish(Event::Disconnected { peer: self.id, reason });
        self.on_disconnected(how, cause);
    }
}
