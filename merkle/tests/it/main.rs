//! The tests of the tree, its proofs and its descent, in one binary to link only once.
//!
//! `cargo test --all-features --test it -- proof::` runs the tests of one file. `tests/memory.rs` is a binary of its
//! own: its allocator counts the whole process.

mod common;
mod descent;
mod fuzz;
mod golden;
mod hostile;
mod laws;
mod proof;
mod twin;
mod values;
