//! Severities of events.

use serde::Serialize;

/// The severity of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Normal operation.
    Info,
    /// An operator should investigate the cause during working hours.
    Warning,
    /// An operation failed, or is refused until an operator acts.
    Error,
}
