//! The present states of the parts of a node, and the changes that a log must show.

use std::collections::BTreeMap;
use std::time::Duration;

use super::kind::Subject;
use super::level::Level;
use super::notice::Notice;

/// The minimum time between two reports of the same fault.
const PAUSE: Duration = Duration::from_secs(10);

/// The present state of each subject.
#[derive(Debug, Default)]
pub(super) struct States(BTreeMap<Subject, State>);

/// The state of one subject.
#[derive(Debug)]
struct State {
    /// The code and the level of the last notice.
    present: (&'static str, Level),
    /// The code of the last notice that was reported in full.
    reported: &'static str,
    /// The time at which the fault was last reported.
    fault_at: Option<Duration>,
    /// A notice of a fault that is reported when the pause is over, unless the fault ends before then.
    due: Option<Notice>,
}

/// The decision about a notice.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The notice is only counted.
    None,
    /// The notice must be reported.
    Report,
    /// The notice is reported later.
    Later,
}

impl States {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Records a notice about a subject. `begins` is true if the notice is reported anyway. Returns the decision, and
    /// the notice of a fault that ended before it was reported, if there is one.
    pub(super) fn note(
        &mut self,
        subject: Subject,
        notice: &Notice,
        begins: bool,
        now: Duration,
    ) -> (Change, Option<Notice>) {
        let (code, is_fault) = (notice.code(), notice.level() > Level::Info);
        let state = self.0.entry(subject).or_insert_with(|| State {
            present: (code, notice.level()),
            reported: if begins { code } else { "" },
            fault_at: None,
            due: None,
        });
        let before = state.present.0;
        state.present = (code, notice.level());
        let ended = if code == before { None } else { state.due.take() };
        let change = match () {
            () if begins => Change::Report,
            // The log shows the end of each fault whose beginning it shows.
            () if !is_fault && state.fault_at.is_some() && state.reported != code => Change::Report,
            () if !is_fault || code == before => Change::None,
            () if state.fault_at.is_none_or(|at| now >= at + PAUSE) => Change::Report,
            () => Change::Later,
        };
        match change {
            Change::Report => {
                state.reported = code;
                if is_fault {
                    (state.fault_at, state.due) = (Some(now), None);
                }
            }
            Change::Later => state.due = Some(notice.clone()),
            Change::None => {}
        }
        (change, ended)
    }

    /// The code and the level of the present state of a subject.
    pub(super) fn present(&self, subject: &Subject) -> Option<(&'static str, Level)> {
        Some(self.0.get(subject)?.present)
    }

    /// Returns the waiting notices of faults whose pauses are over.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Notice> {
        let due = |state: &mut State| {
            if state.fault_at.is_some_and(|at| now < at + PAUSE) {
                return None;
            }
            let notice = state.due.take()?;
            (state.reported, state.fault_at) = (notice.code(), Some(now));
            Some(notice)
        };
        self.0.values_mut().filter_map(due).collect()
    }

    /// Returns the waiting notices of all faults.
    pub(super) fn finish(&mut self) -> Vec<Notice> {
        self.due(Duration::MAX)
    }
}
