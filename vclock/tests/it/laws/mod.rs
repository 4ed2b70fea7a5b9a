//! The laws of clocks and siblings, checked on their bytes.

#[path = "../common/mod.rs"]
mod common;

mod clock;
mod siblings;
