//! Who is worth contacting: the seam for a failure detector.

use crate::NodeId;

/// How a failure detector sees a member of the roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Liveness {
    /// Worth contacting. Also what is said of a member that nothing is known about.
    Alive,
    /// Not worth contacting now: it is down, or it has left.
    Down,
}

/// Who of the roster is worth contacting at the moment.
///
/// Membership never lets anybody in: the roster does that. It only spares the timer and the dialler
/// members that are known to be down. A wrong answer costs time, never data: a member that is called
/// down may still dial this node, and is then served like any other.
///
/// [`StaticSeeds`] calls everybody alive; failed dials are spaced by their back-off anyhow. A host
/// with a failure detector of its own (SWIM, say) implements this trait over it, and may carry root
/// adverts in its messages by [`Gossip::advert`](crate::Gossip::advert) and
/// [`Gossip::handle_advert`](crate::Gossip::handle_advert).
pub trait Membership: Send + Sync + 'static {
    /// How `node` is seen now. Called often; it has to answer at once.
    fn liveness(&self, node: &NodeId) -> Liveness;
}

/// The members are those of the roster, and all are worth contacting.
#[derive(Clone, Copy, Debug, Default)]
pub struct StaticSeeds;

impl Membership for StaticSeeds {
    fn liveness(&self, _node: &NodeId) -> Liveness {
        Liveness::Alive
    }
}
