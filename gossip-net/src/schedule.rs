//! The scheduler of a node, behind its lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engram_gossip_proto::schedule::{ClaimTable, Scheduler, SessionId};
use engram_gossip_proto::{KEY_LEN, ShortNode, SpaceId};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::NodeId;

/// The scheduler of a node, behind its lock, and the time that it counts.
pub(crate) struct Schedule {
    state: Mutex<State>,
    started: Instant,
    /// The next time-out comes sooner than the timer expects.
    pub(crate) sooner: Notify,
}

pub(crate) struct State {
    pub(crate) scheduler: Scheduler<NodeId>,
    /// When the timer wakes the scheduler.
    pub(crate) wakes_at: Option<Duration>,
}

impl Schedule {
    /// Counts time from now.
    pub(crate) fn new(scheduler: Scheduler<NodeId>) -> Self {
        let state = Mutex::new(State { scheduler, wakes_at: None });
        Self { state, started: Instant::now(), sooner: Notify::new() }
    }

    /// The time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn at(&self, time: Duration) -> Instant {
        self.started + time
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No code of the host runs behind this lock, so nothing of it panics there.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the scheduler something that leads to no action.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&mut Scheduler<NodeId>, Duration) -> T) -> T {
        let mut state = self.lock();
        ask(&mut state.scheduler, self.now())
    }
}

/// The claims of one session.
#[derive(Clone)]
pub(crate) struct SessionClaims {
    pub(crate) schedule: Arc<Schedule>,
    pub(crate) session: SessionId,
}

impl ClaimTable for SessionClaims {
    fn claim(&self, space: &SpaceId, key: &[u8; KEY_LEN]) -> bool {
        self.schedule.ask(|scheduler, now| scheduler.claim(self.session, space, key, now))
    }

    fn claim_range(&self, space: &SpaceId, node: ShortNode) -> bool {
        self.schedule.ask(|scheduler, now| scheduler.claim_range(self.session, space, node, now))
    }

    fn deliver(&self, space: &SpaceId, keys: &[[u8; KEY_LEN]]) {
        self.schedule.ask(|scheduler, now| scheduler.deliver(self.session, space, keys, now));
    }
}
