//! The sessions with peers: how they read the state, and how they change it.

pub(crate) mod admission;
pub(crate) mod apply;
mod dry_run;
pub(crate) mod preview;
mod replicas;
pub(crate) mod view;

pub use preview::{PlannedChange, SpacePreview, SyncPreview};
pub use view::SpaceView;
