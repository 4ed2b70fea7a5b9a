//! Which members are worth contacting: the interface to a failure detector.

mod host;
pub(crate) mod packet;
#[cfg(feature = "swim")]
mod swim;

use std::time::Duration;

pub use host::{ADVERT_ROOM, CONSOLIDATION_ROOT, HostSwim};
#[cfg(feature = "swim")]
pub use swim::{Swim, SwimConfig, SwimConfigError};

use crate::{NodeId, Roster};

/// How a failure detector sees a member of the roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Liveness {
    /// Worth contacting. Also what is said of a member that nothing is known about.
    Alive,
    /// It did not answer, and has a little time to show that it is alive. Worth contacting.
    Suspect,
    /// Not worth contacting often: it is down, or it has left.
    Down,
}

/// Who of the roster is worth contacting at the moment.
///
/// Membership never lets anybody in: the roster does that. It only spares the timer and the dialler
/// members that are known to be down. A wrong answer costs time, never data: a member that is called
/// down is still dialled now and then, may dial this node, and is served like any other.
///
/// There are three: [`StaticSeeds`] calls everybody alive; [`HostSwim`] repeats what a failure
/// detector of the host says; `Swim` (feature `swim`) finds out by itself.
///
/// Like the sync machine, it has no socket and no clock: what happens is put in by
/// [`handle`](Self::handle), packets and changes are polled, and [`poll_timeout`](Self::poll_timeout)
/// tells when to come back. Calls come from several tasks, and have to return at once.
pub trait Membership: Send + Sync + 'static {
    /// How `node` is seen now.
    fn liveness(&self, node: &NodeId) -> Liveness;

    /// The incarnation of `node`, as far as it is known. A larger number is a later one.
    fn incarnation(&self, node: &NodeId) -> Option<u64> {
        let _ = node;
        None
    }

    /// Takes what happened. `now` is the time since the node started.
    fn handle(&self, input: MembershipInput<'_>, now: Duration) {
        let _ = (input, now);
    }

    /// The next packet to send, of at most [`MAX_MEMBERSHIP_PACKET`](crate::limits::MAX_MEMBERSHIP_PACKET)
    /// bytes. It may be lost.
    fn poll_packet(&self) -> Option<(NodeId, Vec<u8>)> {
        None
    }

    /// The next member that is seen in another way than before.
    fn poll_change(&self) -> Option<(NodeId, Liveness)> {
        None
    }

    /// When [`MembershipInput::Timeout`] is to be put in, unless something else comes first.
    fn poll_timeout(&self) -> Option<Duration> {
        None
    }
}

/// What happened, for a [`Membership`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum MembershipInput<'a> {
    /// The node has started. Comes first, and once.
    Started {
        /// The node itself.
        us: NodeId,
        /// Whom it may know.
        roster: &'a Roster,
    },
    /// Another roster is in force.
    Roster(&'a Roster),
    /// A connection with a member stands.
    Connected(NodeId),
    /// A member has said that it shuts down.
    Left(NodeId),
    /// A packet came, over the connection of this member.
    Packet {
        /// Who sent it.
        from: NodeId,
        /// What its membership said.
        bytes: &'a [u8],
    },
    /// The time of [`Membership::poll_timeout`] has come.
    Timeout,
    /// The node shuts down: the others may be told.
    Leaving,
}

/// The members are those of the roster, and all are worth contacting.
///
/// Failed dials are spaced by their back-off anyhow.
#[derive(Clone, Copy, Debug, Default)]
pub struct StaticSeeds;

impl Membership for StaticSeeds {
    fn liveness(&self, _node: &NodeId) -> Liveness {
        Liveness::Alive
    }
}
