//! Notices that repeat.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::episodes::Episodes;
use super::kind::{Kind, Subject};
use super::notice::Notice;

/// The maximum number of causes of one event, for each peer, that have episodes of their own at a
/// time. All further causes share one episode.
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
}

impl Repeated {
    /// `count` notices of a kind, and the code of the present state of their subject.
    pub const fn new(kind: Kind, count: u64, now: Option<&'static str>) -> Self {
        Self { kind, count, now }
    }
}

impl fmt::Display for Repeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind: Kind { of, reason, peer, space }, count, now } = self;
        write!(f, "{count} more {of}")?;
        for detail in [peer, space, reason].into_iter().flatten() {
            write!(f, ": {detail}")?;
        }
        now.iter().try_for_each(|now| write!(f, "; now {now}"))
    }
}

/// Decides which notices are reported, and counts the others: the first of a kind is reported at
/// once, and the number of further ones after one minute, after two more, four, eight, and then
/// every fifteen minutes. If no further notice of the kind arrives before the next count is due,
/// the episode ends.
///
/// Time is passed in, counted from any fixed moment.
#[derive(Debug)]
pub struct Repeats {
    episodes: Episodes<Kind>,
    /// The code of the last event of each subject.
    present: BTreeMap<Subject, &'static str>,
}

impl Default for Repeats {
    fn default() -> Self {
        Self::new()
    }
}

impl Repeats {
    /// No episodes.
    #[must_use]
    pub const fn new() -> Self {
        Self { episodes: Episodes::new(), present: BTreeMap::new() }
    }

    /// Records a notice. Returns whether it begins an episode and must be reported.
    pub fn begins(&mut self, notice: &Notice, now: Duration) -> bool {
        let kind = notice.kind();
        if let Some(subject) = kind.subject() {
            self.present.insert(subject, kind.of);
        }
        self.episodes.begins(self.bounded(kind), now)
    }

    /// The kind itself, unless too many of its causes have episodes.
    fn bounded(&self, kind: Kind) -> Kind {
        let causes = || self.episodes.running().filter(|other| other.is_like(&kind)).count();
        if kind.reason.is_none() || self.episodes.is_running(&kind) || causes() < MAX_CAUSES {
            return kind;
        }
        kind.of_other_causes()
    }

    /// The reports of repeats that are due.
    pub fn due(&mut self, now: Duration) -> Vec<Repeated> {
        let due = self.episodes.due(now);
        due.into_iter().map(|repeats| self.repeated(repeats)).collect()
    }

    /// The reports of all other repeats. Ends all episodes.
    pub fn finish(&mut self) -> Vec<Repeated> {
        let counts = self.episodes.finish();
        counts.into_iter().map(|repeats| self.repeated(repeats)).collect()
    }

    fn repeated(&self, (kind, count): (Kind, u64)) -> Repeated {
        let now = kind.subject().and_then(|subject| self.present.get(&subject).copied());
        Repeated { kind, count, now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::notices::Level;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn bad_line(why: &str) -> Notice {
        Notice::new("rejected", format!("own.jsonl:1: {why}")).caused_by(why)
    }

    fn connection(code: &'static str, peer: &str) -> Notice {
        Notice::peer(code, Level::Info, peer.to_owned(), "a reason".to_owned())
    }

    fn lines(repeats: &[Repeated]) -> Vec<String> {
        repeats.iter().map(Repeated::to_string).collect()
    }

    #[test]
    fn each_cause_begins_an_episode_within_a_bound() {
        let mut repeats = Repeats::new();
        let missing = Notice::new("snapshots_unreadable", "own.jsonl".to_owned());
        assert!(repeats.begins(&missing.caused_by("missing"), at(0)));
        assert!(repeats.begins(&bad_line("no JSON"), at(0)), "not hidden by the missing file");
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
