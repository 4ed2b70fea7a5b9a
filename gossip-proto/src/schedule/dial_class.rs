//! The classes of members that wait to be dialled.

use super::limits::{MAX_DIALS, MAX_LOST_DIALS, MAX_UNREACHABLE_DIALS};

/// The priority of a member's dial, and its share of the permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DialClass {
    /// The host waits for the member.
    Requested,
    /// No failure is on record for the member.
    New,
    /// The member counts as [lost recently](super::limits::MET_LATELY).
    Lost,
    /// The last dial of the member failed, or one side rejected the last connection.
    Unreachable,
}

impl DialClass {
    pub(super) const ALL: [Self; 4] = [Self::Requested, Self::New, Self::Lost, Self::Unreachable];

    /// The maximum number of dials of the class that hold a permit at once.
    pub(super) fn share(self) -> usize {
        match self {
            Self::Requested | Self::New => MAX_DIALS,
            Self::Lost => MAX_LOST_DIALS,
            Self::Unreachable => MAX_UNREACHABLE_DIALS,
        }
    }
}
