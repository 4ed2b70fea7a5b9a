//! Events that a node reports.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use engram_bridge::{Recovery, Space};
use engram_gossip_proto::SpaceId;
use serde::Serialize;

use crate::notice::{Kind, Notice};

/// One line of output: JSON for programs, or a sentence for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// The node is up.
    Listening {
        node: String,
        node_id: String,
        address: SocketAddr,
        /// The status page, if HTTP is on.
        #[serde(skip_serializing_if = "Option::is_none")]
        page: Option<String>,
    },
    /// The state in which the node found its store.
    Opened { node: String, recovery: &'static str, found: String, unhosted: Vec<String> },
    /// A snapshot was submitted, and its new patterns are durable.
    Snapshot(Snapshot),
    /// A line of the data, or a pattern of it, was left out.
    Rejected { file: String, line: Option<u64>, pattern: Option<String>, reason: String },
    /// A session with a peer ended.
    Session(Session),
    /// A peer cannot be reached, or was refused.
    Peer { peer: String, reason: String },
    /// The membership sees a peer in another way, or restarted.
    Member { peer: String, liveness: String, incarnation: Option<u64> },
    /// The state of the node.
    State(State),
    /// The visible patterns were written to a file.
    Exported { path: String },
    /// This node's own version of a pattern was withdrawn, if there was one.
    Withdrawn { space: String, pattern: String, found: bool },
    /// A pattern was forgotten on all nodes, if there was one.
    Forgotten { space: String, pattern: String, found: bool },
    /// One version of a pattern replaced all others.
    Resolved { space: String, pattern: String, version: String },
    /// The conflicts of a space across ids.
    Groups(Groups),
    /// Everything that a node wrote in a space was withdrawn.
    NodeWithdrawn { space: String, node: String, patterns: usize },
    /// The parts of records with implausible versions were dropped here.
    ImplausibleDropped { patterns: usize },
    /// The configuration was read again; these keys wait for the next start.
    Reloaded { waiting: Vec<String> },
    /// The state was copied to a folder.
    BackedUp { path: String },
    /// A command could not be carried out.
    Failed { command: String, reason: String },
    /// Further events of a kind that was reported before.
    Repeated {
        #[serde(flatten)]
        kind: Kind,
        count: u64,
    },
    /// A fault.
    #[serde(untagged)]
    Notice(Notice),
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
    /// Patterns whose contents were forgotten and stay so.
    pub(crate) suppressed: usize,
    pub(crate) rejected: usize,
}

/// A session that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Session {
    pub(crate) peer: String,
    pub(crate) result: String,
    /// Bytes.
    pub(crate) sent: u64,
    /// Bytes.
    pub(crate) received: u64,
    pub(crate) records_in: u64,
    pub(crate) records_out: u64,
}

/// The state of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct State {
    pub(crate) node: String,
    pub(crate) root: String,
    /// Visible patterns, over all spaces.
    pub(crate) patterns: u64,
    /// Submitted patterns that wait for the first contact of their space.
    pub(crate) waiting: u64,
    pub(crate) sessions: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    /// Patterns and lines of the own data that were left out.
    pub(crate) rejected: u64,
    /// Whether all own snapshots have been submitted.
    pub(crate) replay_done: bool,
}

/// The reader of the lines.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reader {
    /// JSON on the standard output.
    Program,
    /// Text on the standard error.
    Person,
}

impl Event {
    /// Prints the line at once. Without a reader the line is lost.
    pub(crate) fn print(&self, reader: Reader) {
        let _ = match reader {
            Reader::Program => {
                let json = serde_json::to_string(self).expect("an event is made of plain values");
                writeln!(io::stdout().lock(), "{json}")
            }
            Reader::Person => writeln!(io::stderr().lock(), "{}", self.sentence()),
        };
    }

    fn sentence(&self) -> String {
        match self {
            Self::Listening { node, node_id, address, page } => {
                let page = page.as_ref().map(|page| format!("; look at {page}"));
                let page = page.unwrap_or_default();
                format!("{node} listens on {address}; its node id is {node_id}{page}")
            }
            Self::Opened { node, found, unhosted, .. } if unhosted.is_empty() => {
                format!("{node}: {found}")
            }
            Self::Opened { node, found, unhosted, .. } => {
                let unhosted = unhosted.join(", ");
                format!(
                    "{node}: {found}; the state of {unhosted} stays in the store, and node.spaces \
                     does not name them"
                )
            }
            Self::Snapshot(snapshot) => snapshot.sentence(),
            Self::Rejected { file, line, pattern, reason } => {
                let line = line.map(|line| format!(":{line}")).unwrap_or_default();
                let pattern = pattern.as_ref().map(|id| format!(" {id}:")).unwrap_or_default();
                format!("rejected: {file}{line}:{pattern} {reason}")
            }
            Self::Session(Session { peer, result, sent, received, records_in, records_out }) => {
                format!(
                    "session with {peer}: {result}; {records_in} records and {received} bytes in, \
                     {records_out} records and {sent} bytes out"
                )
            }
            Self::Peer { peer, reason } => format!("{peer}: {reason}"),
            Self::Member { peer, liveness, .. } => format!("{peer} is {liveness}"),
            Self::State(State { node, root, patterns, .. }) => {
                format!("{node}: {patterns} patterns, root {}", &root[..16])
            }
            Self::Groups(groups) => groups.sentence(),
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
            Self::NodeWithdrawn { space, node, patterns } => {
                format!("withdrew the versions that {node} wrote of {patterns} patterns of {space}")
            }
            Self::ImplausibleDropped { patterns } => {
                format!("dropped the implausible versions of {patterns} patterns from this node")
            }
            Self::Reloaded { waiting } if waiting.is_empty() => {
                "the configuration is in force".into()
            }
            Self::Reloaded { waiting } => {
                format!(
                    "peers, certificates and limits are in force; at the next start: {}",
                    waiting.join(", ")
                )
            }
            Self::BackedUp { path } => format!("backed up to {path}"),
            Self::Failed { command, reason } => format!("{command}: {reason}"),
            Self::Repeated { kind, count } => kind.repeated(*count),
            Self::Notice(notice) => notice.sentence(),
        }
    }

    /// The state in which a node found its store.
    pub(crate) fn opened(node: &str, found: &Recovery, unhosted: &[SpaceId]) -> Self {
        let recovery = match found {
            Recovery::InMemory => "in_memory",
            Recovery::New => "new",
            Recovery::Loaded { .. } => "loaded",
            Recovery::Repaired { .. } => "repaired",
            Recovery::SetAside { .. } => "set_aside",
            _ => "other",
        };
        let unhosted = unhosted.iter().map(SpaceId::to_string).collect();
        Self::Opened { node: node.to_owned(), recovery, found: found.to_string(), unhosted }
    }

    pub(crate) fn exported(path: &Path) -> Self {
        Self::Exported { path: path.display().to_string() }
    }

    pub(crate) fn backed_up(path: &Path) -> Self {
        Self::BackedUp { path: path.display().to_string() }
    }
}

/// The conflicts of a space across ids.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Groups {
    space: String,
    /// Groups of at least two patterns.
    groups: u64,
    /// Patterns in these groups beside the representatives.
    members: u64,
    /// Patterns that dispute an episode with another one.
    disputed: u64,
    /// Changed patterns that were not compared yet.
    pending: u64,
    /// One of the members, explained.
    #[serde(skip_serializing_if = "Option::is_none")]
    example: Option<String>,
}

impl Groups {
    /// `None` if the comparison is switched off.
    pub(crate) fn of(space: &Space) -> Option<Self> {
        let stats = space.across_ids_stats()?;
        let first = space.groups(None, 1);
        let member = first.first().and_then(|group| space.standing(group.members.first()?));
        Some(Self {
            space: space.id().to_string(),
            groups: stats.groups,
            members: stats.members,
            disputed: stats.disputed,
            pending: stats.pending,
            example: member.map(|standing| standing.to_string()),
        })
    }

    fn sentence(&self) -> String {
        let Self { space, groups, members, disputed, pending, example } = self;
        let mut sentence = format!(
            "{space}: {groups} groups of patterns that are one memory, {members} patterns beside their \
             representatives, {disputed} in dispute"
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

impl Snapshot {
    fn sentence(&self) -> String {
        let Self { space, snapshot, taken, written, waiting, suppressed, rejected } = self;
        let mut sentence =
            format!("snapshot {snapshot} of {space}: {taken} patterns, {written} new");
        if *waiting > 0 {
            sentence += &format!(", {waiting} wait for a session with a peer");
        }
        if *suppressed > 0 {
            sentence += &format!(", {suppressed} stay forgotten");
        }
        sentence + &format!(", {rejected} rejected")
    }
}

#[cfg(test)]
mod tests {
    use engram_bridge::{StorageError, Warning};

    use super::*;

    fn json(event: &Event) -> String {
        serde_json::to_string(event).unwrap()
    }

    #[test]
    fn operations_have_events_of_their_own() {
        let (space, pattern) = ("notes".to_owned(), "p".to_owned());
        let forgotten = Event::Forgotten { space, pattern, found: true };
        let line = r#"{"event":"forgotten","space":"notes","pattern":"p","found":true}"#;
        assert_eq!(json(&forgotten), line);
        let (space, node) = ("notes".to_owned(), "ab".to_owned());
        let withdrawn = Event::NodeWithdrawn { space, node, patterns: 2 };
        assert!(json(&withdrawn).contains(r#""event":"node_withdrawn""#));
    }

    #[test]
    fn a_notice_is_an_event_by_its_code() {
        let place = "state.redb".to_owned();
        let failure = StorageError::Full { place, reason: "os error 28".to_owned() };
        let notice = Notice::warning(&Warning::StorageFailure(failure));
        let repeated = Event::Repeated { kind: notice.kind(), count: 3 };
        assert_eq!(json(&repeated), r#"{"event":"repeated","of":"storage_failure","count":3}"#);
        let line = json(&Event::Notice(notice));
        assert!(line.starts_with(r#"{"event":"storage_failure","reason":""#), "{line}");
    }

    #[test]
    fn a_new_store_is_said_to_be_new() {
        let opened = Event::opened("node-a", &Recovery::New, &[]);
        assert_eq!(opened.sentence(), "node-a: the store is new");
        assert!(json(&opened).contains(r#""recovery":"new""#));
        let work = SpaceId::new("work").unwrap();
        let opened = Event::opened("node-a", &Recovery::Loaded { records: 1 }, &[work]);
        assert!(opened.sentence().contains("the state of work stays in the store"));
        assert!(json(&opened).contains(r#""unhosted":["work"]"#));
    }
}
