//! First contact: a space whose store is new or has lost rows waits for a peer before it writes.
//!
//! A node that lost its state and whose clock is behind may issue versions below its earlier ones.
//! It therefore waits, for a limited time, until a session reports which of its versions the peers
//! have. A mark in the store records the end of the wait; a node that restarts without this mark
//! waits again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::engram::belief::Cause;
use crate::replica::content::Content;

/// The longest wait, as a multiple of `settle`, the time without progress that ends a wait.
const LONGEST: u32 = 6;

/// Submissions that wait for the first contact of their space.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) contents: BTreeMap<Arc<str>, Content>,
    /// The cause of the latest submission that changed a content.
    pub(crate) cause: Option<Cause>,
}

/// Decides when the first contact of a space is over. The caller passes in the time, measured from
/// an arbitrary fixed instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirstContact {
    settle: Duration,
    began: Duration,
    progress: Duration,
}

impl FirstContact {
    /// Starts the wait of a space at `now`. The wait lasts at most six times `settle`.
    pub(crate) const fn new(settle: Duration, now: Duration) -> Self {
        Self { settle, began: now, progress: now }
    }

    /// Records that an incomplete session that included the space changed this node's state.
    pub(crate) const fn on_progress(&mut self, now: Duration) {
        self.progress = now;
    }

    /// Restarts the wait after the submissions could not be stored.
    pub(crate) const fn restart(&mut self, now: Duration) {
        (self.began, self.progress) = (now, now);
    }

    /// The time at which the wait ends without a complete session.
    pub(crate) fn deadline(&self) -> Duration {
        (self.progress + self.settle).min(self.began + LONGEST * self.settle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_secs(10);

    #[test]
    fn silence_ends_the_wait() {
        let contact = FirstContact::new(SETTLE, Duration::from_secs(5));
        assert_eq!(contact.deadline(), Duration::from_secs(15));
    }

    #[test]
    fn progress_extends_the_wait_up_to_six_times() {
        let mut contact = FirstContact::new(SETTLE, Duration::ZERO);
        contact.on_progress(Duration::from_secs(9));
        assert_eq!(contact.deadline(), Duration::from_secs(19));
        contact.on_progress(Duration::from_secs(55));
        assert_eq!(contact.deadline(), Duration::from_secs(60));
    }
}
