//! The queue of events.

use core::time::Duration;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events ordered by time, then by the order in which they were scheduled.
#[derive(Debug)]
pub(super) struct Queue<E> {
    heap: BinaryHeap<Reverse<Slot>>,
    // Events are stored outside the heap, so that they need no `Ord`.
    events: Vec<Option<E>>,
    free: Vec<usize>,
    scheduled: u64,
}

type Slot = (Duration, u64, usize);

impl<E> Queue<E> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), events: Vec::new(), free: Vec::new(), scheduled: 0 }
    }

    pub(super) fn schedule(&mut self, at: Duration, event: E) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[slot] = Some(event);
        self.heap.push(Reverse((at, self.scheduled, slot)));
        self.scheduled += 1;
    }

    /// The time of the next event.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    pub(super) fn pop(&mut self) -> Option<(Duration, E)> {
        let Reverse((at, _, slot)) = self.heap.pop()?;
        self.free.push(slot);
        self.events[slot].take().map(|event| (at, event))
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
