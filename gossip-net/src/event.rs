//! What happens at a node, for subscribers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::{self, error::RecvError};

use crate::limits::EVENT_QUEUE;
use crate::stats::Counters;
use crate::{HandshakeError, Liveness, NodeId, SessionReport, SyncError};

/// Something that happened at a node.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A peer is connected, and both sides have accepted each other.
    Connected {
        /// Who.
        peer: NodeId,
    },
    /// A peer's connection is over; it is dialled again unless it left the roster.
    Disconnected {
        /// Who.
        peer: NodeId,
        /// Why, for people.
        reason: String,
    },
    /// A peer could not be dialled, or did not accept this node. Said once for each cause, until the
    /// peer is connected.
    Unreachable {
        /// Who.
        peer: NodeId,
        /// Why, and what to do.
        cause: HandshakeError,
        /// When it is dialled again.
        retry_in: Duration,
    },
    /// Somebody dialled this node and was refused, or gave up. No byte of gossip was exchanged.
    Refused {
        /// From where.
        address: SocketAddr,
        /// Why.
        cause: HandshakeError,
    },
    /// A session reached a result, whichever side opened it.
    Session(Box<SessionReport>),
    /// A session failed, whichever side opened it.
    SessionFailed {
        /// With whom.
        peer: NodeId,
        /// Why.
        cause: SyncError,
    },
    /// The sync machine noticed something about a peer or its records, see there.
    Noticed {
        /// In a session with whom.
        peer: NodeId,
        /// What.
        what: engram_gossip_proto::Event,
    },
    /// Sessions with a peer end again and again without progress and without becoming equal. Said once
    /// an episode.
    Stalled {
        /// With whom.
        peer: NodeId,
        /// How many sessions in a row.
        sessions: u32,
    },
    /// The episode is over: a session made progress, or found both sides equal.
    Recovered {
        /// With whom.
        peer: NodeId,
        /// How many sessions in a row it took.
        sessions: u32,
    },
    /// A session found no space that both nodes host; both should name a common one. Said once until
    /// one is found.
    NoCommonSpace {
        /// With whom.
        peer: NodeId,
    },
    /// The membership sees a member in another way, or in another incarnation, than before.
    Member {
        /// Who.
        peer: NodeId,
        /// How it is seen now.
        liveness: Liveness,
        /// Its incarnation, if that is known.
        incarnation: Option<u64>,
    },
    /// The roster was replaced.
    RosterChanged {
        /// How many members are new.
        added: usize,
        /// How many members were evicted.
        removed: usize,
    },
}

/// A subscription to the events of one node, see [`Gossip::events`](crate::Gossip::events).
///
/// It holds the latest [`EVENT_QUEUE`] events; a slower subscriber misses the oldest, which are
/// counted in [`Stats::events_dropped`](crate::Stats::events_dropped).
#[derive(Debug)]
pub struct Events {
    queue: broadcast::Receiver<Event>,
    counters: Arc<Counters>,
}

impl Events {
    /// Waits for the next event. `None` once the node has shut down.
    ///
    /// Nothing is lost if the wait is given up.
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

/// Where events are published.
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

    /// Tells every subscriber. Nobody is waited for.
    pub(crate) fn publish(&self, event: Event) {
        if let Some(sender) = &*self.lock() {
            // No subscriber is no fault.
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

    /// No event follows any more.
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
        assert_eq!(bus.subscribe().next().await, None, "nothing follows any more");
    }
}
