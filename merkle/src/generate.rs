//! Generators for your own property tests with `proptest`.
//!
//! Real hashes spread keys evenly, so random keys alone rarely fill a slot. To cover
//! splits, joins and deep levels, generate many edits and choose the smallest [`BaseDepth`].
//!
//! ```
//! use engram_merkle::{Sha256, Tree, generate};
//! use proptest::prelude::*;
//!
//! proptest!(|(depth in generate::depth(), edits in generate::edits(500, 0..1000))| {
//!     let mut tree = Tree::with_depth(Sha256, depth);
//!     tree.update(edits);
//!     prop_assert_eq!(tree.iter().len(), tree.len());
//! });
//! ```

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::{BaseDepth, Digest, Edit, Path};

/// Generates any digest.
pub fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::from)
}

/// Generates any base depth.
pub fn depth() -> impl Strategy<Value = BaseDepth> {
    prop::sample::select(&BaseDepth::ALL[..])
}

/// Generates a path at any level, with any bits.
pub fn path() -> impl Strategy<Value = Path> {
    (digest(), 0..=Path::MAX_LEVEL).prop_map(|(bits, level)| Path::leading(&bits, level))
}

/// Generates one of `keys` different keys; 0 counts as 1.
pub fn key(keys: u32) -> impl Strategy<Value = String> {
    (0..keys.max(1)).prop_map(|number| format!("key-{number}"))
}

/// Generates a list of edits to at most `keys` different keys; `len` bounds its length. One edit in
/// four removes its key. Values repeat, so some edits have no effect.
pub fn edits(keys: u32, len: Range<usize>) -> impl Strategy<Value = Vec<Edit<String>>> {
    let value = (0..4_u8).prop_map(|number| Digest::from([number; 32]));
    let edit = prop_oneof![
        3 => (key(keys), value).prop_map(|(key, value)| Edit::Upsert(key, value)),
        1 => key(keys).prop_map(Edit::Remove),
    ];
    vec(edit, len)
}
