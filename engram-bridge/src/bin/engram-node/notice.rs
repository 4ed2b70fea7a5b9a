//! Faults that a node reports: its own, and those of its clock, its disk and its peers.

use std::io;
use std::path::Path;
use std::time::Duration;

use engram_bridge::durable::StorageError;
use engram_bridge::replica::{MAX_NODE_DOTS, MAX_SUPPRESSED};
use engram_bridge::spaces::StateEvent;
use engram_bridge::telemetry::Warning;
use engram_gossip_net::NodeId;
use engram_gossip_proto::{Holder, Rejection, SpaceId, Unsendable};
use serde::Serialize;

use crate::event::Level;
use crate::kind::Kind;
use crate::words::counted;

/// A fault or its end, with the cause and the next step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Notice {
    /// A stable code.
    event: &'static str,
    #[serde(skip)]
    level: Level,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    space: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
    /// The node whose versions are at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    writer: Option<String>,
    /// The configuration key that sets the cap.
    #[serde(skip_serializing_if = "Option::is_none")]
    cap: Option<&'static str>,
    /// The cause, and the next step.
    reason: String,
    /// The cause alone, if the event has several: each has its own episodes.
    #[serde(skip)]
    cause: Option<String>,
}

impl Notice {
    fn new(event: &'static str, reason: String) -> Self {
        let (peer, space, pattern, writer, cap, cause) = (None, None, None, None, None, None);
        let level = Level::Warning;
        Self { event, level, peer, space, pattern, writer, cap, reason, cause }
    }

    /// The same notice, whose episodes are those of this cause.
    pub(crate) fn caused_by(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// The same notice at a different level.
    fn at(self, level: Level) -> Self {
        Self { level, ..self }
    }

    fn about(event: &'static str, space: &SpaceId, id: &str, reason: &str) -> Self {
        let (space, pattern) = (Some(space.to_string()), Some(id.to_owned()));
        Self { space, pattern, ..Self::new(event, reason.to_owned()) }
    }

    /// The notice of an event of the state; `None` for an unknown kind. `name` returns the
    /// display name of a node.
    pub(crate) fn of(event: &StateEvent, name: impl Fn(NodeId) -> String) -> Option<Self> {
        Some(match event {
            StateEvent::Reissued { space, id } => Self::about(
                "reissued",
                space,
                id,
                "a peer knows a later version of this node that this process did not write; this \
                 process's version was reissued alongside it; look for a second process under this \
                 node's key, and give it a separate key",
            ),
            StateEvent::GivenUp { space, id } => Self::about(
                "given_up",
                space,
                id,
                &format!(
                    "a peer knows a later version of this node that this process did not write, and \
                     {MAX_NODE_DOTS} versions of this node are live already, so this process's was \
                     not reissued; look for a second process under this node's key, and give it \
                     a separate key"
                ),
            ),
            StateEvent::Clash { space, id, node } => {
                let node = name(*node);
                let reason = format!(
                    "{node} wrote two contents under one version; both stay; look for a second \
                     process under its key"
                );
                Self::about("clash", space, id, &reason).of_writer(node)
            }
            StateEvent::SuppressionDropped { space, id, digests } => Self::about(
                "suppression_dropped",
                space,
                id,
                &format!(
                    "more than {MAX_SUPPRESSED} of its contents are suppressed, {digests} were \
                     dropped; an engine that finds those again makes them visible"
                ),
            ),
            StateEvent::Implausible { space, id, node } => {
                let node = name(*node);
                let reason = format!(
                    "the versions of {node} lie too far in the future and were refused for now; the \
                     rest was joined; set the clock of that node, or that of this one"
                );
                Self::about("implausible", space, id, &reason).of_writer(node)
            }
            StateEvent::ClockAhead { node, ahead } => {
                let (node, ahead) = (name(*node), Duration::from_nanos(*ahead));
                let reason = format!(
                    "{node} writes versions up to {} s ahead of the clock of this machine; they are \
                     still joined; compare the two clocks, and set the wrong one",
                    ahead.as_secs()
                );
                Self::new("clock_ahead", reason).of_writer(node)
            }
            StateEvent::OverCap { space, id, cap } => {
                let reason = format!(
                    "{} is reached, so a record of a peer was refused; held records stay; raise the key \
                     and restart the node",
                    cap.key()
                );
                let notice = Self::about("over_cap", space, id, &reason).at(Level::Error);
                Self { cap: Some(cap.key()), ..notice.caused_by(cap.key()) }
            }
            StateEvent::PatternRefused { space, id, reason } => Self::about(
                "pattern_refused",
                space,
                id,
                &format!("it stays on this node only: {reason}"),
            )
            .caused_by(reason.to_string()),
            StateEvent::BeliefLog { space, failure } => {
                let notice = match failure {
                    Some(failure) => Self::new("belief_log_failed", failure.clone()),
                    None => {
                        let reason = "belief updates are logged again".to_owned();
                        Self::new("belief_log_recovered", reason).at(Level::Info)
                    }
                };
                Self { space: Some(space.to_string()), ..notice }
            }
            StateEvent::SpaceRefused { space, error } => {
                let space = Some(space.to_string());
                let reason = error.to_string();
                Self { space, ..Self::new("space_refused", reason.clone()).caused_by(reason) }
            }
            StateEvent::Storage { failure } => Self::storage(failure.as_ref()),
            _ => return None,
        })
    }

    /// The store refuses changes; without a failure it takes them again.
    pub(crate) fn storage(failure: Option<&StorageError>) -> Self {
        match failure {
            Some(failure) => Self::warning(&Warning::StorageFailure(failure.clone())),
            None => Self::new("storage_recovered", "changes are stored again".to_owned())
                .at(Level::Info),
        }
    }

    pub(crate) fn warning(warning: &Warning) -> Self {
        let level = if warning.is_critical() { Level::Error } else { Level::Warning };
        Self::new(warning.code(), format!("{warning}; {}", warning.next_step())).at(level)
    }

    pub(crate) fn clock_recovered() -> Self {
        Self::new("clock_recovered", "the clock of this machine is correct again".to_owned())
            .at(Level::Info)
    }

    pub(crate) fn missed(events: u64) -> Self {
        let reason = format!(
            "{} not reported; the metrics count them",
            counted(events, "event was", "events were")
        );
        Self::new("events_missed", reason)
    }

    /// The same notice, about the versions of a node.
    fn of_writer(self, node: String) -> Self {
        Self { writer: Some(node.clone()), ..self.caused_by(node) }
    }

    /// A notice about a peer or the connection to it.
    pub(crate) fn peer(event: &'static str, level: Level, peer: String, reason: String) -> Self {
        Self { peer: Some(peer), ..Self::new(event, reason).at(level) }
    }

    /// The socket of `engram-node ctl` cannot be created.
    pub(crate) fn no_socket(folder: &Path, error: &io::Error) -> Self {
        let reason = format!(
            "no socket in {}: {error}; the node runs, but `engram-node ctl` cannot reach it until the \
             folder is writable; a path may have about 100 bytes",
            folder.display()
        );
        Self::new("no_control_socket", reason)
    }

    /// The socket of `engram-node ctl` was created again.
    pub(crate) fn socket_recovered(socket: &Path) -> Self {
        let reason = format!("`engram-node ctl` reaches the node on {} again", socket.display());
        Self::new("control_socket_recovered", reason).at(Level::Info)
    }

    /// A peer hosts none of the spaces of this node.
    pub(crate) fn no_common_space(peer: String) -> Self {
        let reason =
            "the two nodes host no common space, so nothing is exchanged; compare node.spaces";
        Self::peer("no_common_space", Level::Warning, peer, reason.to_owned())
    }

    /// Other users may read the private key.
    pub(crate) fn key_exposed(key: &Path) -> Self {
        let key = key.display();
        let reason = format!("other users may read {key}; `chmod 600` it, or replace the key");
        Self::new("key_exposed", reason)
    }

    /// A handshake was refused.
    pub(crate) fn refused(address: &str, cause: &str) -> Self {
        Self::new("refused", format!("a handshake with {address} was refused: {cause}"))
            .caused_by(cause)
    }

    /// A snapshot, or a part of it, could not be stored.
    pub(crate) fn snapshot_failed(space: &SpaceId, run: u64, reason: &str) -> Self {
        let text = format!("snapshot {run} was not stored completely: {reason}");
        let notice = Self::new("snapshot_failed", text).caused_by(reason);
        Self { space: Some(space.to_string()), ..notice }
    }

    /// A line of this node's data, or a pattern in it, was left out.
    pub(crate) fn rejected_line(
        file: &str,
        line: Option<u64>,
        pattern: Option<String>,
        why: &str,
    ) -> Self {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        Self { pattern, ..Self::new("rejected", format!("{file}{line}: {why}")).caused_by(why) }
    }

    /// The followed file of snapshots cannot be read.
    pub(crate) fn unreadable(file: &str, error: &str) -> Self {
        let reason = format!("{file}: {error}; retrying until it can be read");
        Self::new(UNREADABLE, reason).caused_by(error)
    }

    /// The followed file of snapshots can be read again.
    pub(crate) fn readable(file: &str) -> Self {
        Self::new(READABLE, format!("{file} can be read again")).at(Level::Info)
    }

    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// A record of a peer was refused, whole or in part.
    pub(crate) fn rejected(peer: String, space: &SpaceId, id: &str, why: Rejection) -> Self {
        let why = why.to_string();
        Self { peer: Some(peer), ..Self::about(REJECTED, space, id, &why).caused_by(why) }
    }

    /// A record of this node or of the peer exceeds a limit of the wire.
    pub(crate) fn unsendable(peer: String, record: &Unsendable) -> Self {
        let Unsendable { space, id, what, holder, .. } = record;
        let (event, holder, peer) = match holder {
            Holder::Us => ("record_unsendable", "this node", None),
            Holder::Peer => ("peer_record_unsendable", &*peer, Some(peer.clone())),
        };
        let reason = format!(
            "{holder} holds it and cannot send it: {what}; it stays only there until it is written \
             again within the limit"
        );
        Self { peer, ..Self::about(event, space, id, &reason) }
    }

    /// Each cause has its own kind, and each peer, unless it only delivered a record that was refused.
    pub(crate) fn kind(&self) -> Kind {
        let peer = self.peer.clone().filter(|_| self.event != REJECTED);
        let space = self.space.clone().filter(|_| self.event.starts_with("belief_log"));
        Kind { of: self.event, reason: self.cause.clone(), peer, space }
    }

    /// The notice as text.
    pub(crate) fn sentence(&self) -> String {
        let refused = if self.event == REJECTED { "refused from " } else { "" };
        let peer = self.peer.as_ref().map(|peer| format!("{refused}{peer}: "));
        let pattern = self.pattern.as_ref().map(|id| {
            let space = self.space.as_ref().map(|space| format!(" of {space}"));
            format!("pattern {id:?}{}: ", space.unwrap_or_default())
        });
        let (peer, pattern) = (peer.unwrap_or_default(), pattern.unwrap_or_default());
        format!("{}: {peer}{pattern}{}", self.event, self.reason)
    }
}

const REJECTED: &str = "record_rejected";
const UNREADABLE: &str = "snapshots_unreadable";
const READABLE: &str = "snapshots_readable";

#[cfg(test)]
mod tests {
    use engram_bridge::replica::{Cap, PatternError};
    use engram_bridge::spaces::AddSpaceError;

    use super::*;

    fn space() -> SpaceId {
        SpaceId::new("notes").unwrap()
    }

    fn too_many() -> AddSpaceError {
        AddSpaceError::TooMany { space: space() }
    }

    fn every() -> Vec<StateEvent> {
        let (space, id, node) = (space(), "p\n7".to_owned(), NodeId::from([7; 32]));
        let place = "state.redb".to_owned();
        let failure = StorageError::Full { place, reason: "os error 28".to_owned() };
        vec![
            StateEvent::Reissued { space: space.clone(), id: id.clone() },
            StateEvent::GivenUp { space: space.clone(), id: id.clone() },
            StateEvent::Clash { space: space.clone(), id: id.clone(), node },
            StateEvent::SuppressionDropped { space: space.clone(), id: id.clone(), digests: 2 },
            StateEvent::Implausible { space: space.clone(), id: id.clone(), node },
            StateEvent::ClockAhead { node, ahead: 600 * 1_000_000_000 },
            StateEvent::OverCap { space, id, cap: Cap::Deletions },
            StateEvent::SpaceRefused { space: self::space(), error: too_many() },
            StateEvent::PatternRefused {
                space: self::space(),
                id: "p".to_owned(),
                reason: PatternError::Strength { value: -1.0 },
            },
            StateEvent::BeliefLog { space: self::space(), failure: Some("full".to_owned()) },
            StateEvent::BeliefLog { space: self::space(), failure: None },
            StateEvent::Storage { failure: Some(failure) },
            StateEvent::Storage { failure: None },
        ]
    }

    #[test]
    fn every_event_has_its_own_kind() {
        let notice = |event: &StateEvent| Notice::of(event, |_| "node-b".to_owned()).unwrap();
        let notices: Vec<Notice> = every().iter().map(notice).collect();
        let mut kinds: Vec<Kind> = notices.iter().map(Notice::kind).collect();
        kinds.sort();
        kinds.dedup();
        assert_eq!(kinds.len(), notices.len());
        for notice in &notices {
            let reason = &notice.reason;
            assert!(!reason.contains('\n'), "{reason}");
            assert!(!reason.contains("forget") && !reason.contains("delete "), "{reason}");
        }
    }

    #[test]
    fn a_rejection_is_one_kind_for_each_reason() {
        let notice = |id: &str, why| Notice::rejected("node-b".to_owned(), &space(), id, why);
        let (one, two) = (notice("p", Rejection::OverCap), notice("q", Rejection::OverCap));
        let sentence = format!(
            "record_rejected: refused from node-b: pattern \"p\" of notes: {}",
            Rejection::OverCap
        );
        assert_eq!(one.sentence(), sentence);
        assert_eq!(one.kind(), two.kind());
        assert_ne!(one.kind(), notice("p", Rejection::TooLarge).kind());
        assert!(one.kind().repeated(3, None).starts_with("3 more record_rejected: a cap"));
    }
}
