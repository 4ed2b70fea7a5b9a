//! Events of a node's state.

use engram_gossip_net::NodeId;
use engram_gossip_proto::SpaceId;

use crate::durable::storage::StorageError;
use crate::replica::caps::Cap;
use crate::replica::content::PatternError;
use crate::spaces::error::AddSpaceError;

/// The number of events buffered for each subscriber. A subscriber that falls further behind misses the oldest.
pub const STATE_EVENT_QUEUE: usize = 1_024;

/// An event of a node's state that may need attention.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StateEvent {
    /// A write of this process was reissued, because a later version of this node arrived that this process did not
    /// write: a second process writes under the same key, the clock was set back, or an older copy of the store was
    /// restored.
    Reissued {
        /// The space.
        space: SpaceId,
        /// The pattern id.
        id: String,
    },
    /// A write of this process was not reissued, because [`MAX_NODE_DOTS`](crate::replica::MAX_NODE_DOTS) dots of this
    /// node are live under the id.
    GivenUp {
        /// The space.
        space: SpaceId,
        /// The pattern id.
        id: String,
    },
    /// A dot arrived with a content other than the held one. Both contents are kept.
    Clash {
        /// The space.
        space: SpaceId,
        /// The pattern id.
        id: String,
        /// The node that wrote two contents under one version.
        node: NodeId,
    },
    /// A record exceeded its limit of suppressed contents, and the greatest digests were dropped.
    SuppressionDropped {
        /// The space.
        space: SpaceId,
        /// The pattern id.
        id: String,
        /// The number of dropped digests.
        digests: usize,
    },
    /// A peer sent versions of a node that are too far in the future.
    Implausible {
        /// The space.
        space: SpaceId,
        /// The pattern id.
        id: String,
        /// The node that wrote the versions.
        node: NodeId,
    },
    /// A member wrote a version more than [`CLOCK_TOLERANCE`](crate::replica::CLOCK_TOLERANCE) ahead of this node's
    /// clock: one of the two clocks is wrong. Published once for each member.
    ClockAhead {
        /// The member.
        node: NodeId,
        /// The time by which the version is ahead, in nanoseconds.
        ahead: u64,
    },
    /// A record from a peer, or a part of it, was refused because of a cap.
    OverCap {
        /// The space.
        space: SpaceId,
        /// The pattern id.
        id: String,
        /// The cap.
        cap: Cap,
    },
    /// A pattern of this node's engine was refused. It stays in the local view. A repeated refusal for the same
    /// reason causes no event, unless the reason is [`PatternError::Duplicate`].
    PatternRefused {
        /// The space.
        space: SpaceId,
        /// The pattern id.
        id: String,
        /// The reason, whose text names the limit or the next step.
        reason: PatternError,
    },
    /// The belief log can no longer be written, or can be written again.
    BeliefLog {
        /// The space.
        space: SpaceId,
        /// The path and the cause; `None` if the log was written.
        failure: Option<String>,
    },
    /// A space that a peer named was not added, although this node learns spaces.
    SpaceRefused {
        /// The space.
        space: SpaceId,
        /// The cause.
        error: AddSpaceError,
    },
    /// Changes can no longer be stored, or can be stored again.
    Storage {
        /// The failure; `None` if the last change was stored.
        failure: Option<StorageError>,
    },
}
