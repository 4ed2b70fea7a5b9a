//! Sessions with peers: how they read and change the state.

pub(crate) mod admission;
pub(crate) mod apply;
mod dry_run;
pub(crate) mod preview;
mod replicas;
pub(crate) mod view;

pub use preview::{PlannedChange, SpacePreview, SyncPreview};
pub use view::SpaceView;
