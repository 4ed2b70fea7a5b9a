//! Refusals, which tell the other side why a session ends.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::limits::MAX_NAME;
use crate::wire::{Reader, put, put_cut_text};
use crate::{DecodeError, SessionError};

/// The last message of a side that ends the session early.
///
/// Its layout never changes, in any wire version, so that nodes of different versions can still
/// tell each other what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The sender speaks only this wire version.
    Version(u8),
    /// A state parameter differs.
    Parameter {
        /// Name of the parameter.
        name: String,
        /// The value at the sender of the refusal.
        of_sender: String,
        /// The value at the receiver of the refusal.
        of_receiver: String,
    },
    /// The receiver exceeded a limit of the sender.
    Limit {
        /// The quantity that exceeded its cap.
        what: String,
        /// The cap.
        cap: u64,
    },
    /// The receiver broke a rule of the protocol or sent bytes that are not a message.
    Violation(String),
    /// The sender has no room for a session now; try again later.
    Busy,
    /// A deadline of the sender has passed.
    TimedOut,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "the peer speaks only wire version {version}"),
            Self::Parameter { name, of_sender, of_receiver } => {
                write!(
                    f,
                    "{name} is {of_receiver} here and {of_sender} at the peer; make them equal"
                )
            }
            Self::Limit { what, cap } => write!(f, "{what} exceeded the cap of {cap}"),
            Self::Violation(what) => write!(f, "protocol violation: {what}"),
            Self::Busy => f.write_str("busy; try again later"),
            Self::TimedOut => f.write_str("ran out of time"),
        }
    }
}

impl Refusal {
    /// The refusal to send after `error`; `None` if the peer needs none.
    pub(crate) fn of(error: &SessionError) -> Option<Self> {
        Some(match error {
            SessionError::Frame(DecodeError::Version { ours, .. }) => Self::Version(*ours),
            SessionError::Frame(DecodeError::OverLimit { what, cap, .. })
            | SessionError::OverLimit { what, cap } => {
                Self::Limit { what: (*what).into(), cap: *cap }
            }
            SessionError::Frame(error) => Self::Violation(alloc::format!("{error}")),
            SessionError::Violation(violation) => Self::Violation(alloc::format!("{violation}")),
            SessionError::Parameter { name, ours, theirs } => Self::Parameter {
                name: name.clone(),
                of_sender: ours.clone(),
                of_receiver: theirs.clone(),
            },
            SessionError::Idle | SessionError::TimedOut => Self::TimedOut,
            SessionError::RefusedByPeer(_) | SessionError::Over => return None,
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Version(version) => out.extend_from_slice(&[0, *version]),
            Self::Parameter { name, of_sender, of_receiver } => {
                out.push(1);
                for text in [name, of_sender, of_receiver] {
                    put_cut_text(out, text, MAX_NAME);
                }
            }
            Self::Limit { what, cap } => {
                out.push(2);
                put_cut_text(out, what, MAX_NAME);
                put(out, cap);
            }
            Self::Violation(what) => {
                out.push(3);
                put_cut_text(out, what, MAX_NAME);
            }
            Self::Busy => out.push(4),
            Self::TimedOut => out.push(5),
        }
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let text = |r: &mut Reader<'_>| r.text("a text of a refusal", MAX_NAME).map(String::from);
        Ok(match r.take::<u8>("a refusal")? {
            0 => Self::Version(r.take("a refusal")?),
            1 => Self::Parameter { name: text(r)?, of_sender: text(r)?, of_receiver: text(r)? },
            2 => Self::Limit { what: text(r)?, cap: r.take("a refusal's cap")? },
            3 => Self::Violation(text(r)?),
            4 => Self::Busy,
            5 => Self::TimedOut,
            _ => return Err(DecodeError::Invalid("a refusal")),
        })
    }
}
