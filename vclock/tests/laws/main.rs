//! The laws of clocks and of siblings, on bytes.

#[path = "../common/mod.rs"]
mod common;

mod clock;
mod siblings;
