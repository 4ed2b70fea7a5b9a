//! Events of a node's state.

use engram_gossip_net::NodeId;
use engram_gossip_proto::SpaceId;

use crate::durable::storage::StorageError;
use crate::replica::caps::Cap;
use crate::replica::content::PatternError;
use crate::spaces::error::AddSpaceError;

/// Events that wait for a subscriber; a slower one misses the oldest.
pub const STATE_EVENT_QUEUE: usize = 1_024;

/// An event of a node's state that a person may want to know of.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StateEvent {
    /// A write of this process was written again: a later version of this node arrived that it did
    /// not write. A second process writes under the same key, or the clock was set back.
    Reissued {
        /// The space.
        space: SpaceId,
        /// The pattern id.
        id: String,
    },
    /// A write of this process was not written again, because [`MAX_NODE_DOTS`](crate::replica::MAX_NODE_DOTS)
    /// own dots are live.
    GivenUp {
        /// The space.
        space: SpaceId,
        /// The pattern id.
        id: String,
    },
    /// One dot arrived with another content than the one held under it. Both stay.
    Clash {
        /// The space.
        space: SpaceId,
        /// The pattern id.
        id: String,
        /// The node that wrote twice under one version.
        node: NodeId,
    },
    /// A record suppresses more contents than it may: the greatest digests gave way.
    SuppressionDropped {
        /// The space.
        space: SpaceId,
        /// The pattern id.
        id: String,
        /// How many digests gave way.
        digests: usize,
    },
    /// A peer sent versions of a node that lie too far in the future.
    Implausible {
        /// The space.
        space: SpaceId,
        /// The pattern id.
        id: String,
        /// The node whose versions they are.
        node: NodeId,
    },
    /// A member writes versions ahead of this node's clock: one of the two clocks is wrong.
    ClockAhead {
        /// The member.
        node: NodeId,
        /// How far, in nanoseconds.
        ahead: u64,
    },
    /// Records of peers were refused because of a cap.
    OverCap {
        /// The space.
        space: SpaceId,
        /// The pattern id.
        id: String,
        /// The cap.
        cap: Cap,
    },
    /// A pattern of the own engine was refused. It stays in the local view; a repetition for the same
    /// reason is no event.
    PatternRefused {
        /// The space.
        space: SpaceId,
        /// The pattern id.
        id: String,
        /// The cause, and what to do.
        reason: PatternError,
    },
    /// The belief log cannot be written, or can be written again.
    BeliefLog {
        /// The space.
        space: SpaceId,
        /// The path and the cause; `None` if the last lines were written.
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
