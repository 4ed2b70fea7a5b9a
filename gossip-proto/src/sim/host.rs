//! The state of a simulated node.

use std::vec::Vec;

use crate::{Parameters, SpaceId, Summary, View};

/// The state of one node: the real store, or a model of it.
///
/// Through this trait, the world only reads; its sessions write through the pinned views. The code
/// that runs the world writes to its hosts directly and then calls
/// [`World::touch`](super::World::touch).
pub trait Host {
    /// A pinned view of one space.
    type View: View;

    /// The parameters that the node compares with its peers at the beginning of a session.
    fn parameters(&self) -> Parameters;

    /// The spaces that the node hosts, ascending.
    fn spaces(&self) -> Vec<SpaceId>;

    /// Pins one of [`spaces`](Self::spaces) for a session.
    fn pin(&self, space: &SpaceId) -> Self::View;

    /// The summary of one of [`spaces`](Self::spaces).
    fn summary(&self, space: &SpaceId) -> Summary;
}
