//! The increase of a counter within the last hour.

use std::collections::VecDeque;
use std::time::Duration;

/// The period that counts as recent.
pub(crate) const RECENT: Duration = Duration::from_secs(60 * 60);

/// The shortest time between two samples, which limits their number to 61.
const GRAIN: Duration = Duration::from_secs(60);

/// The increase of a counter within the last hour, accurate to a minute. The counter starts at 0. The caller passes in
/// the time, measured from an arbitrary fixed instant.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// Ascending by time and total. All but the first are younger than [`RECENT`].
    samples: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    total: u64,
}

impl Recent {
    /// Records the counter's value.
    pub(crate) fn observe(&mut self, total: u64, now: Duration) {
        match self.samples.back_mut() {
            None if total == 0 => {}
            Some(last) if last.total == total => {}
            Some(last) if now < last.at + GRAIN => last.total = total,
            _ => self.samples.push_back(Sample { at: now, total }),
        }
        while self.samples.get(1).is_some_and(|second| second.at + RECENT <= now) {
            self.samples.pop_front();
        }
    }

    /// The increase within the hour before `now`.
    pub(crate) fn rise(&self, now: Duration) -> u64 {
        let total = self.samples.back().map_or(0, |last| last.total);
        let old = self.samples.iter().rev().find(|sample| sample.at + RECENT <= now);
        total - old.map_or(0, |sample| sample.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    #[test]
    fn a_rise_counts_for_an_hour() {
        let mut recent = Recent::default();
        recent.observe(0, minutes(1));
        assert_eq!(recent.rise(minutes(1)), 0);
        recent.observe(2, minutes(10));
        recent.observe(5, minutes(40));
        assert_eq!(recent.rise(minutes(69)), 5);
        assert_eq!(recent.rise(minutes(70)), 3);
        assert_eq!(recent.rise(minutes(100)), 0);
    }

    #[test]
    fn history_of_a_busy_counter_is_bounded() {
        let mut recent = Recent::default();
        for second in 0..5 * 3_600 {
            recent.observe(second, Duration::from_secs(second));
        }
        assert!(recent.samples.len() <= 61, "{}", recent.samples.len());
        let rise = recent.rise(Duration::from_secs(5 * 3_600 - 1));
        assert!((3_540..=3_660).contains(&rise), "{rise}");
    }

    #[test]
    fn an_old_rise_stays_the_base_of_a_new_one() {
        let mut recent = Recent::default();
        recent.observe(7, minutes(0));
        recent.observe(8, minutes(500));
        assert_eq!(recent.rise(minutes(500)), 1);
    }
}
