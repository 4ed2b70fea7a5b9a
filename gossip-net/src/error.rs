//! What can go wrong above the handshake.

use std::io;
use std::net::SocketAddr;

use engram_gossip_proto::{DecodeError, SessionError, SetupError};

use crate::{ConfigError, HandshakeError, IdentityError, NodeId};

/// Why a node did not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// A configured value cannot work.
    #[error("the configuration cannot work: {0}")]
    Config(#[from] ConfigError),
    /// The identity cannot be used.
    #[error("the identity cannot be used: {0}")]
    Identity(#[from] IdentityError),
    /// No session could begin with these parameters, spaces or session limits.
    #[error("no session can begin: {0}")]
    Setup(#[from] SetupError),
    /// Another process has the address.
    #[error("{address} is in use; stop the other process, or listen on another port")]
    InUse {
        /// Which address.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {address}: {source}; use an address of this machine")]
    Address {
        /// Which address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Called outside of a tokio runtime.
    #[error("a gossip node needs a tokio runtime with I/O and time enabled; start it inside one")]
    NoRuntime,
}

/// Why a running node did not take another identity. The old one stays in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotateError {
    /// The new identity cannot be used.
    #[error("the new identity cannot be used: {0}")]
    Identity(#[from] IdentityError),
    /// The new certificate is for another key: that would be another node.
    #[error("the new certificate makes this node {found}, but it is {expected}; keep the key")]
    OtherNode {
        /// Who this node is.
        expected: NodeId,
        /// Who it would become.
        found: NodeId,
    },
}

/// Why bytes were not taken as a root advert. They are ignored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdvertError {
    /// The node is not in the roster.
    #[error("{0} is not in the roster; add it first")]
    NotInRoster(NodeId),
    /// No member of the roster has this name.
    #[error("no member of the roster is called {0:?}; name the members as the host does")]
    UnknownName(String),
    /// The bytes are no advert of this wire version.
    #[error("no root advert: {0}")]
    Unreadable(DecodeError),
}

/// Why a session brought no result. What it joined before it ended stays joined, and is valid; the
/// next session goes on from there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The node is not in the roster.
    #[error("{0} is not in the roster; add it first")]
    NotInRoster(NodeId),
    /// No connection could be made.
    #[error("no connection: {0}")]
    Unreachable(#[from] HandshakeError),
    /// The connection ended under the session.
    #[error("the connection ended during the session: {0}")]
    Lost(String),
    /// The peer was silent, or took nothing from us, for too long.
    #[error("the peer took too long to {0}")]
    TimedOut(TimedStep),
    /// The peer has as many sessions as it takes; it is asked again later.
    #[error("the peer has as many sessions as it takes; it is asked again later")]
    Busy,
    /// The peer refused the session because this node, or all together, have used up what it grants;
    /// it is asked again after a pause.
    #[error("the peer grants no more for now; it is asked again later")]
    OverAllowance,
    /// As many previews as may be run or wait already.
    #[error("{cap} previews run or wait already, as many as may; ask again when one has ended")]
    TooManyPreviews {
        /// How many may: of the peer, or in all.
        cap: usize,
    },
    /// The peer ended the stream in the middle of the session.
    #[error("the peer ended the session early; its own log should say why")]
    Cut,
    /// The sync machine ended the session; the text says what to do.
    #[error("{0}")]
    Session(SessionError),
    /// The host's view panicked; that ended this session, and nothing else.
    #[error("the host's view panicked during the session; see its panic message")]
    Panicked,
    /// No session can begin with what this node hosts.
    #[error("no session can begin: {0}")]
    Setup(#[from] SetupError),
    /// The peer says that we broke the protocol.
    #[error("the peer refused what this node sent; do both run the same version?")]
    Rejected,
    /// One of the two nodes shuts down.
    #[error("one of the two nodes shuts down")]
    ShuttingDown,
}

/// The step of a session that took a peer too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimedStep {
    /// It did not answer the first frame.
    #[error("answer")]
    Answer,
    /// It did not take a frame of this node.
    #[error("take a frame")]
    TakeFrame,
    /// It did not send the next frame.
    #[error("send a frame")]
    SendFrame,
    /// It gave up on this node.
    #[error("wait for this node")]
    Wait,
    /// It did not end the session in time.
    #[error("finish the session")]
    Finish,
}

impl SyncError {
    /// A short, stable word for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotInRoster(_) => "not_in_roster",
            Self::Unreachable(_) => "unreachable",
            Self::Lost(_) => "lost",
            Self::TimedOut(_) => "timed_out",
            Self::Busy => "busy",
            Self::OverAllowance => "over_allowance",
            Self::TooManyPreviews { .. } => "too_many_previews",
            Self::Cut => "cut",
            Self::Session(_) => "session",
            Self::Panicked => "panicked",
            Self::Setup(_) => "setup",
            Self::Rejected => "rejected",
            Self::ShuttingDown => "shutting_down",
        }
    }
}
