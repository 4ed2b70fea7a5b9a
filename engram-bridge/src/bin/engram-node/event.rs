//! The events that a node reports.

use std::net::SocketAddr;

use engram_bridge::durable::Recovery;
use engram_bridge::{Space, Timestamp};
use engram_gossip_proto::SpaceId;
use serde::Serialize;
use serde_json::Value;

use crate::words::{counted, patterns};
use engram_bridge::notices::{Due, Level, Notice, Repeated, printable, printable_json};

/// An event that a node reports. Its JSON has a stable code in the field `event`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// The node is up.
    Listening {
        node_id: String,
        version: &'static str,
        address: SocketAddr,
        /// The status page, if HTTP is on.
        #[serde(skip_serializing_if = "Option::is_none")]
        page: Option<String>,
        /// The socket of `engram-node ctl`, if it could be created in the state folder.
        #[serde(skip_serializing_if = "Option::is_none")]
        socket: Option<String>,
    },
    /// The state in which the node found its store.
    Opened { recovery: &'static str, found: String, unhosted: Vec<String> },
    /// A snapshot was submitted, and its new patterns are stored, except those that wait for the first contact of
    /// their space.
    Snapshot(Snapshot),
    /// Every snapshot in a file was submitted on request.
    Submitted {
        path: String,
        snapshots: u64,
        taken: usize,
        written: usize,
        /// Patterns that are only in memory until the first contact of their space.
        waiting: usize,
        rejected: usize,
    },
    /// A session with a peer completed.
    Session(Session),
    /// The membership changed its view of a peer, or the peer restarted.
    Member { peer: String, liveness: String, incarnation: Option<u64> },
    /// The state of the node.
    State(State),
    /// The visible patterns were written to a file.
    Exported { path: String },
    /// The versions of a pattern were explained.
    Explained { space: String, pattern: String },
    /// This node's own version of a pattern was withdrawn; `found` is `false` if there was none.
    Withdrawn { space: String, pattern: String, found: bool },
    /// A pattern was forgotten on all nodes; `found` is `false` if it had no version.
    Forgotten { space: String, pattern: String, found: bool },
    /// One version of a pattern replaced all others.
    Resolved { space: String, pattern: String, version: String },
    /// The conflicts across ids in all spaces.
    Groups { spaces: Vec<Groups> },
    /// Everything that a node wrote was withdrawn, in one space or in all.
    NodeWithdrawn {
        #[serde(skip_serializing_if = "Option::is_none")]
        space: Option<String>,
        writer: String,
        patterns: usize,
    },
    /// Parts of records were dropped on this node, because their versions were implausible.
    ImplausibleDropped { patterns: usize },
    /// The configuration was reloaded. `changed` lists the keys whose new value, or whose file's
    /// new contents, took effect immediately; `waiting` lists those that take effect at the next
    /// start.
    Reloaded { changed: Vec<String>, waiting: Vec<String> },
    /// The state was copied to a folder.
    BackedUp { path: String },
    /// The store was compacted. `before` and `after` are the sizes of its file in bytes.
    Compacted {
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    },
    /// A command could not be carried out.
    Failed { command: String, reason: String },
    /// The node has begun to stop.
    Stopping { reason: &'static str },
    /// The node has stopped, and its store is closed.
    Stopped {},
    /// Further events of a kind that was reported before.
    Repeated(Repeated),
    /// Events were lost, because the reader was too slow or absent.
    EventsLost { count: u64 },
    /// A notice, whose repetitions are reported as a count.
    #[serde(untagged)]
    Notice(Notice),
}

/// An event, with its time and its node.
#[derive(Serialize)]
struct Line<'a> {
    /// The time, as RFC 3339 in UTC.
    time: String,
    level: Level,
    node: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

/// A snapshot that was submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Snapshot {
    pub(crate) space: String,
    pub(crate) snapshot: u64,
    pub(crate) taken: usize,
    pub(crate) written: usize,
    /// Patterns that wait for the first contact of their space.
    pub(crate) waiting: usize,
    /// Patterns whose contents were forgotten before, and remain suppressed.
    pub(crate) suppressed: usize,
    pub(crate) rejected: usize,
}

/// A completed session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Session {
    pub(crate) peer: String,
    pub(crate) result: String,
    /// The number of bytes sent.
    pub(crate) sent: u64,
    /// The number of bytes received.
    pub(crate) received: u64,
    pub(crate) records_in: u64,
    pub(crate) records_out: u64,
}

/// The state of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct State {
    pub(crate) root: String,
    /// Visible patterns, over all spaces.
    pub(crate) patterns: u64,
    /// Submitted patterns that wait for the first contact of their space.
    pub(crate) waiting: u64,
    pub(crate) sessions: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    /// Patterns and lines of this node's data that were left out.
    pub(crate) rejected: u64,
    /// Whether the initial submission of this node's snapshots is over.
    pub(crate) replay_done: bool,
}

/// The reader of the lines, which determines their format.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reader {
    /// JSON on standard output.
    Program,
    /// Text on standard error.
    Person,
}

impl Event {
    /// The event as one line, without a line ending.
    pub(crate) fn line(&self, reader: Reader, node: &str, now: Timestamp) -> String {
        match reader {
            Reader::Program => printable_json(&self.json(node, now).to_string()),
            Reader::Person => {
                let level = match self.level() {
                    Level::Info => "info",
                    Level::Warning => "warning",
                    Level::Error => "error",
                };
                printable(&format!("{now} {level} {node}: {}", self.sentence()))
            }
        }
    }

    /// The event as a JSON object.
    pub(crate) fn json(&self, node: &str, now: Timestamp) -> Value {
        let line = Line { time: now.to_string(), level: self.level(), node, event: self };
        serde_json::to_value(line).expect("an event consists of plain values")
    }

    fn level(&self) -> Level {
        match self {
            Self::Failed { .. } => Level::Error,
            Self::EventsLost { .. } => Level::Warning,
            Self::Member { liveness, .. } if liveness == "down" => Level::Warning,
            Self::Opened { recovery: "repaired" | "set_aside", .. } => Level::Warning,
            Self::Notice(notice) => notice.level(),
            Self::Repeated(repeated) => repeated.level(),
            _ => Level::Info,
        }
    }

    /// The event as text.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Listening { node_id, version, address, page, socket: _ } => {
                let page = page.as_ref().map(|page| format!("; the status page is {page}"));
                let page = page.unwrap_or_default();
                format!("version {version} listens on {address} under the node id {node_id}{page}")
            }
            Self::Opened { found, unhosted, .. } if unhosted.is_empty() => found.clone(),
            Self::Opened { found, unhosted, .. } => format!(
                "{found}; the store also contains the state of {}, which node.spaces does not list",
                unhosted.join(", ")
            ),
            Self::Groups { spaces } if spaces.is_empty() => "conflict.across_ids is off".to_owned(),
            Self::Groups { spaces } => {
                spaces.iter().map(Groups::sentence).collect::<Vec<_>>().join("; ")
            }
            Self::Snapshot(snapshot) => snapshot.sentence(),
            Self::Submitted { path, snapshots, taken, written, waiting, rejected } => format!(
                "submitted {} of {path}: {}, {written} new{}, {rejected} rejected",
                counted(*snapshots, "snapshot", "snapshots"),
                patterns(*taken as u64),
                held_back(*waiting)
            ),
            Self::Session(Session { peer, result, sent, received, records_in, records_out }) => {
                format!(
                    "session with {peer}: {result}; {} and {} in, {} and {} out",
                    counted(*records_in, "record", "records"),
                    counted(*received, "byte", "bytes"),
                    counted(*records_out, "record", "records"),
                    counted(*sent, "byte", "bytes")
                )
            }
            Self::Member { peer, liveness, .. } => format!("{peer} is {liveness}"),
            Self::State(State { root, patterns: shown, .. }) => {
                format!("{}, root {}", patterns(*shown), &root[..16])
            }
            Self::Explained { space, pattern } => format!("explained {pattern:?} of {space}"),
            Self::Exported { path } => format!("exported to {path}"),
            Self::Withdrawn { space, pattern, found: true } => {
                format!("withdrew this node's version of {pattern:?} of {space}")
            }
            Self::Withdrawn { space, pattern, found: false } => {
                format!("this node has no version of {pattern:?} of {space}; nothing was changed")
            }
            Self::Forgotten { space, pattern, found: true } => {
                format!("forgot {pattern:?} of {space} on all nodes")
            }
            Self::Forgotten { space, pattern, found: false } => {
                format!("{pattern:?} of {space} has no version; nothing was changed")
            }
            Self::Resolved { space, pattern, version } => {
                format!("version {} of {pattern:?} of {space} replaced the others", &version[..12])
            }
            Self::NodeWithdrawn { space, writer, patterns: changed } => {
                let space = space.as_ref().map(|space| format!(" of {space}")).unwrap_or_default();
                let changed = patterns(*changed as u64);
                format!("withdrew {writer}'s versions of {changed}{space}")
            }
            Self::ImplausibleDropped { patterns: changed } => {
                let changed = patterns(*changed as u64);
                format!("dropped the implausible versions of {changed} from this node")
            }
            Self::Reloaded { changed, waiting } => {
                let list = |keys: &[String]| match keys {
                    [] => "nothing".to_owned(),
                    keys => keys.join(", "),
                };
                format!(
                    "read the configuration and its certificates again; changed: {}; waiting for the \
                     next start: {}",
                    list(changed),
                    list(waiting)
                )
            }
            Self::BackedUp { path } => format!("backed up to {path}"),
            Self::Compacted { before: Some(before), after: Some(after) } => {
                format!("compacted the store from {before} to {after} bytes")
            }
            Self::Compacted { .. } => "compacted the store".to_owned(),
            Self::Failed { command, reason } => format!("{command}: {reason}"),
            Self::Stopping { reason } => format!("stopping: {reason}"),
            Self::Stopped {} => "stopped".to_owned(),
            Self::EventsLost { count } => {
                let lost = counted(*count, "event was", "events were");
                format!("{lost} lost, because the reader was too slow or absent")
            }
            Self::Repeated(repeated) => repeated.to_string(),
            Self::Notice(notice) => notice.to_string(),
        }
    }

    /// The event for the state in which a node found its store.
    pub(crate) fn opened(found: &Recovery, unhosted: &[SpaceId]) -> Self {
        let recovery = match found {
            Recovery::InMemory => "in_memory",
            Recovery::New => "new",
            Recovery::Loaded { .. } => "loaded",
            Recovery::Repaired { .. } => "repaired",
            Recovery::SetAside { .. } => "set_aside",
            _ => "other",
        };
        let unhosted = unhosted.iter().map(SpaceId::to_string).collect();
        Self::Opened { recovery, found: found.to_string(), unhosted }
    }
}

impl From<Due> for Event {
    fn from(due: Due) -> Self {
        match due {
            Due::Fault(notice) => Self::Notice(notice),
            Due::Repeated(repeated) => Self::Repeated(repeated),
        }
    }
}

/// The conflicts across ids in a space.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Groups {
    space: String,
    /// Groups of at least two patterns.
    groups: u64,
    /// Patterns in these groups, not counting the representatives.
    members: u64,
    /// Patterns that dispute an episode with another pattern.
    disputed: u64,
    /// Changed patterns that have not been compared yet.
    pending: u64,
    /// The comparison of one member, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    example: Option<String>,
}

impl Groups {
    /// Returns the conflicts across ids in `space`; `None` if the comparison is off.
    pub(crate) fn of(space: &Space) -> Option<Self> {
        let stats = space.across_ids_stats()?;
        let first = space.groups(None, 1);
        let member = first.first().and_then(|group| space.compared(group.members.first()?));
        Some(Self {
            space: space.id().to_string(),
            groups: stats.groups,
            members: stats.members,
            disputed: stats.disputed,
            pending: stats.pending,
            example: member.map(|compared| compared.to_string()),
        })
    }

    fn sentence(&self) -> String {
        let Self { space, groups, members, disputed, pending, example } = self;
        let mut sentence = format!(
            "{space}: {} of patterns that describe one memory, with {} in addition to the representatives, \
             {disputed} in dispute",
            counted(*groups, "group", "groups"),
            patterns(*members)
        );
        if *pending > 0 {
            sentence += &format!(", {pending} not compared yet");
        }
        if let Some(example) = example {
            sentence += &format!("; for example {}", example.replace('\n', ";"));
        }
        sentence
    }
}

/// The part of a sentence about patterns that wait for the first contact of their space.
fn held_back(waiting: usize) -> String {
    match waiting {
        0 => String::new(),
        1 => ", 1 waits for the first contact and is only in memory".to_owned(),
        n => format!(", {n} wait for the first contact and are only in memory"),
    }
}

impl Snapshot {
    fn sentence(&self) -> String {
        let Self { space, snapshot, taken, written, waiting, suppressed, rejected } = self;
        let mut sentence =
            format!("snapshot {snapshot} of {space}: {}, {written} new", patterns(*taken as u64));
        sentence += &held_back(*waiting);
        if *suppressed > 0 {
            let suppressed = counted(*suppressed as u64, "stays", "stay");
            sentence += &format!(", {suppressed} forgotten");
        }
        sentence + &format!(", {rejected} rejected")
    }
}

#[cfg(test)]
mod tests {
    use engram_bridge::durable::StorageError;
    use engram_bridge::telemetry::Warning;

    use super::*;

    fn json(event: &Event) -> String {
        event.line(Reader::Program, "node-a", Timestamp::EPOCH)
    }

    fn text(event: &Event) -> String {
        event.line(Reader::Person, "node-a", Timestamp::EPOCH)
    }

    #[test]
    fn an_event_has_time_level_node_and_code() {
        let (space, pattern) = ("notes".to_owned(), "p".to_owned());
        let forgotten = Event::Forgotten { space, pattern, found: true };
        let line = json(&forgotten);
        for field in [
            r#""time":"1970-01-01T00:00:00"#,
            r#""level":"info""#,
            r#""node":"node-a""#,
            r#""event":"forgotten""#,
            r#""pattern":"p""#,
        ] {
            assert!(line.contains(field), "{line}");
        }
        assert!(text(&forgotten).ends_with(" info node-a: forgot \"p\" of notes on all nodes"));
    }

    #[test]
    fn a_notice_is_an_event_by_its_code() {
        let place = "state.redb".to_owned();
        let failure = StorageError::Full { place, reason: "os error 28".to_owned() };
        let notice = Notice::warning(&Warning::StorageFailure(failure));
        let repeated = json(&Event::Repeated(Repeated::new(notice.kind(), 3, None)));
        for field in [
            r#""event":"repeated""#,
            r#""level":"error""#,
            r#""of":"storage_failure""#,
            r#""count":3"#,
        ] {
            assert!(repeated.contains(field), "{repeated}");
        }
        let line = json(&Event::Notice(notice));
        for field in [r#""event":"storage_failure""#, r#""level":"error""#, r#""reason":""#] {
            assert!(line.contains(field), "{line}");
        }
    }

    #[test]
    fn new_store_is_reported_as_new() {
        let opened = Event::opened(&Recovery::New, &[]);
        assert_eq!(opened.sentence(), "the store is new");
        assert!(json(&opened).contains(r#""recovery":"new""#));
        let work = SpaceId::new("work").unwrap();
        let opened = Event::opened(&Recovery::Loaded { records: 1 }, &[work]);
        assert!(opened.sentence().contains("the state of work, which node.spaces does not list"));
        assert!(json(&opened).contains(r#""unhosted":["work"]"#));
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let (space, version) = ("a\u{1b}[2J".to_owned(), "0".repeat(64));
        let pattern = "p\u{9b}\n\u{7f}\u{202e}\u{2069}é".to_owned();
        let event = Event::Resolved { space, pattern: pattern.clone(), version };
        for line in [text(&event), json(&event)] {
            assert!(!line.contains(|c: char| c.is_control() || c > 'é'), "{line}");
        }
        let read: Value = serde_json::from_str(&json(&event)).unwrap();
        assert_eq!(read["pattern"], pattern);
    }
}
