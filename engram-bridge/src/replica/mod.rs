//! The replicated state of a node, and the view computed from it.

pub(crate) mod across_ids;
pub(crate) mod blends;
pub(crate) mod caps;
pub(crate) mod change;
pub(crate) mod clocks;
pub(crate) mod content;
pub(crate) mod encoding;
pub(crate) mod environment;
pub(crate) mod explain;
pub(crate) mod first_contact;
pub(crate) mod issuer;
pub(crate) mod join;
pub(crate) mod operations;
pub(crate) mod record;
pub(crate) mod refused;
pub(crate) mod report;
pub(crate) mod retention;
pub(crate) mod shared;
pub(crate) mod space;
pub(crate) mod state;
pub(crate) mod stats;
pub(crate) mod store;
pub(crate) mod tally;
pub(crate) mod visible;
