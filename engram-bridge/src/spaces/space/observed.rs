//! The consolidation statistics of a space for metrics, and its changed beliefs for a log.

use std::io;
use std::path::Path;

use super::Space;
use crate::engram::ports::BeliefUpdateRecord;
use crate::engram::timestamp::Timestamp;
use crate::spaces::event::StateEvent;
use crate::spaces::observer::{ConsolidationRun, RunStats};

impl Space {
    /// Statistics of the snapshots that the engine passed to a service since the process started.
    pub fn run_stats(&self) -> RunStats {
        *self.runs.lock().expect("no code panics while it holds this lock")
    }

    pub(crate) fn note_run(&self, run: ConsolidationRun) {
        self.runs.lock().expect("no code panics while it holds this lock").add(run);
    }

    /// Reserves the [`collected_updates`](Self::collected_updates) for a service. Returns `true` if the space has no
    /// other service.
    pub(crate) fn begin_service(&self) -> bool {
        self.state_mut().begin_service()
    }

    /// Keeps the changes to beliefs for the next service.
    pub(crate) fn end_service(&self) {
        self.state_mut().end_service();
    }

    /// The changes to beliefs since the last call, oldest first. The first call returns those since
    /// the node began to host the space. Counts the changes that were dropped because there were too
    /// many.
    pub(crate) fn collected_updates(&self) -> Vec<BeliefUpdateRecord> {
        let (updates, missed) = self.state_mut().take_collected();
        if missed > 0 {
            self.shared.count(|stats| stats.beliefs_missed += missed);
        }
        updates
    }

    /// Records the outcome of a write to the belief log. Reports the first failure and the recovery.
    pub(crate) fn note_belief_log(&self, path: &Path, outcome: io::Result<()>) {
        let failure = outcome.err().map(|error| format!("{}: {error}", path.display()));
        let mut failing = self.log_fails.lock().expect("no code panics while it holds this lock");
        let changed = *failing != failure.is_some();
        *failing = failure.is_some();
        drop(failing);
        if failure.is_some() {
            self.shared.count(|stats| stats.belief_log_failures += 1);
        }
        if changed {
            let space = self.id().clone();
            self.shared.publish(StateEvent::BeliefLog { space, failure });
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.now()
    }
}
