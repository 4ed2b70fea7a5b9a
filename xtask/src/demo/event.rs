//! The events of a node: one JSON object per line of its standard output.

use serde_json::Value;

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Event {
    /// The node is up; `page` is the address of its status page, if it has one.
    Listening { page: Option<String> },
    /// A session with a peer ended; `peer` is a name or a node id.
    Session { peer: String, records_in: u64 },
    /// Part of the node's state changed.
    State(State),
    /// The answer to the command `export`.
    Exported,
    /// The answer to the command `groups`, space by space.
    Groups(Vec<Groups>),
    /// A command or the replay failed.
    Failed { reason: String },
    /// The node has closed its output and ended.
    Ended,
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct State {
    pub(crate) root: String,
    pub(crate) patterns: u64,
    /// Submitted patterns that have not been written yet.
    pub(crate) waiting: u64,
    pub(crate) sessions: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    /// Rejected lines and patterns of the node's data.
    pub(crate) rejected: u64,
    /// Whether all of the node's own snapshots have been submitted.
    pub(crate) replay_done: bool,
}

/// The conflicts between patterns of one space that have different ids.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Groups {
    pub(crate) space: String,
    /// Groups of at least two patterns.
    pub(crate) groups: u64,
    /// Patterns in these groups other than the representatives.
    pub(crate) members: u64,
    /// Patterns that dispute an episode with another pattern.
    pub(crate) disputed: u64,
    /// Changed patterns that have not been compared yet.
    pub(crate) pending: u64,
    /// An explanation of one of the members.
    pub(crate) example: Option<String>,
}

impl Groups {
    fn of(space: &Value) -> Self {
        let number = |name: &str| space[name].as_u64().unwrap_or(0);
        Self {
            space: space["space"].as_str().unwrap_or_default().to_owned(),
            groups: number("groups"),
            members: number("members"),
            disputed: number("disputed"),
            pending: number("pending"),
            example: space["example"].as_str().map(str::to_owned),
        }
    }
}

impl Event {
    /// Parses one line; `None` if it is not an event that the demo uses.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| value[name].as_u64().unwrap_or(0);
        match value["event"].as_str()? {
            "listening" => {
                Some(Self::Listening { page: value["page"].as_str().map(str::to_owned) })
            }
            "session" => {
                Some(Self::Session { peer: text("peer"), records_in: number("records_in") })
            }
            "state" => Some(Self::State(State {
                root: text("root"),
                patterns: number("patterns"),
                waiting: number("waiting"),
                sessions: number("sessions"),
                bytes_sent: number("bytes_sent"),
                bytes_received: number("bytes_received"),
                rejected: number("rejected"),
                replay_done: value["replay_done"].as_bool().unwrap_or(false),
            })),
            "exported" => Some(Self::Exported),
            "groups" => {
                Some(Self::Groups(value["spaces"].as_array()?.iter().map(Groups::of).collect()))
            }
            "failed" => Some(Self::Failed { reason: text("reason") }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_page_address() {
        let page = |page: &str| Some(Event::Listening { page: Some(page.to_owned()) });
        let line = r#"{"event":"listening","node":"a","page":"http://127.0.0.1:7801/"}"#;
        assert_eq!(Event::parse(line), page("http://127.0.0.1:7801/"));
        assert_eq!(Event::parse(r#"{"event":"listening"}"#), Some(Event::Listening { page: None }));
    }

    #[test]
    fn parses_the_groups_of_each_space() {
        let line = r#"{"event":"groups","spaces":[{"space":"work","groups":2,"members":3,"disputed":1,"pending":4,"example":"e"}]}"#;
        let Some(Event::Groups(spaces)) = Event::parse(line) else { panic!("{line}") };
        let [of] = &spaces[..] else { panic!("{spaces:?}") };
        assert_eq!((of.space.as_str(), of.groups, of.members), ("work", 2, 3));
        assert_eq!((of.disputed, of.pending, of.example.as_deref()), (1, 4, Some("e")));
    }

    #[test]
    fn parses_states_and_ignores_unknown_events() {
        let line = r#"{"event":"state","node":"a","root":"ab","patterns":3,"waiting":1,"sessions":2,"bytes_sent":10,"bytes_received":20,"replay_done":true,"new":1}"#;
        let Some(Event::State(state)) = Event::parse(line) else { panic!("{line}") };
        assert_eq!((state.root.as_str(), state.patterns, state.waiting), ("ab", 3, 1));
        assert!(state.replay_done);
        assert_eq!(Event::parse(r#"{"event":"rain"}"#), None);
        assert_eq!(Event::parse("no JSON"), None);
    }
}
