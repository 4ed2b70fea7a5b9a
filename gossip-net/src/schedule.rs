//! The scheduler of a node behind a lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engram_gossip_proto::schedule::{ClaimTable, Delivered, Scheduler, SessionId};
use engram_gossip_proto::{KEY_LEN, SpaceId, Unoffered, VersionRange};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::NodeId;

/// The scheduler of a node behind a lock, and its clock.
pub(crate) struct Schedule {
    state: Mutex<State>,
    started: Instant,
    /// Notified when the next time-out is earlier than the timer's deadline.
    pub(crate) sooner: Notify,
}

pub(crate) struct State {
    pub(crate) scheduler: Scheduler<NodeId>,
    /// The timer's deadline.
    pub(crate) wakes_at: Option<Duration>,
}

impl Schedule {
    /// Creates the schedule and starts its clock.
    pub(crate) fn new(scheduler: Scheduler<NodeId>) -> Self {
        let state = Mutex::new(State { scheduler, wakes_at: None });
        Self { state, started: Instant::now(), sooner: Notify::new() }
    }

    /// Time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn at(&self, time: Duration) -> Instant {
        self.started + time
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No host code runs under this lock, so a panic in host code cannot poison it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the scheduler with a request that causes no action.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&mut Scheduler<NodeId>, Duration) -> T) -> T {
        let mut state = self.lock();
        ask(&mut state.scheduler, self.now())
    }
}

/// The claims of one session, for its view.
#[derive(Clone)]
pub(crate) struct SessionClaims {
    pub(crate) schedule: Arc<Schedule>,
    pub(crate) session: SessionId,
}

impl ClaimTable for SessionClaims {
    fn claim(&self, space: &SpaceId, key: &[u8; KEY_LEN]) -> bool {
        self.schedule.ask(|scheduler, now| scheduler.claim(self.session, space, key, now))
    }

    fn claim_range(&self, space: &SpaceId, range: &VersionRange) -> bool {
        self.schedule.ask(|scheduler, now| scheduler.claim_range(self.session, space, range, now))
    }

    fn expect_unoffered(&self, space: &SpaceId, records: &Unoffered) {
        self.schedule
            .ask(|scheduler, now| scheduler.expect_unoffered(self.session, space, records, now));
    }

    fn deliver(&self, space: &SpaceId, records: &[Delivered]) {
        self.schedule.ask(|scheduler, now| scheduler.deliver(self.session, space, records, now));
    }

    fn has_refused(&self, space: &SpaceId, key: &[u8; KEY_LEN]) -> bool {
        self.schedule.ask(|scheduler, now| scheduler.has_refused(self.session, space, key, now))
    }
}
