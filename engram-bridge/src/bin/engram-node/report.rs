//! Reports events to the reader of the node's output.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engram_bridge::Timestamp;
use engram_bridge::snapshot_file::RejectedLine;
use serde_json::Value;
use tokio::sync::Notify;

use crate::event::{Event, Reader, State};
use crate::notice;
use crate::output::Output;
use engram_bridge::notices::Notice;
use engram_bridge::notices::Repeats;

/// Reports events to the reader of the node's output. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Report {
    shared: Arc<Shared>,
}

struct Shared {
    node: String,
    reader: Reader,
    /// Whether each session is reported.
    sessions: bool,
    output: Output,
    started: Instant,
    repeats: Mutex<Repeats>,
    rejected: AtomicU64,
    replay_done: AtomicBool,
    changed: Notify,
}

impl Report {
    /// Creates a report for the node called `node`.
    pub(crate) fn new(node: &str, reader: Reader, sessions: bool) -> Self {
        let output = match reader {
            Reader::Program => Output::to(io::stdout()),
            Reader::Person => Output::to(io::stderr()),
        };
        let shared = Shared {
            node: node.to_owned(),
            reader,
            sessions,
            output,
            started: Instant::now(),
            repeats: Mutex::new(Repeats::new()),
            rejected: AtomicU64::new(0),
            replay_done: AtomicBool::new(false),
            changed: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Reports an event; ignores a session unless each session is reported. Never waits for the
    /// reader.
    pub(crate) fn say(&self, event: &Event) {
        if matches!(event, Event::Session(_)) && !self.shared.sessions {
            return;
        }
        let line = |event: &Event| event.line(self.shared.reader, &self.shared.node, now());
        self.shared.output.line(line(event), |count| line(&Event::EventsLost { count }));
    }

    /// The event in its JSON form.
    pub(crate) fn json(&self, event: &Event) -> Value {
        event.json(&self.shared.node, now())
    }

    /// Reports a notice now, later, or only as part of a count: see [`Repeats`].
    pub(crate) fn notify(&self, notice: Notice) {
        if self.repeats().begins(&notice, self.elapsed()) {
            self.say(&Event::Notice(notice));
        }
    }

    /// Reports the faults and the counts of repeated notices that are due.
    pub(crate) fn tell_repeats(&self) {
        let due = self.repeats().due(self.elapsed());
        due.into_iter().for_each(|due| self.say(&Event::from(due)));
    }

    /// Reports the pending faults and counts, then the last event, and waits briefly for the
    /// reader.
    pub(crate) fn finish(&self, last: &Event) {
        let due = self.repeats().finish();
        due.into_iter().for_each(|due| self.say(&Event::from(due)));
        self.say(last);
        self.shared.output.flush();
    }

    fn repeats(&self) -> MutexGuard<'_, Repeats> {
        self.shared.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elapsed(&self) -> Duration {
        self.shared.started.elapsed()
    }

    /// Whether to report `now`: on any change if sessions are reported; otherwise only if the root,
    /// the number of patterns, or the progress of submitting this node's own data changed.
    pub(crate) fn is_worth_a_line(&self, said: &State, now: &State) -> bool {
        let shown = |state: &State| {
            (state.root.clone(), state.patterns, state.waiting, state.rejected, state.replay_done)
        };
        if self.shared.sessions { now != said } else { shown(now) != shown(said) }
    }

    /// Counts a line or a pattern of this node's data that was left out, and reports it.
    pub(crate) fn reject(&self, file: &str, left_out: RejectedLine) {
        let RejectedLine { line, pattern, reason } = left_out;
        self.shared.rejected.fetch_add(1, Ordering::Relaxed);
        self.notify(notice::rejected_line(file, Some(line), pattern, &reason));
    }

    /// The number of lines and patterns left out.
    pub(crate) fn rejected(&self) -> u64 {
        self.shared.rejected.load(Ordering::Relaxed)
    }

    /// Signals that the state may have changed.
    pub(crate) fn changed(&self) {
        self.shared.changed.notify_one();
    }

    /// Waits until the state may have changed.
    pub(crate) async fn until_changed(&self) {
        self.shared.changed.notified().await;
    }

    /// Notes that the initial submission of this node's snapshots is over.
    pub(crate) fn finish_replay(&self) {
        self.shared.replay_done.store(true, Ordering::Relaxed);
        self.changed();
    }

    pub(crate) fn replay_is_done(&self) -> bool {
        self.shared.replay_done.load(Ordering::Relaxed)
    }
}

fn now() -> Timestamp {
    Timestamp::now()
}
