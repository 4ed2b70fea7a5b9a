#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod citation;
mod detect;
mod explain;
#[cfg(feature = "proptest")]
#[cfg_attr(docsrs, doc(cfg(feature = "proptest")))]
pub mod generate;
mod id;
mod laws;
mod overlap;
mod resolution;
mod strategy;
mod vector;
mod version;
mod view;

pub use citation::union;
pub use detect::{Conflict, ConflictKind, Observed, Thresholds};
pub use explain::{Contribution, Explanation};
pub use id::{InvalidStrategyId, StrategyId};
pub use laws::{Broken, Kept, Law, Laws, OwnedVersion};
pub use overlap::{Containment, Overlap};
pub use resolution::{Blend, Embedding, Merged, Outcome, Reason, Resolution, Visible};
pub use strategy::{ConfidenceVoting, ConfidenceWeighted, KeepBoth, LastWriter, Strategy};
pub use vector::{blend, cosine};
pub use version::{InvalidVersion, InvalidVersions, Version, Versions};
pub use view::{CrossIdView, Group, InvalidRules, Pattern, Related, Rules, Standing, Viewed};
