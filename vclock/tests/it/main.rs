//! The tests of clocks, siblings and suppression, in one binary, so that there is only one to link.
//!
//! `cargo test --all-features --test it -- limits::` runs the tests of one file. Two test binaries are separate: the
//! allocator of `tests/allocation.rs` counts the allocations of the whole process, and the package does not contain the
//! model in `tests/rules`.

mod accepted;
mod common;
mod counterexamples;
mod exhaustive;
mod histories;
mod hybrid;
mod laws;
mod limits;
mod serde;
mod suppression;
