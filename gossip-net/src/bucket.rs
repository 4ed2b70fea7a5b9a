//! A token bucket: how much somebody may use in a burst, and how fast more accrues.

use std::time::Duration;

use tokio::time::Instant;

/// How fast something may be used up: so much a second in the long run, and so much at once.
///
/// ```
/// use engram_gossip_net::Rate;
/// const MEBIBYTE: u64 = 1 << 20;
/// let rate = Rate { per_second: 8 * MEBIBYTE, burst: 64 * MEBIBYTE };
/// assert!(rate.per_second < Rate::UNLIMITED.per_second);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What accrues in a second; at least one.
    pub per_second: u64,
    /// What may have accrued at most; at least one.
    pub burst: u64,
}

impl Rate {
    /// No limit at all.
    pub const UNLIMITED: Self = Self { per_second: u64::MAX, burst: u64::MAX };

    /// How long it takes until `amount` has accrued.
    fn time_for(self, amount: u64) -> Duration {
        let nanos = u128::from(amount) * NANOS / u128::from(self.per_second.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(LONGEST)
    }

    /// How much accrues in `time`, up to the burst.
    fn amount_in(self, time: Duration) -> u64 {
        let amount = time.as_nanos().saturating_mul(self.per_second.into()) / NANOS;
        u64::try_from(amount).unwrap_or(u64::MAX).min(self.burst)
    }
}

const NANOS: u128 = 1_000_000_000;
/// No debt and no burst is counted beyond this, so that times stay far from their end.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What has accrued at a [`Rate`] and was not used yet. It may be overdrawn: what a session takes is
/// known only at its end, so it is charged then, and nothing more is granted until it has accrued.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    rate: Rate,
    /// When the bucket was empty, or will be, had nothing been or were nothing to be taken since.
    empty_at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, empty_at: before(now, rate.time_for(rate.burst)) }
    }

    /// Lets more accrue at another rate from now on. What has accrued, or is owed, stays.
    pub(crate) fn set_rate(&mut self, rate: Rate, now: Instant) {
        let owed = Rate { burst: u64::MAX, ..self.rate }
            .amount_in(self.empty_at.saturating_duration_since(now));
        self.empty_at = match owed {
            0 => before(now, rate.time_for(self.level(now).min(rate.burst))),
            owed => now + rate.time_for(owed),
        };
        self.rate = rate;
    }

    /// What could be taken now.
    pub(crate) fn level(&self, now: Instant) -> u64 {
        self.rate.amount_in(now.saturating_duration_since(self.empty_at))
    }

    /// When nothing is owed any more.
    pub(crate) fn solvent_at(&self) -> Instant {
        self.empty_at
    }

    /// Takes one token, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let granted = self.level(now) >= 1;
        if granted {
            self.charge(1, now);
        }
        granted
    }

    /// Takes `amount` whether it is there or not; what is missing is owed.
    pub(crate) fn charge(&mut self, amount: u64, now: Instant) {
        let full_since = before(now, self.rate.time_for(self.rate.burst));
        self.empty_at = self.empty_at.max(full_since) + self.rate.time_for(amount);
    }
}

/// A clock that began less than `time` ago is taken to have begun `now`.
fn before(now: Instant, time: Duration) -> Instant {
    now.checked_sub(time).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn start() -> Instant {
        Instant::now() + LONGEST * 2
    }

    #[test]
    fn a_burst_is_granted_then_as_much_as_accrues() {
        let start = start();
        let mut bucket = TokenBucket::new(Rate { per_second: 10, burst: 3 }, start);
        let granted =
            |bucket: &mut TokenBucket, at: Instant| (0..10).filter(|_| bucket.take(at)).count();
        assert_eq!(granted(&mut bucket, start), 3);
        assert_eq!(granted(&mut bucket, start + SECOND / 10), 1);
        assert_eq!(granted(&mut bucket, start + SECOND * 3 / 10), 2);
        assert_eq!(granted(&mut bucket, start + SECOND * 100), 3);
    }

    #[test]
    fn what_is_owed_accrues_first() {
        let start = start();
        let mut bucket = TokenBucket::new(Rate { per_second: 100, burst: 200 }, start);
        bucket.charge(500, start);
        assert_eq!(bucket.solvent_at(), start + SECOND * 3);
        assert_eq!(bucket.level(start + SECOND * 2), 0);
        assert_eq!(bucket.level(start + SECOND * 4), 100);
        assert_eq!(bucket.level(start + SECOND * 40), 200);
    }

    #[test]
    fn another_rate_keeps_what_accrued_and_what_is_owed() {
        let start = start();
        let mut bucket = TokenBucket::new(Rate { per_second: 100, burst: 200 }, start);
        bucket.set_rate(Rate { per_second: 10, burst: 1000 }, start);
        assert_eq!(bucket.level(start), 200);
        bucket.charge(300, start);
        assert_eq!(bucket.solvent_at(), start + SECOND * 10);
        bucket.set_rate(Rate { per_second: 50, burst: 10 }, start);
        assert_eq!(bucket.solvent_at(), start + SECOND * 2);
    }

    #[test]
    fn without_a_limit_nothing_is_ever_owed() {
        let start = start();
        let mut bucket = TokenBucket::new(Rate::UNLIMITED, start);
        bucket.charge(u64::MAX / 2, start);
        assert!(bucket.solvent_at() <= start && bucket.take(start));
    }

    proptest! {
        /// Whatever is asked for and when: no more is granted than the burst and what accrued.
        #[test]
        fn never_more_than_the_burst_and_what_accrued(
            per_second in 1_u64..1_000_000,
            burst in 1_u64..1_000_000,
            asked in proptest::collection::vec((0_u64..2_000, 0_u64..1_000_000), 1..100),
        ) {
            let start = start();
            let mut bucket = TokenBucket::new(Rate { per_second, burst }, start);
            let (mut now, mut granted) = (start, 0_u128);
            for (pause, amount) in asked {
                now += Duration::from_millis(pause);
                let amount = amount.min(bucket.level(now));
                bucket.charge(amount, now);
                granted += u128::from(amount);
            }
            let accrued = now.duration_since(start).as_nanos() * u128::from(per_second) / NANOS;
            // Times are whole nanoseconds, so a token is off by at most one step of rounding each.
            prop_assert!(granted <= u128::from(burst) + accrued + 100, "{granted}");
        }
    }
}
