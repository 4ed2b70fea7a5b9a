//! How long to wait before dialling again.

use std::time::Duration;

use fastrand::Rng;

/// Exponential pauses with jitter, so that nodes that failed together do not return together.
#[derive(Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, failures: 0 }
    }

    /// How often in a row dialling failed.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Notes a failure and returns the pause that follows it: half of it is certain, half random.
    pub(crate) fn fail(&mut self, rng: &mut Rng) -> Duration {
        let doublings = self.failures.min(20);
        self.failures = self.failures.saturating_add(1);
        let full = self.min.saturating_mul(1 << doublings).min(self.max);
        full / 2 + jitter(full / 2, rng)
    }

    /// Notes a success.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A random duration below `bound`, or zero if that is zero.
pub(crate) fn jitter(bound: Duration, rng: &mut Rng) -> Duration {
    let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(if nanos == 0 { 0 } else { rng.u64(..nanos) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_start_anew_after_a_success() {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(60));
        let mut backoff = Backoff::new(min, max);
        let mut rng = Rng::with_seed(1);
        for full in [1, 2, 4, 8, 16, 32, 60, 60] {
            let pause = backoff.fail(&mut rng);
            let full = Duration::from_secs(full);
            assert!(full / 2 <= pause && pause < full, "{pause:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.fail(&mut rng) < min);
    }

    #[test]
    fn a_thousand_failures_overflow_nothing() {
        let day = Duration::from_secs(86_400);
        let mut backoff = Backoff::new(day, day);
        let mut rng = Rng::with_seed(1);
        assert!((0..1000).all(|_| backoff.fail(&mut rng) <= day));
        assert_eq!(backoff.failures(), 1000);
    }
}
