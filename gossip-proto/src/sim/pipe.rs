//! One direction of a session's stream.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::schedule::Refusal;

/// A segment of a stream.
#[derive(Clone, Debug)]
pub(super) enum Segment {
    /// A whole frame of the session.
    Frame(Vec<u8>),
    /// The sender has finished this stream.
    End,
    /// The acceptor refuses the session.
    Refused(Refusal),
}

/// The transport of a session's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Like a QUIC stream: frames arrive in order and without gaps. A lost packet is retransmitted;
    /// if its retransmissions fail for `retry_timeout`, the stream fails at both ends.
    Stream {
        /// How long a lost packet is retransmitted.
        retry_timeout: Duration,
    },
    /// Each frame travels separately, and may be lost, duplicated or reordered. No real transport
    /// does this; it tests the sync machine under worse faults.
    Frames,
}

impl Transport {
    /// A stream that gives up after 10 s.
    pub const STREAM: Self = Self::Stream { retry_timeout: Duration::from_secs(10) };

    /// Time until an end notices that the other end is gone.
    pub(super) fn retry_timeout(self) -> Duration {
        match self {
            Self::Stream { retry_timeout } => retry_timeout,
            Self::Frames => Duration::from_secs(10),
        }
    }
}

/// Numbers segments at one end and puts them in order at the other.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    sent: u64,
    received: u64,
    early: BTreeMap<u64, Segment>,
}

impl Pipe {
    /// Returns the number for the next segment, and counts the segment as sent.
    pub(super) fn number(&mut self) -> u64 {
        self.sent += 1;
        self.sent - 1
    }

    /// Accepts a segment, and returns the segments that are now in order.
    pub(super) fn arrive(&mut self, number: u64, segment: Segment) -> Vec<Segment> {
        if number >= self.received {
            self.early.insert(number, segment);
        }
        let mut ready = Vec::new();
        while let Some(segment) = self.early.remove(&self.received) {
            ready.push(segment);
            self.received += 1;
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_leave_in_order_and_once() {
        let mut pipe = Pipe::default();
        let numbers: Vec<_> = (0..3).map(|_| pipe.number()).collect();
        assert_eq!(numbers, [0, 1, 2]);
        assert!(pipe.arrive(1, Segment::End).is_empty());
        assert_eq!(pipe.arrive(0, Segment::End).len(), 2);
        assert!(pipe.arrive(0, Segment::End).is_empty());
        assert_eq!(pipe.arrive(2, Segment::End).len(), 1);
    }
}
