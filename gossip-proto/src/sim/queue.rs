//! The queue of events.

use core::time::Duration;
use std::collections::BTreeMap;

/// Events ordered by time, then by the order in which they were scheduled.
#[derive(Debug)]
pub(super) struct Queue<E> {
    events: BTreeMap<(Duration, u64), E>,
    scheduled: u64,
}

impl<E> Queue<E> {
    pub(super) fn new() -> Self {
        Self { events: BTreeMap::new(), scheduled: 0 }
    }

    pub(super) fn schedule(&mut self, at: Duration, event: E) {
        self.events.insert((at, self.scheduled), event);
        self.scheduled += 1;
    }

    /// The time of the next event.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn pop(&mut self) -> Option<(Duration, E)> {
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_run_in_time_then_schedule_order() {
        let mut queue = Queue::new();
        for (second, name) in [(3, "d"), (1, "a"), (2, "b"), (2, "c")] {
            queue.schedule(Duration::from_secs(second), name);
        }
        assert_eq!(queue.next_at(), Some(Duration::from_secs(1)));
        assert_eq!(queue.pop(), Some((Duration::from_secs(1), "a")));
        queue.schedule(Duration::ZERO, "now");
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, name)| name).collect();
        assert_eq!(order, ["now", "b", "c", "d"]);
    }
}
