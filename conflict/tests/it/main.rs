//! The tests of strategies, laws and the view across ids, in one binary, so that there is only one to link.
//!
//! `cargo test --all-features --test it -- laws::` runs the tests of one file.

mod any_value;
mod bad_input;
mod common;
mod golden;
mod law_suite;
mod laws;
#[cfg(feature = "proptest")]
mod properties;
mod view;
mod wrong_strategies;
