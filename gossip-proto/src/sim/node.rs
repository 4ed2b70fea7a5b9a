//! One simulated node.

use core::cell::{Cell, RefCell};
use core::time::Duration;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::vec::Vec;

use super::Host;
use crate::schedule::{ClaimTable, ClaimingView, Delivered, Scheduler, SessionId};
use crate::{KEY_LEN, SpaceId, Summary, Unoffered, VersionRange};

/// A node: its host, its scheduler, and the state of its transport.
pub(super) struct Node<H> {
    pub(super) host: H,
    pub(super) scheduler: Rc<RefCell<Scheduler<usize>>>,
    pub(super) up: bool,
    /// Counts crashes, so that events of an earlier run do not affect a later one.
    pub(super) run: u32,
    /// The time by which the node's clock is ahead of the world's.
    pub(super) skew: Duration,
    /// The time by the node's own clock when it was last read.
    pub(super) clock: Rc<Cell<Duration>>,
    pub(super) spaces: Vec<SpaceId>,
    /// The roots when the world last counted them.
    pub(super) roots: Vec<[u8; 32]>,
    /// Number of records when the world last counted the roots.
    pub(super) records: u64,
    /// The next wake-up of the scheduler.
    pub(super) wake_at: Option<Duration>,
    /// The run of the peer at the other end of each connection.
    pub(super) links: BTreeMap<usize, u32>,
    /// The running dials, by peer.
    pub(super) dials: BTreeMap<usize, u64>,
    /// The contacts that wait to be accepted, by peer.
    pub(super) incoming: BTreeMap<usize, u64>,
}

/// The view of a session in the simulation.
pub(super) type SessionView<H> = ClaimingView<<H as Host>::View, SessionClaims>;

/// Forwards the claims of one session to the scheduler of its node.
pub(super) struct SessionClaims {
    scheduler: Rc<RefCell<Scheduler<usize>>>,
    session: SessionId,
    clock: Rc<Cell<Duration>>,
}

impl ClaimTable for SessionClaims {
    fn claim(&self, space: &SpaceId, key: &[u8; KEY_LEN]) -> bool {
        self.scheduler.borrow_mut().claim(self.session, space, key, self.clock.get())
    }

    fn claim_range(&self, space: &SpaceId, range: &VersionRange) -> bool {
        self.scheduler.borrow_mut().claim_range(self.session, space, range, self.clock.get())
    }

    fn expect_unoffered(&self, space: &SpaceId, records: &Unoffered) {
        let mut scheduler = self.scheduler.borrow_mut();
        scheduler.expect_unoffered(self.session, space, records, self.clock.get());
    }

    fn deliver(&self, space: &SpaceId, records: &[Delivered]) {
        self.scheduler.borrow_mut().deliver(self.session, space, records, self.clock.get());
    }

    fn has_refused(&self, space: &SpaceId, key: &[u8; KEY_LEN]) -> bool {
        self.scheduler.borrow().has_refused(self.session, space, key, self.clock.get())
    }
}

impl<H: Host> Node<H> {
    pub(super) fn new(host: H, scheduler: Scheduler<usize>) -> Self {
        Self {
            spaces: host.spaces(),
            host,
            scheduler: Rc::new(RefCell::new(scheduler)),
            up: true,
            run: 0,
            skew: Duration::ZERO,
            clock: Rc::default(),
            roots: Vec::new(),
            records: 0,
            wake_at: None,
            links: BTreeMap::new(),
            dials: BTreeMap::new(),
            incoming: BTreeMap::new(),
        }
    }

    /// Stops the node, and drops the state of its transport.
    pub(super) fn fall(&mut self) {
        self.up = false;
        self.run += 1;
        self.wake_at = None;
        self.links.clear();
        self.dials.clear();
        self.incoming.clear();
    }

    /// Sets the node's clock from the world's time `now`, and returns the node's time.
    pub(super) fn read_clock(&self, now: Duration) -> Duration {
        self.clock.set(now + self.skew);
        self.clock.get()
    }

    pub(super) fn summaries(&self) -> Vec<(SpaceId, Summary)> {
        let summary = |space: &SpaceId| (space.clone(), self.host.summary(space));
        self.spaces.iter().map(summary).collect()
    }

    /// Pins every hosted space for one session.
    pub(super) fn pin(&self, session: SessionId) -> Vec<(SpaceId, SessionView<H>)> {
        let pin = |space: &SpaceId| {
            let (scheduler, clock) = (self.scheduler.clone(), self.clock.clone());
            let claims = SessionClaims { scheduler, session, clock };
            (space.clone(), ClaimingView::new(self.host.pin(space), space.clone(), claims))
        };
        self.spaces.iter().map(pin).collect()
    }
}
