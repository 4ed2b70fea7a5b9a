//! The tests of the tree, its proofs and its descent, in one binary, so that there is only one to link.
//!
//! `cargo test --all-features --test it -- proof::` runs the tests of one file. `tests/memory.rs` is a separate binary,
//! because its allocator counts the allocations of the whole process.

mod common;
mod descent;
mod fuzz;
mod golden;
mod hostile;
mod laws;
mod proof;
mod twin;
mod values;
