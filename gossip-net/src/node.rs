//! The shared state of a node's tasks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

use engram_gossip_proto::schedule::{ConfigError, Scheduler};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use crate::endpoint::Socket;
use crate::event::EventBus;
use crate::handle::Peer;
use crate::membership::Membership;
use crate::replicas::Source;
use crate::schedule::Schedule;
use crate::stats::{Counters, count};
use crate::{Event, Identity, NetConfig, NodeId, Roster, SessionReport, SyncError};

/// The shared state of a node's tasks. Each lock guards a single value and is never held across an
/// await.
pub(crate) struct Shared {
    pub(crate) us: NodeId,
    pub(crate) config: NetConfig,
    pub(crate) socket: Socket,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) membership: Arc<dyn Membership>,
    /// Whether the membership was told that this node is leaving. Locked during each input.
    pub(crate) has_left: Mutex<bool>,
    /// Notified after each input to the membership.
    pub(crate) membership_spoke: Notify,
    pub(crate) schedule: Arc<Schedule>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) events: EventBus,
    /// The runtime of the node's tasks. The host may call the node from outside this runtime.
    pub(crate) runtime: Handle,
    /// Every long-running task holds a subscription until it ends.
    pub(crate) phase: watch::Sender<Phase>,
    /// The identity in force. When it is replaced, each peer's task verifies its connection again.
    pub(crate) identity: watch::Sender<Arc<Identity>>,
    roster: RwLock<Arc<Roster>>,
    peers: Mutex<BTreeMap<NodeId, Peer>>,
}

/// Whether a node starts new work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The node works normally.
    Running,
    /// The node starts no new work; running sessions may finish.
    Draining,
}

impl Phase {
    /// Waits for the draining phase.
    pub(crate) async fn draining(phase: &mut watch::Receiver<Self>) {
        // An error means that the node has been dropped.
        _ = phase.wait_for(|phase| *phase == Self::Draining).await;
    }
}

impl Shared {
    pub(crate) fn new(
        config: NetConfig,
        identity: Identity,
        roster: Roster,
        socket: Socket,
        source: Arc<dyn Source>,
        membership: Arc<dyn Membership>,
        runtime: Handle,
    ) -> Result<Self, ConfigError> {
        let us = identity.node_id();
        let seed = config.seed.unwrap_or_else(|| fastrand::u64(..));
        let now = std::time::Duration::ZERO;
        let scheduler = Scheduler::new(us, config.schedule.clone(), seed, now)?;
        let counters = Arc::new(Counters::default());
        Ok(Self {
            us,
            socket,
            source,
            membership,
            has_left: Mutex::default(),
            membership_spoke: Notify::new(),
            schedule: Arc::new(Schedule::new(scheduler)),
            events: EventBus::new(counters.clone()),
            counters,
            runtime,
            phase: watch::Sender::new(Phase::Running),
            identity: watch::Sender::new(Arc::new(identity)),
            roster: RwLock::new(Arc::new(roster)),
            peers: Mutex::default(),
            config,
        })
    }

    pub(crate) fn identity(&self) -> Arc<Identity> {
        self.identity.borrow().clone()
    }

    pub(crate) fn roster(&self) -> Arc<Roster> {
        self.roster.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_roster(&self, roster: Roster) {
        *self.roster.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(roster);
    }

    pub(crate) fn peers(&self) -> MutexGuard<'_, BTreeMap<NodeId, Peer>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn peer(&self, id: &NodeId) -> Option<Peer> {
        self.peers().get(id).cloned()
    }

    /// The wall time. On an in-memory network it advances with tokio's time.
    pub(crate) fn wall_time(&self) -> SystemTime {
        #[cfg(feature = "memory-network")]
        if let Some(network) = &self.config.network {
            return network.wall_time();
        }
        SystemTime::now()
    }

    /// Counts an ended session and publishes its event.
    pub(crate) fn publish_session(
        &self,
        peer: NodeId,
        result: Result<&SessionReport, &SyncError>,
        [sent, received]: [u64; 2],
    ) {
        self.counters.update(|stats| {
            stats.session_bytes_sent += sent;
            stats.session_bytes_received += received;
            match result {
                Ok(report) => {
                    stats.records_in += report.outcome.stats.records_in;
                    stats.records_out += report.outcome.stats.records_out;
                    count(&mut stats.sessions, report.reason());
                }
                Err(error) => count(&mut stats.sessions_failed, error.reason()),
            }
        });
        self.events.publish(match result {
            Ok(report) => Event::Session(Box::new(report.clone())),
            Err(cause) => Event::SessionFailed { peer, cause: cause.clone() },
        });
    }

    /// Publishes an event that the sync machine of a session reported.
    pub(crate) fn notice(&self, peer: NodeId, what: engram_gossip_proto::Event) {
        self.events.publish(Event::Noticed { peer, what });
    }

    pub(crate) fn is_running(&self) -> bool {
        *self.phase.borrow() == Phase::Running
    }
}
