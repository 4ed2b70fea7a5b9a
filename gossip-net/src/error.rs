//! The errors of starting a node, replacing its identity, handling adverts and running sessions.

use std::io;
use std::net::SocketAddr;

use engram_gossip_proto::{DecodeError, SessionError, SetupError};

use crate::{ConfigError, HandshakeError, IdentityError, NodeId};

/// The reason why a node did not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// A configured value is invalid.
    #[error("invalid configuration: {0}")]
    Config(#[from] ConfigError),
    /// The identity is unusable.
    #[error("unusable identity: {0}")]
    Identity(#[from] IdentityError),
    /// Sessions are impossible with these parameters, spaces or session limits.
    #[error("cannot open sessions: {0}")]
    Setup(#[from] SetupError),
    /// Another socket is bound to the address.
    #[error("{address} is in use; stop the other process, or listen on another port")]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// Binding the address failed for another reason.
    #[error(
        "cannot listen on {address}: {source}; use an address of this machine and a port that this user may open"
    )]
    Address {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The node was started outside a tokio runtime.
    #[error("a gossip node needs a tokio runtime with I/O and time enabled; start it inside one")]
    NoRuntime,
}

/// The reason why a running node did not accept a new identity. The old one stays in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotateError {
    /// The new identity is unusable.
    #[error("unusable new identity: {0}")]
    Identity(#[from] IdentityError),
    /// The new certificate is for another key, which means another node id.
    #[error(
        "the new certificate is for node {found}, but this is node {expected}; use a certificate for \
         the key of this node"
    )]
    OtherNode {
        /// The id of this node.
        expected: NodeId,
        /// The id of the new certificate's key.
        found: NodeId,
    },
}

/// The reason why an advert was not accepted. The node ignores the advert.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdvertError {
    /// The node is not in the roster.
    #[error("{0} is not in the roster; add it first")]
    NotInRoster(NodeId),
    /// No member of the roster has this name.
    #[error("no member of the roster is called {0:?}; use the host's names in the roster")]
    UnknownName(String),
    /// The bytes are not an advert of this wire version.
    #[error("not a root advert: {0}")]
    Unreadable(DecodeError),
}

/// The reason why a session failed. Records that it joined remain joined and valid; the next
/// session continues from there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The node is not in the roster.
    #[error("{0} is not in the roster; add it first")]
    NotInRoster(NodeId),
    /// No connection to the peer could be established.
    #[error("no connection: {0}")]
    Unreachable(#[from] HandshakeError),
    /// The connection ended during the session.
    #[error("the connection ended during the session: {0}")]
    Lost(String),
    /// The peer did not complete this step of the session in time.
    #[error("the peer took too long to {0}")]
    TimedOut(TimedStep),
    /// The peer ended the session because this node took too long.
    #[error("the peer gave up: this node took too long")]
    TooSlow,
    /// The peer is already running its maximum number of sessions, another session of this node
    /// already waits there, or the peer did not allow a stream within
    /// [`FRAME_TIMEOUT`](crate::limits::FRAME_TIMEOUT).
    #[error("the peer is busy with other sessions; this node retries later")]
    Busy,
    /// The peer refused the session because this node has used up its quota at the peer, or the
    /// peer has exceeded its send rate; this node retries after a pause.
    #[error("a rate limit at the peer was exceeded; this node retries later")]
    OverAllowance,
    /// The maximum number of previews is already running or waiting.
    #[error(
        "the maximum of {cap} previews is already running or waiting; retry when one has ended"
    )]
    TooManyPreviews {
        /// The maximum that was reached, either per peer or per node.
        cap: usize,
    },
    /// The peer ended the stream during the session.
    #[error("the peer ended the session early; see the peer's log")]
    Cut,
    /// The sync machine ended the session, for the reason that the [`SessionError`] states.
    #[error("{0}")]
    Session(SessionError),
    /// The host's view panicked, which ended only this session.
    #[error("the host's view panicked during the session; see its panic message")]
    Panicked,
    /// The hosted spaces, or those of a preview, do not allow a session.
    #[error("cannot open a session: {0}")]
    Setup(#[from] SetupError),
    /// The peer aborted the session because it cannot run sessions or received an invalid frame.
    #[error("the peer aborted the session; see its log, and run the same version on both nodes")]
    Rejected,
    /// One of the two nodes is shutting down.
    #[error("one of the two nodes is shutting down")]
    ShuttingDown,
}

/// The step of a session that a peer did not complete in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimedStep {
    /// The peer did not answer the first frame.
    #[error("answer")]
    Answer,
    /// The peer did not read a frame from this node.
    #[error("read a frame")]
    TakeFrame,
    /// The peer did not send the next frame.
    #[error("send a frame")]
    SendFrame,
    /// The peer did not end the session.
    #[error("finish the session")]
    Finish,
}

impl SyncError {
    /// A short, stable label for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotInRoster(_) => "not_in_roster",
            Self::Unreachable(_) => "unreachable",
            Self::Lost(_) => "lost",
            Self::TimedOut(_) | Self::TooSlow => "timed_out",
            Self::Busy => "busy",
            Self::OverAllowance => "over_allowance",
            Self::TooManyPreviews { .. } => "too_many_previews",
            Self::Cut => "cut",
            Self::Session(error) => of_session(error),
            Self::Panicked => "panicked",
            Self::Setup(_) => "setup",
            Self::Rejected => "rejected",
            Self::ShuttingDown => "shutting_down",
        }
    }
}

/// The label of a session that the sync machine ended. Only `protocol` means that the peer sent a
/// frame that cannot be read, or broke a rule of the protocol.
const fn of_session(error: &SessionError) -> &'static str {
    match error {
        SessionError::Frame(_) | SessionError::Violation(_) => "protocol",
        SessionError::Parameter { .. } => "parameters",
        SessionError::OverLimit { .. } => "over_limit",
        SessionError::RefusedByPeer(_) => "refused",
        SessionError::Idle | SessionError::TimedOut => "timed_out",
        _ => "session",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_protocol_errors_count_as_such() {
        let unreadable = SessionError::Frame(DecodeError::Invalid("a frame"));
        assert_eq!(SyncError::Session(unreadable).reason(), "protocol");
        let (ours, theirs) = ("4".to_owned(), "8".to_owned());
        let differs = SessionError::Parameter { name: "depth".to_owned(), ours, theirs };
        let others = [
            (SessionError::Idle, "timed_out"),
            (SessionError::TimedOut, "timed_out"),
            (differs, "parameters"),
            (SessionError::OverLimit { what: "records", cap: 1 }, "over_limit"),
        ];
        for (error, reason) in others {
            assert_eq!(SyncError::Session(error).reason(), reason);
        }
    }
}
