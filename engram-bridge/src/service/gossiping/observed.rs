//! The belief log, the run counts and the observer of a service.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::engram::ports::{BeliefUpdateRecord, ConsolidationCacheSource};
use crate::engram::timestamp::Timestamp;
use crate::replica::report::RejectedPattern;
use crate::service::belief_log;
use crate::spaces::observer::{ConsolidationObserver, ConsolidationRun, RunInput};
use crate::spaces::space::Space;

/// Writes the belief log of a service, counts its runs, and calls its observer.
pub(super) struct Observed {
    space: Arc<Space>,
    settings: Mutex<Settings>,
    totals: Mutex<Totals>,
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) observer: Option<Arc<dyn ConsolidationObserver>>,
    pub(super) writes_log: bool,
    /// Whether the service has ended: the updates then belong to the next service.
    pub(super) ended: bool,
}

/// A run of the engine: one snapshot, and the outcome of its submission.
pub(super) struct Run<'r> {
    pub(super) generated_at: Timestamp,
    pub(super) source: ConsolidationCacheSource,
    pub(super) updates: &'r [BeliefUpdateRecord],
    pub(super) rejected: &'r [RejectedPattern],
    pub(super) stored: bool,
}

/// Statistics of one version of the merged view.
#[derive(Clone, Copy, Default)]
struct Totals {
    version: Option<u64>,
    patterns: usize,
    citations: usize,
}

const HELD: &str = "no code panics while it holds this lock";

impl Observed {
    pub(super) fn new(space: Arc<Space>, settings: Settings) -> Self {
        Self { space, settings: Mutex::new(settings), totals: Mutex::default() }
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().expect(HELD)
    }

    /// Leaves the later updates to the next service.
    pub(super) fn end(&self) {
        self.settings().ended = true;
    }

    /// Appends the belief updates since the last call to the log at `path`, unless the log is off,
    /// and passes them to the observer. Returns them. Once the service has ended, leaves them to the
    /// next service and returns none.
    pub(super) fn log(&self, path: &Path) -> Vec<BeliefUpdateRecord> {
        let Settings { observer, writes_log, ended } = self.settings().clone();
        if ended {
            return Vec::new();
        }
        let updates = self.space.collected_updates();
        if writes_log && !updates.is_empty() {
            self.space.note_belief_log(path, belief_log::append(path, &updates));
        }
        if let Some(observer) = observer.filter(|_| !updates.is_empty()) {
            observer.on_updates(&updates);
        }
        updates
    }

    /// Counts a run of the engine, and passes it to the observer.
    pub(super) fn note_run(&self, run: &Run<'_>) {
        let Run { generated_at, source, updates, rejected, stored } = *run;
        let Totals { patterns, citations, .. } = self.totals();
        let now = self.space.now();
        let run = ConsolidationRun::new(&RunInput {
            source,
            generated_at,
            now,
            patterns,
            citations,
            updates,
            refused: rejected.len(),
            stored,
        });
        self.space.note_run(run);
        let observer = self.settings().observer.clone();
        if let Some(observer) = observer {
            observer.on_run(&run);
            if !rejected.is_empty() {
                observer.on_refused(rejected);
            }
        }
    }

    /// The statistics of the current merged view, recounted only if the visible patterns changed.
    fn totals(&self) -> Totals {
        let version = Some(*self.space.view_version().borrow());
        let mut totals = self.totals.lock().expect(HELD);
        if totals.version != version {
            let patterns = self.space.view().patterns;
            let citations = patterns.iter().map(|pattern| pattern.source_episodes.len()).sum();
            *totals = Totals { version, patterns: patterns.len(), citations };
        }
        *totals
    }
}
