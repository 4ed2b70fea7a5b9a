//! Events that repeat.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

/// The time from the first event of an episode to its first count.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// The longest time between two counts.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// Aggregates repeated events: reports the first of an episode immediately, and the number of
/// further ones at intervals of one, two, four and eight minutes, and then every fifteen minutes. If
/// no further event arrives before the next count is due, the episode ends.
///
/// The caller passes in the time, measured from an arbitrary fixed instant.
#[derive(Debug)]
pub(super) struct Episodes<K> {
    running: BTreeMap<K, Episode>,
}

#[derive(Debug)]
struct Episode {
    /// The time of the next count.
    due: Duration,
    /// The time between the last line and that count.
    pause: Duration,
    /// Events since the last line.
    repeats: u64,
}

impl<K: Ord + Clone> Episodes<K> {
    pub(super) const fn new() -> Self {
        Self { running: BTreeMap::new() }
    }

    /// Records an event. Returns whether it begins an episode and must be reported.
    pub(super) fn begins(&mut self, kind: K, now: Duration) -> bool {
        if let Some(episode) = self.running.get_mut(&kind) {
            episode.repeats += 1;
            return false;
        }
        let episode = Episode { due: now + FIRST_PAUSE, pause: FIRST_PAUSE, repeats: 0 };
        self.running.insert(kind, episode);
        true
    }

    /// The kinds that have a running episode.
    pub(super) fn running(&self) -> impl Iterator<Item = &K> {
        self.running.keys()
    }

    /// Whether a kind has a running episode.
    pub(super) fn is_running(&self, kind: &K) -> bool {
        self.running.contains_key(kind)
    }

    /// Returns the kinds whose counts are due, each with the number of events since it was last reported. The episode
    /// of a kind without such events ends.
    pub(super) fn due(&mut self, now: Duration) -> Vec<(K, u64)> {
        self.take(|episode| now >= episode.due, now)
    }

    /// Ends all episodes. Returns the counts that have not been reported yet.
    pub(super) fn finish(&mut self) -> Vec<(K, u64)> {
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
            episode.pause = LONGEST_PAUSE.min(episode.pause * 2);
            episode.due = now + episode.pause;
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
    fn a_quiet_pause_ends_an_episode() {
        let mut episodes = Episodes::new();
        assert!(episodes.begins("full", at(0)));
        assert!(!episodes.begins("full", at(30)));
        assert_eq!(episodes.due(at(60)), [("full", 1)]);
        assert!(!episodes.begins("full", at(179)), "less than two minutes since the last count");
        assert_eq!(episodes.due(at(180)), [("full", 1)]);
        assert_eq!(episodes.due(at(180 + 240)), []);
        assert!(episodes.begins("full", at(421)));
    }

    #[test]
    fn each_kind_has_its_own_episodes() {
        let mut episodes = Episodes::new();
        assert!(episodes.begins("full", at(0)) && episodes.begins("clash", at(50)));
        assert!(!episodes.begins("full", at(51)) && !episodes.begins("clash", at(51)));
        assert_eq!(episodes.due(at(60)), [("full", 1)]);
        assert_eq!(episodes.due(at(110)), [("clash", 1)]);
    }

    #[test]
    fn an_hour_of_events_is_seven_lines() {
        let (mut episodes, mut lines) = (Episodes::new(), 0);
        for tick in 0..3_600 * 5 {
            let now = Duration::from_millis(200 * tick);
            lines += usize::from(episodes.begins("full", now)) + episodes.due(now).len();
        }
        // The first, then after 1, 3, 7, 15, 30 and 45 minutes.
        assert_eq!(lines, 7);
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
