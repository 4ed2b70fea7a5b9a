#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod citation;
mod explain;
mod id;
mod resolution;
mod strategy;
mod vector;
mod version;

pub use citation::union;
pub use explain::{Contribution, Explanation};
pub use id::{InvalidStrategyId, StrategyId};
pub use resolution::{Blend, Embedding, Merged, Outcome, Reason, Resolution, Visible};
pub use strategy::{ConfidenceVoting, ConfidenceWeighted, KeepBoth, LastWriter, Strategy};
pub use vector::{blend, cosine};
pub use version::{InvalidVersions, Version, Versions};
