//! What others ask of a peer's task.

use std::net::SocketAddr;
use std::time::Duration;

use engram_gossip_proto::schedule::{Refusal, SessionId, Terms};
use quinn::Connection;
use tokio::sync::oneshot;

use crate::replicas::MakeMachine;
use crate::{SessionReport, SyncError};

/// What others ask of a peer's task.
pub(crate) enum Command {
    /// The peer dialled this node and proved its identity.
    Accepted(Connection),
    /// Open a session that begins after now, and say how it ended.
    Request(Answer),
    /// Open a session over views of the caller.
    RequestPreview(PreviewRequest),
    /// The roster may give the peer another address.
    Moved,
    /// The peer was met at this address, which the roster gives to another member.
    Sighted(SocketAddr),
    // What the scheduler decides.
    /// Look up the addresses of the peer.
    Resolve,
    /// Dial the peer.
    Dial { timeout: Duration },
    /// Open a session.
    Open { session: SessionId, terms: Terms },
    /// Open the session of the oldest preview.
    Preview { session: SessionId, terms: Terms },
    /// Hold the session of the peer that waits.
    Accept { session: SessionId, terms: Terms },
    /// Refuse the session of the peer that waits.
    Refuse { reason: Refusal },
}

/// Where a caller waits for the result of a session.
pub(crate) type Answer = oneshot::Sender<Result<SessionReport, SyncError>>;

/// A preview that a caller asked for.
pub(crate) struct PreviewRequest {
    pub(crate) machine: MakeMachine,
    pub(crate) answer: Answer,
}
