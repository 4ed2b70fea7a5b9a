//! Histories with the faults that real nodes have, and what holds in all of them.

#[path = "../common/mod.rs"]
mod common;

mod faults;
mod meaning;
