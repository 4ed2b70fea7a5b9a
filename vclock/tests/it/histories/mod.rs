//! Properties of all histories with the faults of real nodes.

#[path = "../common/mod.rs"]
mod common;

mod faults;
mod meaning;
