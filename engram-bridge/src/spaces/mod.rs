//! The memory spaces of a node: durable replicated state, shared by writers and readers.

pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod observer;
pub(crate) mod shared;
pub(crate) mod space;
pub(crate) mod stats;
pub(crate) mod store;

pub use error::{AddSpaceError, Incomplete, SubmitError};
pub use event::{STATE_EVENT_QUEUE, StateEvent};
pub use observer::{ConsolidationObserver, ConsolidationRun, RunStats};
pub use space::Space;
pub use stats::{GossipStats, WriteStats};
pub use store::{DEFAULT_SPACE, Store, StoreConfig};
