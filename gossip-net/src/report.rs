//! Results of sessions and rounds.

use std::time::Duration;

use engram_gossip_proto::{Ending, Outcome};

use crate::{NodeId, SyncError};

/// The side that opened a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opener {
    /// This node.
    Us,
    /// The peer.
    Peer,
}

/// The result of a session.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SessionReport {
    /// The peer.
    pub peer: NodeId,
    /// The side that opened the session.
    pub opener: Opener,
    /// The outcome of the sync machine.
    pub outcome: Outcome,
    /// Bytes sent on the stream, without QUIC's overhead.
    pub bytes_sent: u64,
    /// Bytes received on the stream, without QUIC's overhead.
    pub bytes_received: u64,
    /// Duration of the session.
    pub elapsed: Duration,
}

impl SessionReport {
    /// A short, stable label for counters.
    pub fn reason(&self) -> &'static str {
        match self.outcome.result {
            Ending::InSync => "in_sync",
            Ending::Synced => "synced",
            Ending::Unsendable => "unsendable",
            Ending::BudgetSpent => "budget_spent",
            Ending::NotAccepted => "not_accepted",
            Ending::NothingShared => "nothing_shared",
            Ending::Failed(_) => "failed",
            _ => "other",
        }
    }

    /// Whether both nodes had equal roots at the end.
    pub fn is_equal(&self) -> bool {
        self.outcome.result == Ending::InSync
    }

    /// Whether the session changed this node's state.
    pub fn changed_us(&self) -> bool {
        self.outcome.stats.applied > 0
    }
}

/// The result of a round: each contacted peer with the result of its session, in order of
/// completion.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RoundReport {
    /// The contacted peers and the results of their sessions. A failure with one peer does not
    /// affect the others.
    pub contacts: Vec<(NodeId, Result<SessionReport, SyncError>)>,
}
