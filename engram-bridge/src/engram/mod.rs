//! Engram's types and ports.

pub(crate) mod belief;
pub(crate) mod pattern;
pub(crate) mod ports;
pub(crate) mod precision;
pub(crate) mod timestamp;
mod value;
