//! Events of a node, for subscribers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::{self, error::RecvError};

use crate::limits::EVENT_QUEUE;
use crate::stats::Counters;
use crate::{HandshakeError, Liveness, NodeId, SessionReport, SyncError};

/// An event of a node. Events identify peers by id. [`Gossip::roster`](crate::Gossip::roster)
/// returns their names, and `{id:.8}` prints the beginning of an id.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A peer is connected, and both sides have accepted each other.
    Connected {
        /// The peer.
        peer: NodeId,
    },
    /// A peer's connection ended; the node dials again unless the peer left the roster or has no
    /// address.
    Disconnected {
        /// The peer.
        peer: NodeId,
        /// A human-readable reason.
        reason: String,
    },
    /// A peer could not be dialled; or a connection ended because one side refused the other, the
    /// peer shut down, or the peer did not answer a session. Each cause is published once until the
    /// peer is connected or gets another address; 16 causes are remembered.
    Unreachable {
        /// The peer.
        peer: NodeId,
        /// The cause. For most causes, its message states the next step.
        cause: HandshakeError,
        /// Time until the next dial, if the roster has an address for the peer.
        retry_in: Duration,
    },
    /// A remote dialled this node, and one side refused the other or the handshake failed. No
    /// gossip data was exchanged. A remote that ends its own handshake, or vanishes, is not
    /// reported. Published at most once per IP address and [`HandshakeError::reason`] in
    /// [`REFUSED_PERIOD`](crate::limits::REFUSED_PERIOD).
    Refused {
        /// The remote address.
        address: SocketAddr,
        /// The cause.
        cause: HandshakeError,
        /// Number of refusals since the last event for this address and reason, including this one.
        /// Incomplete only if more than [`MAX_REFUSED_REMOTES`](crate::limits::MAX_REFUSED_REMOTES)
        /// pairs were refused meanwhile.
        times: u64,
    },
    /// A session completed, whichever side opened it.
    Session(Box<SessionReport>),
    /// A session failed, whichever side opened it.
    SessionFailed {
        /// The peer.
        peer: NodeId,
        /// The cause.
        cause: SyncError,
    },
    /// The sync machine reported an event about a peer or its records.
    Noticed {
        /// The peer of the session.
        peer: NodeId,
        /// The event.
        what: engram_gossip_proto::Event,
    },
    /// Sessions that this node opens with a peer repeatedly complete without progress and without
    /// reaching equality. Published once; published again only after
    /// [`Recovered`](Self::Recovered).
    Stalled {
        /// The peer.
        peer: NodeId,
        /// Number of consecutive sessions that ended without progress.
        sessions: u32,
        /// Whether the last of these sessions found that one of the two nodes currently accepts no
        /// records.
        not_accepted: bool,
    },
    /// A peer is no longer stalled: a session made progress, or found both sides equal or no common
    /// space.
    Recovered {
        /// The peer.
        peer: NodeId,
        /// Number of consecutive sessions that had ended without progress.
        sessions: u32,
    },
    /// A session found no space that both nodes host; configure a common space. Published once;
    /// published again only after a session has found a common space.
    NoCommonSpace {
        /// The peer.
        peer: NodeId,
    },
    /// The membership reports a changed liveness or incarnation of a member.
    Member {
        /// The member.
        peer: NodeId,
        /// Its current liveness.
        liveness: Liveness,
        /// Its incarnation, if known.
        incarnation: Option<u64>,
    },
    /// The roster was replaced.
    RosterChanged {
        /// Number of new members.
        added: usize,
        /// Number of evicted members.
        removed: usize,
    },
}

/// A subscription to the events of one node; see [`Gossip::events`](crate::Gossip::events).
///
/// It buffers the latest [`EVENT_QUEUE`] events. A subscriber that falls further behind misses the
/// oldest events; [`Stats::events_dropped`](crate::Stats::events_dropped) counts them.
#[derive(Debug)]
pub struct Events {
    queue: broadcast::Receiver<Event>,
    counters: Arc<Counters>,
}

impl Events {
    /// Waits for the next event. Returns `None` once the node has shut down and no event is left.
    ///
    /// This method is cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.queue.recv().await {
                Ok(event) => return Some(event),
                Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(missed)) => {
                    self.counters.update(|stats| stats.events_dropped += missed);
                }
            }
        }
    }
}

/// Publishes events.
#[derive(Debug)]
pub(crate) struct EventBus {
    sender: std::sync::Mutex<Option<broadcast::Sender<Event>>>,
    counters: Arc<Counters>,
}

impl EventBus {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        let (sender, _) = broadcast::channel(EVENT_QUEUE);
        Self { sender: std::sync::Mutex::new(Some(sender)), counters }
    }

    /// Sends the event to every subscriber, without waiting.
    pub(crate) fn publish(&self, event: Event) {
        if let Some(sender) = &*self.lock() {
            // Having no subscriber is not an error.
            _ = sender.send(event);
        }
    }

    pub(crate) fn subscribe(&self) -> Events {
        let queue = match &*self.lock() {
            Some(sender) => sender.subscribe(),
            None => broadcast::channel(1).1,
        };
        Events { queue, counters: self.counters.clone() }
    }

    /// Ends all subscriptions.
    pub(crate) fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<broadcast::Sender<Event>>> {
        self.sender.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn slow_subscriber_loses_oldest_events_counted() {
        let counters = Arc::new(Counters::default());
        let bus = EventBus::new(counters.clone());
        let mut events = bus.subscribe();
        let event = |added| Event::RosterChanged { added, removed: 0 };
        (0..EVENT_QUEUE + 5).for_each(|n| bus.publish(event(n)));
        assert_eq!(events.next().await, Some(event(5)));
        assert_eq!(counters.snapshot().events_dropped, 5);
        bus.close();
        let mut rest = 0;
        while events.next().await.is_some() {
            rest += 1;
        }
        assert_eq!(rest, EVENT_QUEUE - 1);
        assert_eq!(bus.subscribe().next().await, None, "the bus is closed");
    }
}
