//! What a simulated node consists of.

use std::vec::Vec;

use crate::{Parameters, SpaceId, Summary, View};

/// The state of one node: the real store, or a model of it.
///
/// The world only reads through this trait. The code that runs the world writes to its hosts directly
/// and says so by [`World::touch`](super::World::touch).
pub trait Host {
    /// A pinned picture of one space.
    type View: View;

    /// What the node compares with its peers at the beginning of a session.
    fn parameters(&self) -> Parameters;

    /// The spaces that the node hosts, ascending.
    fn spaces(&self) -> Vec<SpaceId>;

    /// Pins one of [`spaces`](Self::spaces) for a session.
    fn pin(&self, space: &SpaceId) -> Self::View;

    /// How one of [`spaces`](Self::spaces) stands.
    fn summary(&self, space: &SpaceId) -> Summary;
}
