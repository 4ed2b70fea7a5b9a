#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod explain;
mod id;
mod laws;
pub mod pattern;
mod resolution;
mod strategy;
mod value;
mod version;

pub use explain::{Contribution, Explanation};
pub use id::{InvalidStrategyId, StrategyId};
pub use laws::{Law, Laws, Passed, Random, Violation};
pub use resolution::{Composed, Outcome, Reason, Resolution};
pub use strategy::Strategy;
pub use value::Value;
pub use version::{InvalidValue, InvalidVersions, Version, Versions};
