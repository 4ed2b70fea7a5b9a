//! Evidence of wrong clocks in the versions that members write.

use std::collections::BTreeSet;

/// The maximum time by which a version may be ahead of this node's clock without being reported: 5
/// minutes, in nanoseconds.
pub const CLOCK_TOLERANCE: u64 = 5 * 60 * 1_000_000_000;

/// Whether a version is ahead of this node's clock by more than [`CLOCK_TOLERANCE`].
pub(crate) const fn is_ahead(version: u64, now: u64) -> bool {
    version.saturating_sub(now) > CLOCK_TOLERANCE
}

/// The members whose versions contradict the clock of this node.
#[derive(Debug, Default)]
pub(crate) struct ClockWatch {
    ahead: BTreeSet<[u8; 32]>,
    refused: BTreeSet<[u8; 32]>,
}

impl ClockWatch {
    /// Records a member whose version is ahead. Returns whether this is its first such version.
    pub(crate) fn on_ahead(&mut self, member: &[u8; 32]) -> bool {
        self.ahead.insert(*member)
    }

    /// Records a member whose versions were refused as implausible.
    pub(crate) fn on_refused(&mut self, member: &[u8; 32]) {
        self.refused.insert(*member);
    }

    /// The number of members that [`on_ahead`](Self::on_ahead) recorded.
    pub(crate) fn ahead(&self) -> u64 {
        self.ahead.len() as u64
    }

    /// The number of members whose versions were refused as implausible.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_ahead_is_reported_once() {
        assert!(is_ahead(CLOCK_TOLERANCE + 8, 7) && !is_ahead(CLOCK_TOLERANCE + 7, 7));
        let mut watch = ClockWatch::default();
        assert_eq!([watch.on_ahead(&[1; 32]), watch.on_ahead(&[1; 32])], [true, false]);
        assert_eq!(watch.ahead(), 1);
    }
}
