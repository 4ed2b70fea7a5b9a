//! The sessions with peers: how they read the state, and how they change it.

pub(crate) mod admission;
pub(crate) mod apply;
pub(crate) mod preview;
mod replicas;
pub(crate) mod view;
