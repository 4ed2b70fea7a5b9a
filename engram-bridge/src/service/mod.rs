//! The consolidation service that Engram uses, and the gossip that backs it.

pub(crate) mod background;
pub(crate) mod belief_log;
pub(crate) mod binding;
pub(crate) mod gossiper;
pub(crate) mod gossiping;
pub(crate) mod in_memory;
mod pending;
mod retry;
