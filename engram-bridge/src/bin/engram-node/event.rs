//! What a node says about itself.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

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
    /// What the node found of the state that it left.
    Opened { node: String, found: String },
    /// A snapshot was submitted, and what is new in it is durable.
    Snapshot { space: String, snapshot: u64, taken: usize, written: usize, rejected: usize },
    /// A line of the data, or a pattern of it, was left out.
    Rejected { file: String, line: Option<u64>, pattern: Option<String>, reason: String },
    /// A session with a peer ended.
    Session(Session),
    /// A peer cannot be reached, or was refused.
    Peer { peer: String, reason: String },
    /// The membership sees a peer in another way, or in another life, than before.
    Member { peer: String, liveness: String, incarnation: Option<u64> },
    /// How the node stands.
    State(State),
    /// The visible patterns were written to a file.
    Exported { path: String },
    /// A pattern was taken back or deleted, or there was nothing to take back or delete.
    Removed { space: String, pattern: String, found: bool },
    /// One version of a pattern took the place of all.
    Resolved { space: String, pattern: String, version: String },
    /// The configuration was read again; these keys wait for the next start.
    Reloaded { waiting: Vec<String> },
    /// The state was copied to a folder.
    BackedUp { path: String },
    /// A command could not be carried out.
    Failed { command: String, reason: String },
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

/// How a node stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct State {
    pub(crate) node: String,
    pub(crate) root: String,
    /// Visible patterns, over all spaces.
    pub(crate) patterns: u64,
    pub(crate) sessions: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    /// Patterns and lines of the own data that were left out.
    pub(crate) rejected: u64,
    /// Whether all own snapshots have been submitted.
    pub(crate) replay_done: bool,
}

/// For whom the lines are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reader {
    /// JSON on the standard output.
    Program,
    /// Text on the standard error.
    Person,
}

impl Event {
    /// Prints the line at once. If nobody reads any more there is nobody to tell: the line is lost.
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
            Self::Opened { node, found } => format!("{node} found {found}"),
            Self::Snapshot { space, snapshot, taken, written, rejected } => format!(
                "snapshot {snapshot} of {space}: {taken} patterns, {written} new, {rejected} rejected"
            ),
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
            Self::Exported { path } => format!("exported to {path}"),
            Self::Removed { space, pattern, found: true } => {
                format!("{pattern} of {space} is gone")
            }
            Self::Removed { space, pattern, found: false } => {
                format!("there was nothing of {pattern} in {space}")
            }
            Self::Resolved { space, pattern, version } => {
                format!("{pattern} of {space} is version {} now", &version[..12])
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
        }
    }

    pub(crate) fn exported(path: &Path) -> Self {
        Self::Exported { path: path.display().to_string() }
    }

    pub(crate) fn backed_up(path: &Path) -> Self {
        Self::BackedUp { path: path.display().to_string() }
    }
}
