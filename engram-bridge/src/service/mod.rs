//! The consolidation service that Engram's side sees, and the gossip behind it.

pub(crate) mod background;
pub(crate) mod belief_log;
pub(crate) mod binding;
pub(crate) mod gossiper;
pub(crate) mod gossiping;
pub(crate) mod in_memory;
mod retry;
