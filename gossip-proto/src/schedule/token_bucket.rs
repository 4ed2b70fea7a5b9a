//! A token bucket: holds at most a burst, and refills at a rate.

use core::time::Duration;

/// A rate of use: the amount per second in the long run, and the maximum amount at once.
///
/// ```
/// use engram_gossip_proto::schedule::Rate;
/// const MEBIBYTE: u64 = 1 << 20;
/// let rate = Rate { per_second: 8 * MEBIBYTE, burst: 64 * MEBIBYTE };
/// assert!(rate.per_second < Rate::UNLIMITED.per_second);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Amount that accrues per second; at least one.
    pub per_second: u64,
    /// Maximum accrued amount; at least one.
    pub burst: u64,
}

impl Rate {
    /// An unlimited rate.
    pub const UNLIMITED: Self = Self { per_second: u64::MAX, burst: u64::MAX };

    /// The time in which `amount` accrues.
    fn time_for(self, amount: u64) -> Duration {
        let nanos = u128::from(amount) * NANOS / u128::from(self.per_second.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(LONGEST)
    }

    /// The amount that accrues in `time`, up to the burst.
    fn amount_in(self, time: Duration) -> u64 {
        let amount = time.as_nanos().saturating_mul(self.per_second.into()) / NANOS;
        u64::try_from(amount).unwrap_or(u64::MAX).min(self.burst)
    }
}

const NANOS: u128 = 1_000_000_000;
/// Maximum time to accrue a burst or to pay back one charge, so that times do not overflow.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The amount that has accrued at a [`Rate`] and has not been used.
///
/// It may be overdrawn: the usage of a session is known only at its end, so it is charged then, and
/// nothing more is granted until the debt is paid back.
///
/// Times are counted from [`LONGEST`] before the driver's time zero, so that a bucket can be full
/// at time zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenBucket {
    /// The time at which the bucket was empty, or at which its debt ends, if nothing more is used.
    empty_at: Duration,
}

impl TokenBucket {
    /// A full bucket.
    pub(super) const FULL: Self = Self { empty_at: Duration::ZERO };

    /// Keeps the level, up to the new burst, or the debt, when `next` replaces `rate`.
    pub(super) fn change_rate(&mut self, rate: Rate, next: Rate, now: Duration) {
        let now = shifted(now);
        let unbounded = Rate { burst: u64::MAX, ..rate };
        self.empty_at = match unbounded.amount_in(self.empty_at.saturating_sub(now)) {
            0 => now - next.time_for(self.level_at(rate, now).min(next.burst)),
            owed => now + next.time_for(owed),
        };
    }

    /// The amount available now.
    pub(super) fn level(&self, rate: Rate, now: Duration) -> u64 {
        self.level_at(rate, shifted(now))
    }

    fn level_at(&self, rate: Rate, now: Duration) -> u64 {
        rate.amount_in(now.saturating_sub(self.empty_at))
    }

    /// The time at which the debt ends; it has passed if there is no debt.
    pub(super) fn solvent_at(&self) -> Duration {
        self.empty_at.saturating_sub(LONGEST)
    }

    /// Takes one token, if there is one.
    pub(super) fn take(&mut self, rate: Rate, now: Duration) -> bool {
        let granted = self.level(rate, now) >= 1;
        if granted {
            self.charge(1, rate, now);
        }
        granted
    }

    /// Takes `amount` even if less is available; the rest becomes a debt.
    pub(super) fn charge(&mut self, amount: u64, rate: Rate, now: Duration) {
        let full_since = shifted(now).saturating_sub(rate.time_for(rate.burst));
        self.empty_at = self.empty_at.max(full_since) + rate.time_for(amount);
    }
}

fn shifted(now: Duration) -> Duration {
    now.saturating_add(LONGEST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_granted_then_as_much_as_accrues() {
        let rate = Rate { per_second: 10, burst: 3 };
        let mut bucket = TokenBucket::FULL;
        let mut granted = |at: Duration| (0..10).filter(|_| bucket.take(rate, at)).count();
        assert_eq!(granted(Duration::ZERO), 3);
        assert_eq!(granted(SECOND / 10), 1);
        assert_eq!(granted(SECOND * 3 / 10), 2);
        assert_eq!(granted(SECOND * 100), 3);
    }

    #[test]
    fn debt_is_repaid_before_tokens_are_granted() {
        let rate = Rate { per_second: 100, burst: 200 };
        let mut bucket = TokenBucket::FULL;
        bucket.charge(500, rate, SECOND);
        assert_eq!(bucket.solvent_at(), SECOND * 4);
        assert_eq!(bucket.level(rate, SECOND * 3), 0);
        assert_eq!(bucket.level(rate, SECOND * 5), 100);
        assert_eq!(bucket.level(rate, SECOND * 41), 200);
    }

    #[test]
    fn another_rate_keeps_the_level_and_the_debt() {
        let [first, second] = [(100, 200), (10, 1000)].map(rate);
        let mut bucket = TokenBucket::FULL;
        bucket.change_rate(first, second, SECOND);
        assert_eq!(bucket.level(second, SECOND), 200);
        bucket.charge(300, second, SECOND);
        assert_eq!(bucket.solvent_at(), SECOND * 11);
        bucket.change_rate(second, rate((50, 10)), SECOND);
        assert_eq!(bucket.solvent_at(), SECOND * 3);
    }

    fn rate((per_second, burst): (u64, u64)) -> Rate {
        Rate { per_second, burst }
    }

    #[test]
    fn unlimited_rate_has_no_debt() {
        let mut bucket = TokenBucket::FULL;
        bucket.charge(u64::MAX / 2, Rate::UNLIMITED, SECOND);
        assert!(bucket.solvent_at() <= SECOND && bucket.take(Rate::UNLIMITED, SECOND));
    }

    proptest! {
        #[test]
        fn grants_stay_within_burst_and_accrual(
            per_second in 1_u64..1_000_000,
            burst in 1_u64..1_000_000,
            asked in proptest::collection::vec((0_u64..2_000, 0_u64..1_000_000), 1..100),
        ) {
            let rate = Rate { per_second, burst };
            let mut bucket = TokenBucket::FULL;
            let (mut now, mut granted) = (Duration::ZERO, 0_u128);
            for (pause, amount) in asked {
                now += Duration::from_millis(pause);
                let amount = amount.min(bucket.level(rate, now));
                bucket.charge(amount, rate, now);
                granted += u128::from(amount);
            }
            let accrued = now.as_nanos() * u128::from(per_second) / NANOS;
            // Times are whole nanoseconds, so each grant may be off by a rounding error.
            prop_assert!(granted <= u128::from(burst) + accrued + 100, "{granted}");
        }
    }
}
