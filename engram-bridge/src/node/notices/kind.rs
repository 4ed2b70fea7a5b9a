//! Kinds of notices, and the states that they begin and end.

use serde::Serialize;

use super::level::Level;

/// The kind of a notice. Repeated notices of one kind form an episode.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Kind {
    /// The code of the event.
    pub(super) of: &'static str,
    /// The severity of the event.
    #[serde(skip)]
    pub(super) level: Level,
    /// The cause, if each cause has separate episodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// The peer, if each peer has separate episodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) peer: Option<String>,
    /// The space, if each space has separate episodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) space: Option<String>,
}

/// Pairs of events. Each event of a pair ends the state that the other event begins.
const STATES: [[&str; 2]; 6] = [
    ["disconnected", "connected"],
    ["storage_failure", "storage_recovered"],
    ["clock_fault", "clock_recovered"],
    ["belief_log_failed", "belief_log_recovered"],
    ["snapshots_unreadable", "snapshots_readable"],
    ["no_control_socket", "control_socket_recovered"],
];

/// A part of the node that is in one of two states, such as the connection to a peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    states: [&'static str; 2],
    peer: Option<String>,
    space: Option<String>,
}

impl Kind {
    /// The subject whose state changes with an event of this kind; `None` if no state changes.
    pub(super) fn subject(&self) -> Option<Subject> {
        let states = STATES.into_iter().find(|states| states.contains(&self.of))?;
        Some(Subject { states, peer: self.peer.clone(), space: self.space.clone() })
    }

    /// Whether two kinds have the same event, peer and space; their causes may differ.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let parts = |kind: &Self| (kind.of, kind.peer.clone(), kind.space.clone());
        parts(self) == parts(other)
    }

    /// Returns the kind that is shared by all causes without separate episodes.
    pub(super) fn of_other_causes(&self) -> Self {
        Self { reason: Some("other reasons".to_owned()), ..self.clone() }
    }
}
