//! A connection to a peer, and the choice between two connections.

use std::pin::Pin;
use std::time::Duration;

use quinn::{Connection, ConnectionError, RecvStream, SendStream, VarInt};
use tokio::time::Instant;

use crate::limits::HANDSHAKE_TIMEOUT;
use crate::{HandshakeError, NodeId};

/// The reason for closing a connection, sent to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// The node is shutting down.
    Shutdown,
    /// The peer left the roster.
    Evicted,
    /// Another connection of the same two nodes replaces it.
    Replaced,
    /// The peer did not answer on it.
    Unresponsive,
    /// The peer's certificate is not accepted any more.
    Outdated,
}

impl Close {
    const ALL: [Self; 5] =
        [Self::Shutdown, Self::Evicted, Self::Replaced, Self::Unresponsive, Self::Outdated];

    fn code(self) -> VarInt {
        VarInt::from_u32(match self {
            Self::Shutdown => 0,
            Self::Evicted => 1,
            Self::Replaced => 2,
            Self::Unresponsive => 3,
            Self::Outdated => 4,
        })
    }

    /// The reason as text.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Shutdown => "the node shuts down",
            Self::Evicted => "not in the roster",
            Self::Replaced => "replaced by another connection",
            Self::Unresponsive => "no answer",
            Self::Outdated => "the certificate is not accepted any more",
        }
    }

    /// Closes `connection` for this reason.
    pub(crate) fn close(self, connection: &Connection) {
        connection.close(self.code(), self.reason().as_bytes());
    }

    /// The reason that the peer gave for closing, if any.
    pub(crate) fn of(error: &ConnectionError) -> Option<Self> {
        let ConnectionError::ApplicationClosed(close) = error else { return None };
        Self::ALL.into_iter().find(|reason| reason.code() == close.error_code)
    }
}

/// An event on a link.
pub(crate) enum LinkEvent {
    /// The peer opened a stream.
    Stream(SendStream, RecvStream),
    /// The peer sent a datagram.
    Datagram(Vec<u8>),
    /// The connection ended.
    Closed(ConnectionError),
}

/// Whether the peer is known to have accepted our certificate. The dialler's handshake completes
/// before the acceptor has verified the dialler's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The peer has sent nothing yet. A connection that is still open at `until` counts as
    /// accepted.
    Awaited { until: Instant },
    /// The peer dialled, or has sent something.
    Given,
}

/// A connection to a peer with a verified identity.
pub(crate) struct Link {
    pub(crate) connection: Connection,
    pub(crate) dialled_by_us: bool,
    pub(crate) since: Instant,
    pub(crate) proof: Proof,
    /// The pending wait for the next event, kept across calls: recreating it for each call is
    /// measurably slow for sessions between equal replicas.
    events: Pin<Box<dyn Future<Output = LinkEvent> + Send>>,
}

impl Link {
    pub(crate) fn dialled(connection: Connection, now: Instant) -> Self {
        let events = next_event(connection.clone());
        let proof = Proof::Awaited { until: now + HANDSHAKE_TIMEOUT };
        Self { connection, dialled_by_us: true, since: now, proof, events }
    }

    pub(crate) fn accepted(connection: Connection, now: Instant) -> Self {
        Self { dialled_by_us: false, proof: Proof::Given, ..Self::dialled(connection, now) }
    }

    /// Waits for the next event. This method is cancel safe.
    pub(crate) async fn event(&mut self) -> LinkEvent {
        let event = self.events.as_mut().await;
        self.events = next_event(self.connection.clone());
        event
    }

    fn age(&self) -> Age {
        Age { dialled_by_us: self.dialled_by_us, since: self.since }
    }

    /// Whether `newer` replaces this link, see [`takes_over`].
    pub(crate) fn yields_to(&self, newer: &Self, us: NodeId, peer: NodeId) -> bool {
        self.connection.close_reason().is_some() || takes_over(self.age(), newer.age(), us < peer)
    }
}

fn next_event(connection: Connection) -> Pin<Box<dyn Future<Output = LinkEvent> + Send>> {
    Box::pin(async move {
        tokio::select! {
            stream = connection.accept_bi() => match stream {
                Ok((send, recv)) => LinkEvent::Stream(send, recv),
                Err(error) => LinkEvent::Closed(error),
            },
            datagram = connection.read_datagram() => match datagram {
                Ok(bytes) => LinkEvent::Datagram(bytes.into()),
                Err(error) => LinkEvent::Closed(error),
            },
        }
    })
}

/// The dialling side, and the time at which the handshake completed here.
#[derive(Clone, Copy, Debug)]
struct Age {
    dialled_by_us: bool,
    since: Instant,
}

/// On either side, the handshakes of two crossing dials complete less than this apart: each dial
/// began before the other was accepted, and no dial takes longer than its time-out.
const CROSSING: Duration = HANDSHAKE_TIMEOUT.saturating_mul(2);

/// Whether the newer of two connections replaces the older one.
///
/// A connected node does not dial. A second connection therefore means either crossing dials, or
/// that the peer lost the first connection (after a restart, for example). For crossing dials both
/// sides have to keep the same connection, whichever completes first: the one that the node with
/// the smaller id dialled. Otherwise the newer one replaces the older one.
fn takes_over(older: Age, newer: Age, us_is_smaller: bool) -> bool {
    let by_smaller = |link: Age| link.dialled_by_us == us_is_smaller;
    let crossed = newer.since.duration_since(older.since) < CROSSING;
    !(crossed && by_smaller(older) && !by_smaller(newer))
}

/// Converts the end of a connection into the cause for dialling again.
pub(crate) fn diagnose(error: &ConnectionError) -> HandshakeError {
    match Close::of(error) {
        Some(Close::Evicted) => HandshakeError::RefusedNotInRoster,
        Some(Close::Outdated) => HandshakeError::RefusedExpired,
        _ => HandshakeError::of_connection(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether this side dialled the surviving one of two connections, completed in this order.
    fn survivor(us_is_smaller: bool, dialled_by_us: [bool; 2], gap: Duration) -> bool {
        let start = Instant::now();
        let older = Age { dialled_by_us: dialled_by_us[0], since: start };
        let newer = Age { dialled_by_us: dialled_by_us[1], since: start + gap };
        match takes_over(older, newer, us_is_smaller) {
            true => newer.dialled_by_us,
            false => older.dialled_by_us,
        }
    }

    #[test]
    fn crossing_dials_keep_smaller_id() {
        for gap in [Duration::ZERO, HANDSHAKE_TIMEOUT] {
            for order in [[true, false], [false, true]] {
                assert!(survivor(true, order, gap), "the smaller keeps its own");
                assert!(!survivor(false, order, gap), "the larger keeps the peer's");
            }
        }
    }

    #[test]
    fn later_dial_replaces_the_old_connection() {
        for us_is_smaller in [true, false] {
            for order in [[true, true], [true, false], [false, true], [false, false]] {
                assert_eq!(survivor(us_is_smaller, order, CROSSING), order[1]);
            }
        }
    }
}
