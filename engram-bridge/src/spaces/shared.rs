//! The parts of a node that all of its spaces share.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};

use engram_gossip_net::NodeId;
use engram_gossip_proto::Greeting;
use engram_vclock::{ClockFault, HybridClock};
use tokio::sync::{broadcast, watch};

use crate::durable::journal::Journal;
use crate::durable::storage::StateStore;
use crate::engram::timestamp::Timestamp;
use crate::replica::caps::{Caps, Usage};
use crate::replica::clocks::{ClockWatch, is_ahead};
use crate::replica::environment::{Clock, nanoseconds};
use crate::replica::issuer::{BUILT_AT, DotIssuer};
use crate::replica::members::Members;
use crate::replica::record::Record;
use crate::spaces::event::{STATE_EVENT_QUEUE, StateEvent};
use crate::spaces::stats::WriteStats;

/// The shared parts of one store.
pub(crate) struct Shared {
    pub(crate) clock: Arc<Clock>,
    pub(crate) caps: Caps,
    pub(crate) journal: Journal,
    issuer: Mutex<DotIssuer>,
    stats: Mutex<WriteStats>,
    usage: Mutex<Usage>,
    members: Mutex<Arc<Members>>,
    clocks: Mutex<ClockWatch>,
    /// The greatest version of this node, and the latest time, in the greetings of peers.
    greeted: (AtomicU64, AtomicU64),
    local_changes: watch::Sender<u64>,
    view_changes: watch::Sender<u64>,
    events: broadcast::Sender<StateEvent>,
}

const HELD: &str = "no code panics while it holds this lock";

impl Shared {
    pub(crate) fn new(
        clock: Arc<Clock>,
        caps: Caps,
        issuer: DotIssuer,
        stored: Option<Arc<dyn StateStore>>,
        usage: Usage,
    ) -> Self {
        let own = issuer.replaced().iter().copied().chain([*issuer.node()]);
        let members = Arc::new(Members::new([], own));
        let events = broadcast::Sender::new(STATE_EVENT_QUEUE);
        let storage = events.clone();
        let on_state = move |failure| {
            // The event is lost if there is no subscriber.
            _ = storage.send(StateEvent::Storage { failure });
        };
        Self {
            clock,
            caps,
            journal: Journal::new(stored, on_state),
            issuer: Mutex::new(issuer),
            stats: Mutex::default(),
            usage: Mutex::new(usage),
            members: Mutex::new(members),
            clocks: Mutex::default(),
            greeted: (AtomicU64::new(0), AtomicU64::new(0)),
            local_changes: watch::Sender::new(0),
            view_changes: watch::Sender::new(0),
            events,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Locks the issuer of dots. The lock is held while changes are planned, never during a commit, and is
    /// taken before the lock on the state of a space.
    pub(crate) fn issuer(&self) -> MutexGuard<'_, DotIssuer> {
        self.issuer.lock().expect(HELD)
    }

    pub(crate) fn members(&self) -> Arc<Members> {
        Arc::clone(&self.members.lock().expect(HELD))
    }

    pub(crate) fn set_members(&self, members: Arc<Members>) {
        *self.members.lock().expect(HELD) = members;
    }

    pub(crate) fn usage(&self) -> Usage {
        *self.usage.lock().expect(HELD)
    }

    /// Replaces the contribution of one space to the usage of the node.
    pub(crate) fn replace_usage(&self, before: Usage, after: Usage) {
        self.usage.lock().expect(HELD).replace(before, after);
    }

    /// The statistics of writes. Does not wait for writers.
    pub(crate) fn stats(&self) -> WriteStats {
        let stats = self.stats.lock().expect(HELD).clone();
        let Some(store) = self.journal.store() else {
            return WriteStats { clock_fault: self.clock_fault(), ..stats };
        };
        let (usage, figures) = (store.usage(), self.journal.figures());
        WriteStats {
            clock_fault: self.clock_fault(),
            commits: figures.commits,
            commit_time: figures.commit_time,
            storage_failures: figures.failures,
            storage_failure: figures.failure,
            stored_bytes: usage.bytes,
            stored_records: usage.records,
            ..stats
        }
    }

    /// A fault in this machine's clock, if the release date or the greetings of peers reveal one.
    fn clock_fault(&self) -> Option<ClockFault> {
        let mut hybrid = HybridClock::new(BUILT_AT);
        match self.greeted.1.load(Relaxed) {
            0 => {}
            told => hybrid.hear(told),
        }
        hybrid.fault(nanoseconds(self.now()))
    }

    pub(crate) fn count(&self, count: impl FnOnce(&mut WriteStats)) {
        count(&mut self.stats.lock().expect(HELD));
    }

    /// Processes the greeting of a peer without waiting for a writer; the next writer uses it. Ignores an implausible
    /// version or time immediately, so that it does not hide a plausible one from another peer.
    pub(crate) fn greeted(&self, greeting: Greeting) {
        if self.is_plausible(greeting.known) {
            self.greeted.0.fetch_max(greeting.known, Relaxed);
        }
        if self.is_plausible(greeting.clock) {
            self.greeted.1.fetch_max(greeting.clock, Relaxed);
        }
    }

    /// Passes the greatest version and time of all greetings to the issuer.
    pub(crate) fn pass_greetings(&self, issuer: &mut DotIssuer) {
        issuer.greeted(self.greeted.0.load(Relaxed), self.greeted.1.load(Relaxed));
    }

    /// Records and reports members whose versions in a received record are ahead of this node's clock.
    pub(crate) fn watch_clocks(&self, arrived: &Record) {
        let now = nanoseconds(self.now());
        let entries = arrived.siblings.context().iter();
        for (node, version) in entries.filter(|(_, version)| is_ahead(*version, now)) {
            let mut clocks = self.clocks.lock().expect(HELD);
            if self.members().contains(node) && clocks.on_ahead(node) {
                let members = clocks.ahead();
                self.count(|stats| stats.members_ahead = members);
                let (node, ahead) = (NodeId::from(*node), version - now);
                self.publish(StateEvent::ClockAhead { node, ahead });
            }
        }
    }

    /// Records a member whose versions were refused as implausible.
    pub(crate) fn note_implausible(&self, node: &NodeId) {
        if !self.members().contains(node.as_bytes()) {
            return;
        }
        let mut clocks = self.clocks.lock().expect(HELD);
        clocks.on_refused(node.as_bytes());
        let refused = clocks.refused();
        self.count(|stats| stats.implausible_members = refused);
    }

    /// Whether a version, of this or another node, is plausible now.
    pub(crate) fn is_plausible(&self, version: u64) -> bool {
        HybridClock::new(BUILT_AT).is_plausible(version, nanoseconds(self.now()))
    }

    /// Counts a change by this node itself, which is then announced to its peers.
    pub(crate) fn note_local_change(&self) {
        self.local_changes.send_modify(|changes| *changes += 1);
    }

    pub(crate) fn local_changes(&self) -> watch::Receiver<u64> {
        self.local_changes.subscribe()
    }

    /// Counts a change to the visible patterns of a space.
    pub(crate) fn note_view_change(&self) {
        self.view_changes.send_modify(|changes| *changes += 1);
    }

    pub(crate) fn view_changes(&self) -> watch::Receiver<u64> {
        self.view_changes.subscribe()
    }

    pub(crate) fn publish(&self, event: StateEvent) {
        // The event is lost if there is no subscriber.
        _ = self.events.send(event);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<StateEvent> {
        self.events.subscribe()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("caps", &self.caps).finish_non_exhaustive()
    }
}
