//! Planned tasks and their times.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

/// Holds each task at most once, ordered by time, then by task.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    times: BTreeMap<T, Duration>,
    order: BTreeSet<(Duration, T)>,
}

impl<T: Copy + Ord> Agenda<T> {
    pub(super) const fn new() -> Self {
        Self { times: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// Schedules `task` for `at`; replaces the time for which it was scheduled before.
    pub(super) fn set(&mut self, task: T, at: Duration) {
        if let Some(before) = self.times.insert(task, at) {
            if before == at {
                return;
            }
            self.order.remove(&(before, task));
        }
        self.order.insert((at, task));
    }

    pub(super) fn cancel(&mut self, task: T) {
        if let Some(at) = self.times.remove(&task) {
            self.order.remove(&(at, task));
        }
    }

    pub(super) fn is_planned(&self, task: T) -> bool {
        self.times.contains_key(&task)
    }

    /// The time of the next task.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes the next task that is due at `now`.
    pub(super) fn pop(&mut self, now: Duration) -> Option<T> {
        let (at, task) = *self.order.first().filter(|(at, _)| *at <= now)?;
        self.order.remove(&(at, task));
        self.times.remove(&task);
        Some(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_due_once_at_its_last_time() {
        let second = Duration::from_secs;
        let mut agenda = Agenda::new();
        for (task, at) in [("a", 3), ("b", 2), ("c", 1), ("a", 1), ("b", 4)] {
            agenda.set(task, second(at));
        }
        agenda.cancel("c");
        assert_eq!(agenda.next_at(), Some(second(1)));
        assert_eq!((agenda.pop(second(3)), agenda.pop(second(3))), (Some("a"), None));
        assert_eq!(agenda.pop(second(4)), Some("b"));
        assert_eq!(agenda.next_at(), None);
    }
}
