//! Where everything that happens is reported.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::event::{Event, Reader, State};

/// Reports events to the reader of the node's output. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Report {
    reader: Reader,
    shared: Arc<Shared>,
}

struct Shared {
    rejected: AtomicU64,
    replay_done: AtomicBool,
    changed: Notify,
}

impl Report {
    pub(crate) fn new(reader: Reader) -> Self {
        let shared = Shared {
            rejected: AtomicU64::new(0),
            replay_done: AtomicBool::new(false),
            changed: Notify::new(),
        };
        Self { reader, shared: Arc::new(shared) }
    }

    pub(crate) fn say(&self, event: Event) {
        event.print(self.reader);
    }

    /// Whether `now` is worth a line: to a program, whenever anything was counted; to a person, only
    /// if there are other patterns.
    pub(crate) fn is_worth_a_line(&self, said: &State, now: &State) -> bool {
        match self.reader {
            Reader::Program => now != said,
            Reader::Person => (&now.root, now.patterns) != (&said.root, said.patterns),
        }
    }

    /// Counts a line or a pattern of the own data that was left out, and reports it.
    pub(crate) fn reject(&self, event: Event) {
        self.shared.rejected.fetch_add(1, Ordering::Relaxed);
        self.say(event);
    }

    /// How many were left out.
    pub(crate) fn rejected(&self) -> u64 {
        self.shared.rejected.load(Ordering::Relaxed)
    }

    /// The state may have changed.
    pub(crate) fn changed(&self) {
        self.shared.changed.notify_one();
    }

    /// Waits until the state may have changed.
    pub(crate) async fn until_changed(&self) {
        self.shared.changed.notified().await;
    }

    /// All own snapshots have been submitted.
    pub(crate) fn finish_replay(&self) {
        self.shared.replay_done.store(true, Ordering::Relaxed);
        self.changed();
    }

    pub(crate) fn replay_is_done(&self) -> bool {
        self.shared.replay_done.load(Ordering::Relaxed)
    }
}
