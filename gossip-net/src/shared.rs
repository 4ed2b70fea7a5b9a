//! What the tasks of a node share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

use fastrand::Rng;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::advert::Chase;
use crate::endpoint::Socket;
use crate::event::EventBus;
use crate::limits::MAX_DIALS;
use crate::membership::Membership;
use crate::peer::Command;
use crate::replicas::Source;
use crate::stats::{Counters, count};
use crate::status::Board;
use crate::teller::Teller;
use crate::transfer::Sending;
use crate::{Event, Identity, NetConfig, NodeId, Roster, SessionReport, SyncError};

/// What the tasks of a node share. Locks guard single values and are never held across a wait.
pub(crate) struct Shared {
    pub(crate) us: NodeId,
    pub(crate) config: NetConfig,
    pub(crate) socket: Socket,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) membership: Arc<dyn Membership>,
    /// Something was put into the membership.
    pub(crate) membership_spoke: Notify,
    /// The membership counts time from here.
    pub(crate) started: Instant,
    pub(crate) counters: Arc<Counters>,
    pub(crate) events: EventBus,
    /// Dials that we may have under way at once.
    pub(crate) dials: Semaphore,
    /// Sessions that we may have opened at once.
    pub(crate) outbound: Arc<Semaphore>,
    /// Sessions that peers may have opened with us at once.
    pub(crate) inbound: Arc<Semaphore>,
    transfer: Mutex<Sending>,
    /// How much sessions may move was changed: those that wait look again.
    pub(crate) transfer_changed: watch::Sender<()>,
    /// The local state changed, and nobody was told yet.
    pub(crate) changed: Notify,
    /// Which roots are being fetched at the moment, and from whom.
    pub(crate) chase: Chase,
    pub(crate) teller: Mutex<Teller>,
    /// Every task holds a subscription until its end.
    pub(crate) phase: watch::Sender<Phase>,
    /// The identity was replaced: connections have to be looked at again.
    pub(crate) recheck: watch::Sender<()>,
    identity: RwLock<Arc<Identity>>,
    roster: RwLock<Arc<Roster>>,
    peers: Mutex<BTreeMap<NodeId, Peer>>,
    rng: Mutex<Rng>,
}

/// Where a node is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Everything runs.
    Running,
    /// Nothing new is begun; what runs may end.
    Draining,
}

impl Phase {
    /// Waits until nothing new is to be begun.
    pub(crate) async fn draining(phase: &mut watch::Receiver<Self>) {
        // An error means that the node is gone altogether.
        _ = phase.wait_for(|phase| *phase == Self::Draining).await;
    }
}

/// The others' handle of a peer's task. Dropping it evicts the peer.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) mailbox: mpsc::Sender<Command>,
    pub(crate) board: Arc<Board>,
}

/// What [`Shared`] is made of.
pub(crate) struct Parts {
    pub(crate) config: NetConfig,
    pub(crate) identity: Identity,
    pub(crate) roster: Roster,
    pub(crate) socket: Socket,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) membership: Arc<dyn Membership>,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { config, identity, roster, socket, source, membership } = parts;
        let counters = Arc::new(Counters::default());
        Self {
            us: identity.node_id(),
            socket,
            source,
            membership,
            membership_spoke: Notify::new(),
            started: Instant::now(),
            events: EventBus::new(counters.clone()),
            counters,
            dials: Semaphore::new(MAX_DIALS),
            outbound: Arc::new(Semaphore::new(config.outbound_sessions)),
            inbound: Arc::new(Semaphore::new(config.inbound_sessions)),
            transfer_changed: watch::Sender::new(()),
            transfer: Mutex::new(Sending::new(config.transfer)),
            changed: Notify::new(),
            chase: Chase::default(),
            teller: Mutex::default(),
            phase: watch::Sender::new(Phase::Running),
            recheck: watch::Sender::new(()),
            identity: RwLock::new(Arc::new(identity)),
            roster: RwLock::new(Arc::new(roster)),
            peers: Mutex::default(),
            rng: Mutex::new(config.seed.map_or_else(Rng::new, Rng::with_seed)),
            config,
        }
    }

    pub(crate) fn identity(&self) -> Arc<Identity> {
        self.identity.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_identity(&self, identity: Identity) {
        *self.identity.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(identity);
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

    /// What this node sends, and how much it may. Locked for a moment only.
    pub(crate) fn transfer(&self) -> MutexGuard<'_, Sending> {
        // Each of its values is changed in one step.
        self.transfer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of the day. On a network in memory it passes as all other time there does.
    pub(crate) fn wall_time(&self) -> SystemTime {
        #[cfg(feature = "switch")]
        if let Some(switch) = &self.config.switch {
            return switch.wall_time();
        }
        SystemTime::now()
    }

    /// Makes a random choice. The choice must not take any other lock.
    pub(crate) fn choose<T>(&self, choice: impl FnOnce(&mut Rng) -> T) -> T {
        choice(&mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts a session that has ended, and tells subscribers.
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
            Ok(report) => Event::Session(report.clone()),
            Err(cause) => Event::SessionFailed { peer, cause: cause.clone() },
        });
    }

    pub(crate) fn is_running(&self) -> bool {
        *self.phase.borrow() == Phase::Running
    }
}
