//! Errors from decoding, session setup and sessions.

use alloc::string::String;

use crate::config::MIN_RECEIVE_BUDGET;
use crate::{ProtocolViolation, Refusal};

/// Why bytes are not a valid message, advert, record or content. No part of them was used or
/// stored.
///
/// If the bytes are from a session, end the session: the stream may be out of step. Ignore an
/// invalid advert.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside the named value: the frame was truncated, or its length is wrong.
    #[error("the bytes end inside {0}")]
    Truncated(&'static str),
    /// The bytes do not begin with the magic of this protocol: the sender speaks another protocol.
    #[error("not a gossip frame or advert: the first bytes are {0:02x?}")]
    Magic([u8; 2]),
    /// A version of the wire that this build does not speak. Upgrade the older side.
    #[error("wire version {theirs} is not supported, because this build speaks version {ours}")]
    Version {
        /// The version that this build speaks.
        ours: u8,
        /// The version of the frame.
        theirs: u8,
    },
    /// A version of adverts that this build does not speak. Upgrade the older side.
    #[error("advert version {theirs} is not supported, because this build speaks version {ours}")]
    AdvertVersion {
        /// The version that this build speaks.
        ours: u8,
        /// The version of the advert.
        theirs: u8,
    },
    /// A kind of message that this wire version does not have.
    #[error("message kind {0} is unknown in this wire version")]
    Kind(u8),
    /// Flag bits that this wire version does not define.
    #[error("flags {0:#010b} include bits that this wire version does not define")]
    Flags(u8),
    /// A size or a count exceeds its cap. The decoder did not allocate more than the caps allow.
    #[error("{what}: {value} exceeds the cap of {cap}")]
    OverLimit {
        /// The quantity that exceeds its cap.
        what: &'static str,
        /// The value, or one above the cap if the decoder stopped counting there.
        value: u64,
        /// The cap, from [`limits`](crate::limits) or from the codec of a content.
        cap: u64,
    },
    /// A valid value that is not in its canonical form.
    #[error("{0} is not in its canonical form")]
    NotCanonical(&'static str),
    /// A value that is malformed or that this wire version does not define.
    #[error("{0} has an invalid value")]
    Invalid(&'static str),
    /// Bytes follow the end of the message.
    #[error("{0} bytes follow the end of the message")]
    Trailing(usize),
}

/// Why a session could not start. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A space was given twice; name each space once.
    #[error("space {0} was given twice")]
    DuplicateSpace(String),
    /// More spaces than one session may cover; sync them in several sessions.
    #[error("{0} spaces are more than a session may cover ({cap})", cap = crate::limits::MAX_SPACES)]
    TooManySpaces(usize),
    /// The name or the value of a parameter is longer than the wire allows; use a shorter one.
    #[error("the name or the value of parameter {0} exceeds {cap} bytes", cap = crate::limits::MAX_NAME)]
    LongParameter(String),
    /// More parameters than a hello may carry; merge some.
    #[error("{0} parameters are more than a hello may carry ({cap})", cap = crate::limits::MAX_PARAMETERS)]
    TooManyParameters(usize),
    /// [`SessionConfig::max_patterns_per_sync`](crate::SessionConfig::max_patterns_per_sync) is
    /// outside its range.
    #[error("max_patterns_per_sync is {0}; use a value from 1 to {cap}", cap = crate::limits::MAX_RECORDS)]
    MaxPatternsPerSync(u32),
    /// [`SessionConfig::receive_budget`](crate::SessionConfig::receive_budget) has no room for a
    /// frame and the hashes of a session.
    #[error("receive_budget is {0} bytes; set it to at least {MIN_RECEIVE_BUDGET}")]
    ReceiveBudget(u64),
}

/// Why a session ended early, or why it ignored a frame. Records that were applied before the error
/// are valid and are kept; nothing else was stored. Start a new session later; it needs no state
/// from this one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The peer sent bytes that are not a message.
    #[error("the peer's frame cannot be read: {0}")]
    Frame(#[from] DecodeError),
    /// The peer broke a rule of the protocol.
    #[error("the peer broke the protocol: {0}")]
    Violation(#[from] ProtocolViolation),
    /// A state parameter differs, so the two nodes cannot share state. Configure both nodes with
    /// the same value.
    #[error("{name} differs: {ours} here, {theirs} at the peer; state cannot be shared")]
    Parameter {
        /// The name of the parameter: `hash`, `depth`, or the name of a host-defined pair.
        name: String,
        /// The value on this node.
        ours: String,
        /// The value at the peer.
        theirs: String,
    },
    /// The peer exceeded a cap on the whole session or on the contents ahead of a part.
    #[error("{what}: the peer exceeded the cap of {cap}")]
    OverLimit {
        /// The quantity that exceeds its cap.
        what: &'static str,
        /// The cap.
        cap: u64,
    },
    /// The peer ended the session and gave a reason.
    #[error("the peer refused: {0}")]
    RefusedByPeer(Refusal),
    /// The peer sent no whole frame within
    /// [`SessionConfig::idle_timeout`](crate::SessionConfig::idle_timeout).
    #[error("the session ran out of time: the peer was silent for too long")]
    Idle,
    /// The session exceeded
    /// [`SessionConfig::session_timeout`](crate::SessionConfig::session_timeout).
    #[error("the session ran out of time: it took too long")]
    TimedOut,
    /// A frame arrived after the end of the session and was ignored.
    #[error("the session is over")]
    Over,
}
