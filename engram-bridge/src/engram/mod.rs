//! Engram's side: its types, its consolidation service, and the gossip behind it.

pub(crate) mod belief;
pub(crate) mod binding;
pub(crate) mod gossiper;
pub(crate) mod in_memory;
pub(crate) mod pattern;
pub(crate) mod ports;
pub(crate) mod service;
pub(crate) mod timestamp;
mod value;
