//! The pauses between dials.

use core::time::Duration;

use super::Random;

/// Exponential pauses with jitter, so that nodes that failed together do not return together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    doublings: u32,
}

impl Backoff {
    /// Number of consecutive failures.
    pub(super) fn failures(self) -> u32 {
        self.failures
    }

    /// Notes a failure and returns the pause after it: half of the pause is fixed, half is random.
    pub(super) fn fail(&mut self, min: Duration, max: Duration, random: &mut Random) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let full = min.saturating_mul(1 << self.doublings).min(max);
        self.doublings = (self.doublings + 1).min(MAX_DOUBLINGS);
        full / 2 + random.duration(full / 2)
    }

    /// Notes a failure that does not lengthen later pauses, and returns the pause after it.
    pub(super) fn fail_soon(&mut self, pause: Duration, random: &mut Random) -> Duration {
        self.failures = self.failures.saturating_add(1);
        pause / 2 + random.duration(pause / 2)
    }

    /// Forgets all failures.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

const MAX_DOUBLINGS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap() {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(60));
        let (mut backoff, mut random) = (Backoff::default(), Random::new(1));
        for full in [1, 2, 4, 8, 16, 32, 60, 60] {
            let pause = backoff.fail(min, max, &mut random);
            let full = Duration::from_secs(full);
            assert!(full / 2 <= pause && pause < full, "{pause:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.fail(min, max, &mut random) < min);
    }

    #[test]
    fn a_thousand_failures_overflow_nothing() {
        let day = Duration::from_secs(86_400);
        let (mut backoff, mut random) = (Backoff::default(), Random::new(1));
        assert!((0..1000).all(|_| backoff.fail(day, day, &mut random) <= day));
        assert_eq!(backoff.failures(), 1000);
    }
}
