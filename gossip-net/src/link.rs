//! A connection to a peer, and the choice between two connections.

use std::pin::Pin;

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
    /// Another connection between the same two nodes replaces this one.
    Replaced,
    /// The peer did not answer on the connection.
    Unresponsive,
    /// The peer's certificate is no longer accepted.
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
            Self::Shutdown => "the node is shutting down",
            Self::Evicted => "not in the roster",
            Self::Replaced => "replaced by another connection",
            Self::Unresponsive => "no answer",
            Self::Outdated => "the certificate is no longer accepted",
        }
    }

    /// Closes `connection` for this reason.
    pub(crate) fn close(self, connection: &Connection) {
        connection.close(self.code(), self.reason().as_bytes());
    }

    /// The reason that the peer gave for closing, if it is one of these.
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
    /// The peer has sent no message yet. A connection that is still open at `until` counts as
    /// accepted.
    Awaited { until: Instant },
    /// `at` is the time when the peer's dial arrived, when the peer's first message on our dial was
    /// processed, or when the wait for that message ended.
    Given { at: Instant },
}

impl Proof {
    fn at(self) -> Option<Instant> {
        match self {
            Self::Awaited { .. } => None,
            Self::Given { at } => Some(at),
        }
    }
}

/// A connection to a peer with a verified identity.
pub(crate) struct Link {
    pub(crate) connection: Connection,
    pub(crate) dialled_by_us: bool,
    pub(crate) since: Instant,
    pub(crate) proof: Proof,
    /// The future of the next event, kept across calls: recreating it for each call measurably
    /// slows down sessions between equal replicas.
    events: Pin<Box<dyn Future<Output = LinkEvent> + Send>>,
}

impl Link {
    pub(crate) fn dialled(connection: Connection, now: Instant) -> Self {
        let events = next_event(connection.clone());
        let proof = Proof::Awaited { until: now + HANDSHAKE_TIMEOUT };
        Self { connection, dialled_by_us: true, since: now, proof, events }
    }

    /// Creates the link for an accepted dial whose first packet arrived at `arrived`.
    pub(crate) fn accepted(connection: Connection, arrived: Instant, now: Instant) -> Self {
        let proof = Proof::Given { at: arrived };
        Self { dialled_by_us: false, proof, ..Self::dialled(connection, now) }
    }

    /// Waits for the next event. This method is cancel safe.
    pub(crate) async fn event(&mut self) -> LinkEvent {
        let event = self.events.as_mut().await;
        self.events = next_event(self.connection.clone());
        event
    }

    fn side(&self) -> Side {
        Side { dialled_by_us: self.dialled_by_us, proved: self.proof.at() }
    }

    /// Whether `newer` replaces this link; see [`takes_over`].
    pub(crate) fn yields_to(&self, newer: &Self, us: NodeId, peer: NodeId) -> bool {
        self.connection.close_reason().is_some() || takes_over(self.side(), newer.side(), us < peer)
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

/// Which side dialled a connection, and the time of its [`Proof`].
#[derive(Clone, Copy, Debug)]
struct Side {
    dialled_by_us: bool,
    proved: Option<Instant>,
}

/// Whether the newer of two connections replaces the older one.
///
/// A connected node does not dial, and it abandons its own dial once it has accepted a dial from a
/// node with a smaller id. If a dial from the peer arrives after a message from the peer on the
/// older connection, the peer has therefore lost the older connection (after a restart, for
/// example), and the newer one replaces it. A second dial by the same side also replaces the first.
/// Otherwise the two dials may have crossed. Both sides then keep the connection that the node with
/// the smaller id dialled, regardless of which connection completes first.
fn takes_over(older: Side, newer: Side, us_is_smaller: bool) -> bool {
    let by_smaller = |side: Side| side.dialled_by_us == us_is_smaller;
    let lost =
        matches!((older.proved, newer.proved), (Some(used), Some(arrived)) if used < arrived);
    lost || by_smaller(newer) || !by_smaller(older)
}

/// Converts the error that ended a connection into the cause to report.
pub(crate) fn diagnose(error: &ConnectionError) -> HandshakeError {
    match Close::of(error) {
        Some(Close::Evicted) => HandshakeError::RefusedNotInRoster,
        Some(Close::Outdated) => HandshakeError::RefusedExpired,
        _ => HandshakeError::of_connection(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Returns whether this side dialled the connection that is kept. `order` lists, in order of
    /// completion, whether this side dialled each of the two connections. If it dialled the older
    /// one, the peer's first message on that connection arrives `used` after the start, or never. A
    /// newer dial from the peer arrives a second after the start.
    fn survivor(us_is_smaller: bool, order: [bool; 2], used: Option<Duration>) -> bool {
        let start = Instant::now();
        let arrived = start + Duration::from_secs(1);
        let proved = if order[0] { used.map(|used| start + used) } else { Some(start) };
        let older = Side { dialled_by_us: order[0], proved };
        let newer = Side { dialled_by_us: order[1], proved: (!order[1]).then_some(arrived) };
        match takes_over(older, newer, us_is_smaller) {
            true => order[1],
            false => order[0],
        }
    }

    #[test]
    fn crossing_dials_keep_smaller_id() {
        for used in [None, Some(Duration::from_secs(1)), Some(Duration::MAX / 4)] {
            for order in [[true, false], [false, true]] {
                assert!(
                    survivor(true, order, used),
                    "the node with the smaller id keeps its own dial"
                );
                assert!(
                    !survivor(false, order, used),
                    "the node with the larger id keeps the peer's dial"
                );
            }
        }
    }

    #[test]
    fn dial_after_a_message_replaces_the_connection() {
        for us_is_smaller in [true, false] {
            assert!(!survivor(us_is_smaller, [true, false], Some(Duration::from_millis(999))));
        }
    }

    #[test]
    fn second_dial_of_a_side_replaces_its_first() {
        for (us_is_smaller, by_us) in [(true, true), (true, false), (false, true), (false, false)] {
            assert_eq!(survivor(us_is_smaller, [by_us, by_us], None), by_us);
        }
    }
}
