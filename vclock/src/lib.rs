#![doc = include_str!("../README.md")]
#![cfg_attr(not(any(feature = "std", test)), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

mod causality;
mod clock;
mod codec;
mod compare;
mod dot;
mod error;
#[cfg(feature = "proptest")]
#[cfg_attr(docsrs, doc(cfg(feature = "proptest")))]
pub mod generate;
#[cfg(feature = "serde")]
mod serde;
mod siblings;
mod source;

pub use causality::Causality;
pub use clock::{MAX_JUMP, VectorClock};
pub use codec::{ActorBytes, ActorTable, Reader, write_varint};
pub use dot::{Actor, Dot, MAX_COUNTER};
pub use error::{ClockError, DecodeError, NotInTable, SiblingsError, SourceError};
pub use siblings::Siblings;
pub use source::{DotSource, Lease};
