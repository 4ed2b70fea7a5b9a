//! The interface to a failure detector.

mod host;
pub(crate) mod packet;
#[cfg(feature = "swim")]
mod swim;

use std::time::Duration;

pub use host::{ADVERT_ROOM, CONSOLIDATION_ROOT, HostSwim};
#[cfg(feature = "swim")]
pub use swim::{Swim, SwimConfig};

use crate::{NodeId, Roster};

/// A failure detector's view of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Liveness {
    /// The member is worth contacting. This is the default for an unknown member.
    Alive,
    /// The member did not answer, and has limited time to refute the suspicion. It is still worth
    /// contacting.
    Suspect,
    /// The member is down or has left. The node rarely dials it.
    Down,
}

/// A failure detector, which reports the liveness of the roster's members.
///
/// The roster, not the failure detector, decides which nodes may join. Liveness affects only dials:
/// the node rarely dials members that are reported as down, and dials a member immediately when it
/// is reported as alive again. A wrong report costs time, never data: a member that is reported as
/// down is still dialled occasionally, may dial this node, and is served like any other.
///
/// There are three implementations: [`StaticSeeds`] reports every member as alive; [`HostSwim`]
/// relays the host's failure detector; `Swim` (feature `swim`) detects failures itself.
///
/// Like the sync machine, an implementation has no socket and no clock: [`handle`](Self::handle)
/// accepts inputs, packets and changes are polled, and [`poll_timeout`](Self::poll_timeout) returns
/// the next deadline. Several tasks call these methods, which must not block.
pub trait Membership: Send + Sync + 'static {
    /// The current liveness of `node`.
    fn liveness(&self, node: &NodeId) -> Liveness;

    /// The incarnation of `node`, if known. Later incarnations have larger numbers.
    fn incarnation(&self, node: &NodeId) -> Option<u64> {
        let _ = node;
        None
    }

    /// Handles an input. `now` is the time since the node started.
    ///
    /// The node passes one input at a time, and holds a lock meanwhile: this method must not call
    /// methods of the node's [`Gossip`](crate::Gossip), which may pass another input.
    fn handle(&self, input: MembershipInput<'_>, now: Duration) {
        let _ = (input, now);
    }

    /// Returns the next packet to send, of at most
    /// [`MAX_MEMBERSHIP_PACKET`](crate::limits::MAX_MEMBERSHIP_PACKET) bytes. It may be lost.
    fn poll_packet(&self) -> Option<(NodeId, Vec<u8>)> {
        None
    }

    /// Returns the next member whose liveness or incarnation changed.
    fn poll_change(&self) -> Option<(NodeId, Liveness)> {
        None
    }

    /// The time since the node's start at which to pass [`MembershipInput::Timeout`] unless another
    /// input comes first.
    fn poll_timeout(&self) -> Option<Duration> {
        None
    }
}

/// An input to a [`Membership`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum MembershipInput<'a> {
    /// The node has started. This is the first input, and is passed once.
    Started {
        /// The node itself.
        us: NodeId,
        /// The roster in force.
        roster: &'a Roster,
    },
    /// A new roster is in force.
    Roster(&'a Roster),
    /// A member is connected.
    Connected(NodeId),
    /// A member has announced its shutdown.
    Left(NodeId),
    /// A packet arrived over the connection of a member.
    Packet {
        /// The sender.
        from: NodeId,
        /// The packet.
        bytes: &'a [u8],
    },
    /// The deadline of [`Membership::poll_timeout`] has passed.
    Timeout,
    /// The node is shutting down. This is the last input; the packets that result from it are still
    /// sent.
    Leaving,
}

/// Reports every member of the roster as alive.
///
/// Failed dials are still retried with back-off.
#[derive(Clone, Copy, Debug, Default)]
pub struct StaticSeeds;

impl Membership for StaticSeeds {
    fn liveness(&self, _node: &NodeId) -> Liveness {
        Liveness::Alive
    }
}
