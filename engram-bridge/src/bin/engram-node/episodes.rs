//! Events that repeat.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

/// The shortest time between two lines of one kind, and the quiet time that ends an episode.
const PAUSE: Duration = Duration::from_secs(60);

/// Thins out events that repeat: the first of an episode is reported at once, the further ones as a
/// count, at most once a minute for each kind. A minute without an event ends the episode.
///
/// Time is passed in, counted from any fixed moment.
#[derive(Debug)]
pub(crate) struct Episodes<K> {
    running: BTreeMap<K, Episode>,
}

#[derive(Debug)]
struct Episode {
    /// The time of the last line.
    reported: Duration,
    /// Events since then.
    repeats: u64,
}

impl<K: Ord + Clone> Episodes<K> {
    pub(crate) const fn new() -> Self {
        Self { running: BTreeMap::new() }
    }

    /// Takes note of an event. Returns whether it begins an episode, so that it is to be reported.
    pub(crate) fn begins(&mut self, kind: K, now: Duration) -> bool {
        if let Some(episode) = self.running.get_mut(&kind) {
            episode.repeats += 1;
            return false;
        }
        self.running.insert(kind, Episode { reported: now, repeats: 0 });
        true
    }

    /// The kinds whose counts are due, each with its events since its last line.
    pub(crate) fn due(&mut self, now: Duration) -> Vec<(K, u64)> {
        self.take(|episode| now >= episode.reported + PAUSE, now)
    }

    /// The counts that were not reported yet. Ends all episodes.
    pub(crate) fn finish(&mut self) -> Vec<(K, u64)> {
        let counts = self.take(|_| true, Duration::ZERO);
        self.running.clear();
        counts
    }

    fn take(&mut self, is_due: impl Fn(&Episode) -> bool, now: Duration) -> Vec<(K, u64)> {
        let mut counts = Vec::new();
        self.running.retain(|kind, episode| {
            if !is_due(episode) {
                return true;
            }
            let repeats = mem::take(&mut episode.repeats);
            episode.reported = now;
            if repeats > 0 {
                counts.push((kind.clone(), repeats));
            }
            repeats > 0
        });
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_is_reported_and_others_counted() {
        let mut episodes = Episodes::new();
        assert!(episodes.begins("full", at(0)));
        for second in 1..60 {
            assert!(!episodes.begins("full", at(second)));
            assert_eq!(episodes.due(at(second)), []);
        }
        assert_eq!(episodes.due(at(60)), [("full", 59)]);
        assert_eq!(episodes.due(at(61)), []);
    }

    #[test]
    fn a_quiet_minute_ends_an_episode() {
        let mut episodes = Episodes::new();
        assert!(episodes.begins("full", at(0)));
        assert!(!episodes.begins("full", at(30)));
        assert_eq!(episodes.due(at(60)), [("full", 1)]);
        assert_eq!(episodes.due(at(119)), []);
        assert!(!episodes.begins("full", at(119)), "less than a minute");
        assert_eq!(episodes.due(at(120)), [("full", 1)]);
        assert_eq!(episodes.due(at(180)), []);
        assert!(episodes.begins("full", at(180)));
    }

    #[test]
    fn kinds_have_episodes_of_their_own() {
        let mut episodes = Episodes::new();
        assert!(episodes.begins("full", at(0)) && episodes.begins("clash", at(50)));
        assert!(!episodes.begins("full", at(51)) && !episodes.begins("clash", at(51)));
        assert_eq!(episodes.due(at(60)), [("full", 1)]);
        assert_eq!(episodes.due(at(110)), [("clash", 1)]);
    }

    #[test]
    fn an_hour_of_events_is_sixty_lines() {
        let (mut episodes, mut lines) = (Episodes::new(), 0);
        for tick in 0..3_600 * 5 {
            let now = Duration::from_millis(200 * tick);
            lines += usize::from(episodes.begins("full", now)) + episodes.due(now).len();
        }
        assert_eq!(lines, 60);
    }

    #[test]
    fn the_end_reports_what_was_counted() {
        let mut episodes = Episodes::new();
        assert!(episodes.begins("full", at(7)) && episodes.begins("clash", at(7)));
        assert!(!episodes.begins("full", at(8)));
        assert_eq!(episodes.finish(), [("full", 1)]);
        assert_eq!(episodes.finish(), []);
    }
}
