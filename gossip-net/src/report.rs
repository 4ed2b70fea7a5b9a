//! What sessions and rounds brought.

use std::time::Duration;

use engram_gossip_proto::{Ending, Outcome};

use crate::{NodeId, SyncError};

/// Who opened a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opener {
    /// This node.
    Us,
    /// The peer.
    Peer,
}

/// What a session brought.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SessionReport {
    /// With whom.
    pub peer: NodeId,
    /// Who opened it.
    pub opener: Opener,
    /// What the sync machine says.
    pub outcome: Outcome,
    /// Bytes sent on the stream, without QUIC's own.
    pub bytes_sent: u64,
    /// Bytes received on the stream, without QUIC's own.
    pub bytes_received: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl SessionReport {
    /// A short, stable word for counters.
    pub fn reason(&self) -> &'static str {
        match self.outcome.result {
            Ending::InSync => "in_sync",
            Ending::Synced => "synced",
            Ending::Unsendable => "unsendable",
            Ending::BudgetSpent => "budget_spent",
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

/// What a round brought: each chosen peer with the result of its session, in order of completion.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RoundReport {
    /// The peers that were contacted. A failure with one of them does not touch the others.
    pub contacts: Vec<(NodeId, Result<SessionReport, SyncError>)>,
}
