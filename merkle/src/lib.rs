#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod block;
mod change;
mod depth;
#[cfg(feature = "sha2")]
#[cfg_attr(docsrs, doc(cfg(feature = "sha2")))]
pub mod descent;
mod diff;
mod digest;
mod digests;
mod entry;
#[cfg(feature = "proptest")]
#[cfg_attr(docsrs, doc(cfg(feature = "proptest")))]
pub mod generate;
mod hasher;
mod iter;
mod key;
mod leaf_block;
mod merkle_path;
mod path;
mod proof;
mod rehash;
mod scheme;
#[cfg(feature = "serde")]
mod serde;
mod slots;
mod stats;
mod tree;

pub use depth::{BaseDepth, BaseDepthError};
pub use diff::{Diff, Difference, Incomparable};
pub use digest::{Digest, ParseDigestError};
pub use entry::{Edit, Entry};
#[cfg(any(feature = "sha2", feature = "blake3"))]
pub use hasher::AnyHasher;
#[cfg(feature = "blake3")]
pub use hasher::Blake3;
#[cfg(feature = "sha2")]
pub use hasher::Sha256;
pub use hasher::{HEADER_LEN, Hasher, UnknownHash};
pub use iter::Entries;
pub use key::Key;
pub use path::{Path, PathError};
pub use proof::{Proof, ProofError};
pub use scheme::LEAF_CAPACITY;
pub use stats::Stats;
pub use tree::Tree;
