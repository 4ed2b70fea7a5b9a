//! Keyed abbreviations of digests.

use sha2::{Digest as _, Sha256};

use crate::Digest;

/// An abbreviated digest. Under one key, equal digests have equal tags, and two different digests
/// have equal tags with a probability of 2^-24.
pub type Tag = [u8; 3];

/// The key under which one descent abbreviates digests.
///
/// A tag is the first 3 bytes of the SHA-256 hash of the key and the digest. An attacker who does
/// not know the key cannot prepare two values whose tags collide, so draw both halves at random for
/// each descent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TagKey([u8; 16]);

impl TagKey {
    /// Creates a key from the random halves of the asking and the answering side.
    pub fn of(asking: [u8; 8], answering: [u8; 8]) -> Self {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&asking);
        key[8..].copy_from_slice(&answering);
        Self(key)
    }

    /// Returns the tag of a digest. Costs one hash.
    pub fn tag(self, digest: &Digest) -> Tag {
        let hash: [u8; 32] =
            Sha256::new_with_prefix(self.0).chain_update(digest.as_bytes()).finalize().into();
        *hash.first_chunk().expect("3 of 32 bytes")
    }

    pub(super) fn children(self, children: [Option<Digest>; 16]) -> [Option<Tag>; 16] {
        children.map(|child| child.map(|digest| self.tag(&digest)))
    }
}

impl core::fmt::Debug for TagKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("TagKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_the_hash_of_key_and_digest() {
        let half = |first: u8| core::array::from_fn(|at| first + at as u8);
        let digest = Digest::from(core::array::from_fn::<u8, 32, _>(|at| at as u8));
        let tag = TagKey::of(half(0), half(8)).tag(&digest);
        assert_eq!(tag, [0x95, 0xe6, 0x6c]);
    }
}
