//! Commands for a peer's task.

use std::net::SocketAddr;
use std::time::Duration;

use engram_gossip_proto::schedule::{Refusal, SessionId, Terms};
use quinn::Connection;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::replicas::MakeMachine;
use crate::{SessionReport, SyncError};

/// A command for a peer's task.
pub(crate) enum Command {
    /// The peer dialled this node and proved its identity. Its first packet arrived at the given
    /// time.
    Accepted(Connection, Instant),
    /// Open a session that begins after this request, and send its result to the caller.
    Request(Answer),
    /// Open a session over the caller's views.
    RequestPreview(PreviewRequest),
    /// The roster was replaced, and may list another address for the peer.
    Moved,
    /// The peer answered at this address, which the roster lists for another member.
    Sighted(SocketAddr),
    // Decisions of the scheduler.
    /// Look up the addresses of the peer.
    Resolve,
    /// Dial the peer.
    Dial { timeout: Duration },
    /// Open a session.
    Open { session: SessionId, terms: Terms },
    /// Open the session of the oldest preview.
    Preview { session: SessionId, terms: Terms },
    /// Run the peer's waiting session.
    Accept { session: SessionId, terms: Terms },
    /// Refuse the peer's waiting session.
    Refuse { reason: Refusal },
}

/// Receives the result of a session.
pub(crate) type Answer = oneshot::Sender<Result<SessionReport, SyncError>>;

/// A caller's request for a preview.
pub(crate) struct PreviewRequest {
    pub(crate) machine: MakeMachine,
    pub(crate) answer: Answer,
}
