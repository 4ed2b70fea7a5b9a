//! Faults that a node reports: its own, and those of its clock, its disk and its peers.

use std::fmt;
use std::time::Duration;

use engram_gossip_net::{Event as Net, NodeId};
use engram_gossip_proto::{Event as Noticed, Holder, Rejection, SpaceId, Unsendable};
use serde::Serialize;

use super::kind::Kind;
use super::level::Level;
use crate::durable::recovery::counted;
use crate::durable::storage::StorageError;
use crate::node::telemetry::Warning;
use crate::replica::{MAX_NODE_DOTS, MAX_SUPPRESSED};
use crate::spaces::event::StateEvent;

/// The explanation of sessions that make no progress. A node that refuses records reports each of
/// them with the reason; its peer cannot know the reason, and reports this text.
const STALLED: &str = "one of the two nodes refuses records from the other, and reports their ids and the \
     reasons; or one holds records that exceed a limit of the wire, which both report; or a record exceeds \
     the quota of bytes that one node grants the other";

/// The explanation of sessions that make no progress because the peer accepts no records.
const NOT_ACCEPTED: &str = "the peer does not currently accept records, and its page and its events name the cause; this \
     node keeps its changes and sends them as soon as the peer accepts them";

/// A fault or its end, with the cause and, for most faults, the next step. It prints as one line of text, whose
/// control characters are not escaped; its JSON has a stable code in the field `event`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
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
    /// The cause and, for most faults, the next step.
    reason: String,
    /// The cause alone, if each cause has its own episodes.
    #[serde(skip)]
    cause: Option<String>,
}

impl Notice {
    /// Creates a warning with a stable code. `reason` states its cause and the next step.
    pub fn new(event: &'static str, reason: String) -> Self {
        let (peer, space, pattern, writer, cap, cause) = (None, None, None, None, None, None);
        let level = Level::Warning;
        Self { event, level, peer, space, pattern, writer, cap, reason, cause }
    }

    /// The same notice with a cause. Each cause has its own episodes.
    #[must_use]
    pub fn caused_by(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// The same notice at a different level.
    #[must_use]
    pub fn at(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// The same notice, about a space.
    #[must_use]
    pub fn of_space(self, space: &SpaceId) -> Self {
        Self { space: Some(space.to_string()), ..self }
    }

    /// The same notice, about a pattern.
    #[must_use]
    pub fn of_pattern(self, id: String) -> Self {
        Self { pattern: Some(id), ..self }
    }

    fn about(event: &'static str, space: &SpaceId, id: &str, reason: &str) -> Self {
        let (space, pattern) = (Some(space.to_string()), Some(id.to_owned()));
        Self { space, pattern, ..Self::new(event, reason.to_owned()) }
    }

    /// Returns the notice for an event of the state. `name` returns the display name of a node.
    pub fn of_state(event: &StateEvent, name: impl Fn(NodeId) -> String) -> Self {
        match event {
            StateEvent::Reissued { space, id } => Self::about(
                "reissued",
                space,
                id,
                "a peer knows a later version of this node that this process did not write; this \
                 process's version was reissued alongside it; look for a second process under this \
                 node's key, and give it a separate key",
            )
            .caused_by(id)
            .at(Level::Error),
            StateEvent::GivenUp { space, id } => Self::about(
                "given_up",
                space,
                id,
                &format!(
                    "a peer knows a later version of this node that this process did not write, and \
                     {MAX_NODE_DOTS} versions of this node are live already, so the version of this \
                     process was not reissued; look for a second process under this node's key, and give it \
                     a separate key"
                ),
            )
            .caused_by(id)
            .at(Level::Error),
            StateEvent::Clash { space, id, node } => {
                let node = name(*node);
                let reason = format!(
                    "{node} wrote two contents under one version; both are kept; look for a second \
                     process under its key"
                );
                Self::about("clash", space, id, &reason).of_writer(node)
            }
            StateEvent::SuppressionDropped { space, id, digests } => Self::about(
                "suppression_dropped",
                space,
                id,
                &format!(
                    "more than {MAX_SUPPRESSED} of its contents are suppressed, so {} dropped; an \
                     engine that submits these contents again makes them visible",
                    counted(*digests as u64, "digest was", "digests were")
                ),
            ),
            StateEvent::Implausible { space, id, node } => {
                let node = name(*node);
                let reason = format!(
                    "the versions of {node} are too far in the future and were refused for now; \
                     other parts of the record are not affected; set the clock of that node or of this node"
                );
                Self::about("implausible", space, id, &reason).of_writer(node)
            }
            StateEvent::ClockAhead { node, ahead } => {
                let (node, ahead) = (name(*node), Duration::from_nanos(*ahead));
                let reason = format!(
                    "{node} wrote a version {} s ahead of the clock of this machine; it was \
                     still joined; compare the two clocks, and set the wrong one",
                    ahead.as_secs()
                );
                Self::new("clock_ahead", reason).of_writer(node)
            }
            StateEvent::OverCap { space, id, cap } => {
                let reason = format!(
                    "{} is reached, so a record from a peer, or a part of it, was refused; records already held are kept; \
                     raise the cap and restart the node",
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
        }
    }

    /// Returns the notice for an event of the network; `None` for all other events, such as a completed session, a
    /// recovered peer, a missing common space, and a change to a member or to the roster. `name` returns the display
    /// name of a node.
    pub fn of_network(event: &Net, name: impl Fn(NodeId) -> String) -> Option<Self> {
        use Level::{Info, Warning};
        Some(match event {
            Net::Noticed { peer, what: Noticed::Rejected { space, id, reason } } => {
                Self::rejected(name(*peer), space, id, *reason)
            }
            Net::Noticed { peer, what: Noticed::Unsendable(record) } => {
                Self::unsendable(name(*peer), record)
            }
            Net::Refused { address, cause, .. } => {
                let reason = format!("a handshake with {address} failed: {cause}");
                Self::new("refused", reason).caused_by(cause.to_string())
            }
            Net::SessionFailed { peer, cause } => {
                let cause = cause.to_string();
                Self::peer("session_failed", Warning, name(*peer), cause.clone()).caused_by(cause)
            }
            Net::Unreachable { peer, cause, retry_in } => {
                let reason = format!("{cause}; retrying in {retry_in:.1?}");
                let notice = Self::peer("unreachable", Warning, name(*peer), reason);
                notice.caused_by(cause.to_string())
            }
            Net::Disconnected { peer, reason } => {
                Self::peer("disconnected", Info, name(*peer), reason.clone())
            }
            Net::Connected { peer } => {
                let reason = "a connection is established".to_owned();
                Self::peer("connected", Info, name(*peer), reason)
            }
            Net::Stalled { peer, sessions, not_accepted } => {
                let cause = if *not_accepted { NOT_ACCEPTED } else { STALLED };
                let reason = format!("{sessions} sessions in a row made no progress: {cause}");
                Self::peer("stalled", Warning, name(*peer), reason)
            }
            _ => return None,
        })
    }

    /// The notice that the store refuses changes or, without a failure, that it accepts them again.
    pub fn storage(failure: Option<&StorageError>) -> Self {
        match failure {
            Some(failure) => Self::warning(&Warning::StorageFailure(failure.clone())),
            None => Self::new("storage_recovered", "changes are stored again".to_owned())
                .at(Level::Info),
        }
    }

    /// The notice for a warning.
    pub fn warning(warning: &Warning) -> Self {
        let level = if warning.is_critical() { Level::Error } else { Level::Warning };
        Self::new(warning.code(), format!("{warning}; {}", warning.next_step())).at(level)
    }

    /// The notice that the clock of this machine is correct again.
    pub fn clock_recovered() -> Self {
        Self::new("clock_recovered", "the clock of this machine is correct again".to_owned())
            .at(Level::Info)
    }

    /// The notice that events were lost, because they arrived faster than they were read.
    pub fn missed(events: u64) -> Self {
        let events = match events {
            1 => "1 event was".to_owned(),
            _ => format!("{events} events were"),
        };
        let reason = format!("{events} not reported; the metrics count them");
        Self::new("events_missed", reason)
    }

    /// The same notice, about versions that `node` wrote. Each node has its own episodes.
    fn of_writer(self, node: String) -> Self {
        Self { writer: Some(node.clone()), ..self.caused_by(node) }
    }

    /// A notice about a peer or the connection to it.
    pub fn peer(event: &'static str, level: Level, peer: String, reason: String) -> Self {
        Self { peer: Some(peer), ..Self::new(event, reason).at(level) }
    }

    /// The notice that a peer hosts none of the spaces of this node.
    pub fn no_common_space(peer: String) -> Self {
        let reason =
            "the two nodes host no common space, so nothing is exchanged; compare node.spaces";
        Self::peer("no_common_space", Level::Warning, peer, reason.to_owned())
    }

    /// The stable code of the notice.
    pub(super) const fn code(&self) -> &'static str {
        self.event
    }

    /// The severity of the notice.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The notice that a record from a peer was refused, whole or in part.
    fn rejected(peer: String, space: &SpaceId, id: &str, why: Rejection) -> Self {
        let why = why.to_string();
        Self { peer: Some(peer), ..Self::about(REJECTED, space, id, &why).caused_by(why) }
    }

    /// The notice that a record of this node or of the peer exceeds a limit of the wire.
    fn unsendable(peer: String, record: &Unsendable) -> Self {
        let Unsendable { space, id, what, holder, .. } = record;
        let (event, holder, peer) = match holder {
            Holder::Us => ("record_unsendable", "this node", None),
            Holder::Peer => ("peer_record_unsendable", &*peer, Some(peer.clone())),
        };
        let reason = format!(
            "{holder} holds it and cannot send it: {what}; no other node receives it until it is written \
             again within the limit"
        );
        Self { peer, ..Self::about(event, space, id, &reason) }
    }

    /// The kind of the notice. Each cause has its own kind. Each peer also has its own kind, except
    /// for refused records, which the peer only delivered. For belief logs, each space has its own.
    pub fn kind(&self) -> Kind {
        let peer = self.peer.clone().filter(|_| self.event != REJECTED);
        let space = self.space.clone().filter(|_| self.event.starts_with("belief_log"));
        Kind { of: self.event, level: self.level, reason: self.cause.clone(), peer, space }
    }

    /// The notice as text.
    fn sentence(&self) -> String {
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

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence())
    }
}

const REJECTED: &str = "record_rejected";

#[cfg(test)]
mod tests {
    use crate::replica::{Cap, PatternError};
    use crate::spaces::error::AddSpaceError;

    use super::*;
    use crate::node::notices::Repeated;

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
        let notice = |event: &StateEvent| Notice::of_state(event, |_| "node-b".to_owned());
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
        assert!(
            Repeated::new(one.kind(), 3, None)
                .to_string()
                .starts_with("3 more record_rejected: a cap")
        );
    }
}
