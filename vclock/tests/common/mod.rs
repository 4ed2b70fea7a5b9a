//! What several tests need.

use engram_vclock::{ActorBytes, Siblings};

/// The canonical bytes of a state whose values are numbers. Laws compare these, never "about
/// equal".
pub(crate) fn bytes<A: ActorBytes>(state: &Siblings<u32, A>) -> Vec<u8> {
    let mut out = Vec::new();
    state.encode(&mut out, |value, out| out.extend(value.to_be_bytes()));
    out
}
