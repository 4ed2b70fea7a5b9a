//! The clock and the randomness of a store.

use std::fmt;
use std::sync::Arc;

use crate::engram::timestamp::Timestamp;

pub(crate) type Clock = dyn Fn() -> Timestamp + Send + Sync;

/// The clock and the randomness of a [`Store`](crate::Store).
pub struct Environment {
    pub(crate) clock: Arc<Clock>,
    pub(crate) random: Box<dyn FnMut() -> u64 + Send>,
}

impl Environment {
    /// Uses `clock` for versions and reports, and `random` for the random part of versions.
    ///
    /// Neither has to be reliable: the versions of a process ascend even if the clock stops, jumps
    /// or runs backwards, and even if random numbers repeat. However, peers refuse versions that
    /// lie years ahead of their own clocks.
    pub fn new(
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
        random: impl FnMut() -> u64 + Send + 'static,
    ) -> Self {
        Self { clock: Arc::new(clock), random: Box::new(random) }
    }

    /// Uses the clock and the randomness of the operating system.
    ///
    /// # Panics
    /// The store panics if the system cannot supply a random number when one is needed.
    pub fn system() -> Self {
        let random = || getrandom::u64().expect("the operating system provides random numbers");
        Self::new(Timestamp::now, random)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

/// Nanoseconds since the Unix epoch; 0 for a time before it.
pub(crate) fn nanoseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanoseconds()).unwrap_or(0)
}
