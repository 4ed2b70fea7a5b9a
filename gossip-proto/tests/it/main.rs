//! The tests of the wire format, the session, the scheduler and the simulation, in one binary, so
//! that their shared code is compiled only once.
//!
//! `cargo test --all-features --test it -- offers::` runs the tests of one file. `tests/memory.rs`
//! is a separate binary, because its allocator counts the allocations of the whole process.

mod adverts;
mod agreement;
mod budgets;
mod clock_limits;
mod clocks;
mod common;
mod compression;
mod convergence;
#[cfg(feature = "sim")]
mod dials;
mod faults;
mod fuzz;
mod golden;
#[cfg(feature = "sim")]
mod histories;
mod index;
mod limits;
mod malformed;
mod misbehaviour;
mod offers;
mod opaque;
mod pieces;
mod readme;
mod refusals;
#[cfg(feature = "sim")]
mod schedule;
mod short_nodes;
#[cfg(feature = "sim")]
mod sim;
mod spaces;
mod tags;
#[cfg(feature = "testing")]
mod view_laws;
