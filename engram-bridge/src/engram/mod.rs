//! Engram's side: its types, its consolidation service, and the gossip behind it.

pub(crate) mod background;
pub(crate) mod belief;
pub(crate) mod belief_log;
pub(crate) mod binding;
pub(crate) mod gossiper;
pub(crate) mod in_memory;
pub(crate) mod observer;
pub(crate) mod pattern;
pub(crate) mod ports;
pub(crate) mod precision;
mod retry;
pub(crate) mod service;
pub(crate) mod timestamp;
mod value;
