#![doc = include_str!("../README.md")]
#![cfg_attr(not(any(feature = "std", test)), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

mod causality;
mod clock;
mod compare;
mod dot;
mod error;
#[cfg(feature = "proptest")]
#[cfg_attr(docsrs, doc(cfg(feature = "proptest")))]
pub mod generate;
mod hybrid;
#[cfg(feature = "serde")]
mod serde;
mod siblings;
mod suppression;

pub use causality::Causality;
pub use clock::VectorClock;
pub use dot::Dot;
pub use error::{ClockError, SiblingsError, SuppressionError};
pub use hybrid::{ClockFault, HybridClock, Implausible, MAX_AHEAD};
pub use siblings::{Joined, LastWrite, MAX_NODE_DOTS, OwnJoin, Part, Siblings};
pub use suppression::{Changed, MAX_LENGTH, MAX_SUPPRESSED, Suppression};
