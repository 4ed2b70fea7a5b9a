//! Notices that repeat.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::episodes::Episodes;
use super::kind::Kind;
use super::level::Level;
use super::notice::Notice;
use super::states::{Change, States};

/// The maximum number of causes, for each event, peer and space, that have separate episodes at the same time. All
/// further causes share one episode.
const MAX_CAUSES: usize = 16;

/// Further notices of a kind that was reported before. They print as one line of text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repeated {
    #[serde(flatten)]
    kind: Kind,
    count: u64,
    /// The code of the last notice about the same subject: its present state.
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<&'static str>,
    #[serde(skip)]
    level: Level,
}

impl Repeated {
    /// Creates a count of `count` notices of a kind, with the code and the level of the present state of their subject.
    pub fn new(kind: Kind, count: u64, now: Option<(&'static str, Level)>) -> Self {
        let level = now.map_or(kind.level, |(_, level)| level);
        Self { kind, count, now: now.map(|(code, _)| code), level }
    }

    /// The severity of the present state of the subject; without a subject, that of the notices.
    pub fn level(&self) -> Level {
        self.level
    }
}

/// A line that is reported later than the notices that it describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// A fault that began shortly after the same fault was reported.
    Fault(Notice),
    /// A count of notices.
    Repeated(Repeated),
}

impl fmt::Display for Repeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind: Kind { of, reason, peer, space, .. }, count, now, .. } = self;
        write!(f, "{count} more {of}")?;
        for detail in [peer, space, reason].into_iter().flatten() {
            write!(f, ": {detail}")?;
        }
        now.iter().try_for_each(|now| write!(f, "; now {now}"))
    }
}

/// Decides which notices are reported, and counts the others: the first of a kind is reported immediately, and the
/// number of further ones at intervals of one, two, four and eight minutes, and then every fifteen minutes. If no further
/// notice of the kind arrives before the next count is due, the episode ends.
///
/// The beginning of a fault that a later notice ends, such as a full disk, is reported at most once every ten seconds,
/// and the end of each reported fault is always reported. The last line about such a fault is therefore at most ten
/// seconds out of date.
///
/// The caller passes in the time, measured from an arbitrary fixed instant.
#[derive(Debug)]
pub struct Repeats {
    episodes: Episodes<Kind>,
    states: States,
}

impl Default for Repeats {
    fn default() -> Self {
        Self::new()
    }
}

impl Repeats {
    /// Creates an instance without episodes.
    #[must_use]
    pub const fn new() -> Self {
        Self { episodes: Episodes::new(), states: States::new() }
    }

    /// Records a notice. Returns whether it must be reported now.
    pub fn begins(&mut self, notice: &Notice, now: Duration) -> bool {
        let kind = self.bounded(notice.kind());
        let Some(subject) = kind.subject() else { return self.episodes.begins(kind, now) };
        let begins = !self.episodes.is_running(&kind);
        let (change, ended) = self.states.note(subject, notice, begins, now);
        if let Some(ended) = ended {
            let kind = self.bounded(ended.kind());
            self.episodes.begins(kind, now);
        }
        if begins || change == Change::None {
            self.episodes.begins(kind, now);
        }
        change == Change::Report
    }

    /// Returns the kind itself, or the shared kind of other causes if too many causes have
    /// episodes.
    fn bounded(&self, kind: Kind) -> Kind {
        let causes = || self.episodes.running().filter(|other| other.is_like(&kind)).count();
        if kind.reason.is_none() || self.episodes.is_running(&kind) || causes() < MAX_CAUSES {
            return kind;
        }
        kind.of_other_causes()
    }

    /// Returns the lines that are due.
    pub fn due(&mut self, now: Duration) -> Vec<Due> {
        let (faults, counts) = (self.states.due(now), self.episodes.due(now));
        self.lines(faults, counts)
    }

    /// Ends all episodes, and returns the lines that have not been returned yet.
    pub fn finish(&mut self) -> Vec<Due> {
        let (faults, counts) = (self.states.finish(), self.episodes.finish());
        self.lines(faults, counts)
    }

    fn lines(&self, faults: Vec<Notice>, counts: Vec<(Kind, u64)>) -> Vec<Due> {
        let counts = counts.into_iter().map(|(kind, count)| {
            let now = kind.subject().and_then(|subject| self.states.present(&subject));
            Due::Repeated(Repeated::new(kind, count, now))
        });
        faults.into_iter().map(Due::Fault).chain(counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use engram_gossip_proto::SpaceId;

    use super::*;
    use crate::durable::storage::StorageError;
    use crate::spaces::event::StateEvent;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn bad_line(why: &str) -> Notice {
        Notice::new("rejected", format!("own.jsonl:1: {why}")).caused_by(why)
    }

    fn connection(code: &'static str, peer: &str) -> Notice {
        Notice::peer(code, Level::Info, peer.to_owned(), "a reason".to_owned())
    }

    fn lines(due: &[Due]) -> Vec<String> {
        let line = |due: &Due| match due {
            Due::Fault(notice) => notice.to_string(),
            Due::Repeated(repeated) => repeated.to_string(),
        };
        due.iter().map(line).collect()
    }

    fn disk(is_full: bool) -> Notice {
        let reason = "os error 28".to_owned();
        let full = StorageError::Full { place: "state.redb".to_owned(), reason };
        Notice::storage(is_full.then_some(&full))
    }

    #[test]
    fn each_new_fault_is_reported() {
        let mut repeats = Repeats::new();
        for round in 0..100 {
            for is_full in [true, false] {
                assert!(repeats.begins(&disk(is_full), at(11 * round)), "{round} {is_full}");
            }
            repeats.due(at(11 * round));
        }
        assert!(repeats.begins(&disk(true), at(1_100)));
        assert_eq!(repeats.finish(), []);
    }

    #[test]
    fn a_fault_within_the_pause_is_reported_late() {
        let mut repeats = Repeats::new();
        assert!(repeats.begins(&disk(true), at(0)) && repeats.begins(&disk(false), at(1)));
        // This fault ends before it is reported.
        assert!(!repeats.begins(&disk(true), at(2)) && !repeats.begins(&disk(false), at(3)));
        assert!(!repeats.begins(&disk(true), at(4)) && !repeats.begins(&disk(true), at(5)));
        assert_eq!(repeats.due(at(9)), []);
        assert_eq!(repeats.due(at(10)), [Due::Fault(disk(true))]);
        assert_eq!(repeats.due(at(11)), []);
        assert!(repeats.begins(&disk(false), at(12)), "the end of a reported fault is reported");
        assert!(!repeats.begins(&disk(true), at(13)));
        assert_eq!(repeats.finish()[0], Due::Fault(disk(true)));
    }

    #[test]
    fn a_count_has_the_level_of_the_present_state() {
        let mut repeats = Repeats::new();
        let levels = |due: &[Due]| {
            let level = |due: &Due| match due {
                Due::Fault(notice) => notice.level(),
                Due::Repeated(repeated) => repeated.level(),
            };
            due.iter().map(level).collect::<Vec<_>>()
        };
        for second in 0..3 {
            repeats.begins(&disk(true), at(second));
            repeats.begins(&bad_line("no JSON"), at(second));
        }
        assert_eq!(levels(&repeats.due(at(62))), [Level::Warning, Level::Error]);
        repeats.begins(&disk(true), at(70));
        assert!(repeats.begins(&disk(false), at(71)));
        assert_eq!(levels(&repeats.finish()), [Level::Info]);
    }

    /// The storage of a node fails, its snapshots and the records from two peers are refused, and the sessions
    /// with these peers fail or stall.
    #[test]
    fn full_disk_for_an_hour_logs_under_100_lines() {
        let peers = ["node-b", "node-c"];
        let of_peers = ["session_failed", "stalled", "disconnected", "connected"];
        let (mut repeats, mut lines) = (Repeats::new(), 0);
        for second in 0..3_600 {
            let own = ["snapshot_failed", "record_rejected"];
            let own = own.map(|code| Notice::new(code, "os error 28".to_owned()));
            let of_peers =
                of_peers.iter().flat_map(|code| peers.map(|peer| connection(code, peer)));
            let notices = of_peers.chain(own).chain([disk(true)]);
            lines += notices.filter(|notice| repeats.begins(notice, at(second))).count();
            lines += repeats.due(at(second)).len();
        }
        assert!(lines < 100, "{lines}");
    }

    #[test]
    fn each_cause_begins_an_episode_within_a_bound() {
        let mut repeats = Repeats::new();
        let missing = Notice::new("snapshots_unreadable", "own.jsonl".to_owned());
        assert!(repeats.begins(&missing.caused_by("missing"), at(0)));
        assert!(repeats.begins(&bad_line("no JSON"), at(0)), "the missing file hides the bad line");
        assert!(!repeats.begins(&bad_line("no JSON"), at(1)));
        let causes = (0..1_000).map(|n| bad_line(&format!("cause {n}")));
        let begun = causes.filter(|notice| repeats.begins(notice, at(2))).count();
        assert_eq!(begun, MAX_CAUSES, "15 causes, and one episode for all others");
        let due = lines(&repeats.due(at(62)));
        assert_eq!(due, ["1 more rejected: no JSON", "984 more rejected: other reasons"]);
        assert!(
            repeats.begins(&connection("unreachable", "node-b").caused_by("no answer"), at(63))
        );
        assert!(repeats.begins(&connection("unreachable", "node-b").caused_by("expired"), at(63)));
    }

    #[test]
    fn each_reissued_pattern_is_named() {
        let mut repeats = Repeats::new();
        for id in ["p", "q"] {
            let (space, id) = (SpaceId::new("default").unwrap(), id.into());
            let notice = Notice::of_state(&StateEvent::Reissued { space, id }, |_| String::new());
            assert_eq!(notice.level(), Level::Error, "the alert has the same severity");
            assert!(repeats.begins(&notice, at(0)) && !repeats.begins(&notice, at(1)));
        }
    }

    #[test]
    fn a_repeat_names_the_present_state() {
        let mut repeats = Repeats::new();
        for second in 0..3 {
            for code in ["disconnected", "connected"] {
                assert_eq!(repeats.begins(&connection(code, "node-b"), at(second)), second == 0);
            }
        }
        repeats.begins(&connection("connected", "node-c"), at(3));
        repeats.begins(&connection("disconnected", "node-b"), at(4));
        let due = lines(&repeats.due(at(64)));
        let now = "now disconnected";
        let expected = [
            format!("2 more connected: node-b; {now}"),
            format!("3 more disconnected: node-b; {now}"),
        ];
        assert_eq!(due, expected);
        repeats.begins(&connection("connected", "node-b"), at(65));
        assert_eq!(lines(&repeats.finish()), ["1 more connected: node-b; now connected"]);
    }
}
