//! Digests and node ids, abbreviated for one session.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

/// Number of leading bytes of a key hash that identify a record in listings and requests.
pub const KEY_LEN: usize = 6;
/// Length of a [`Tag`] in bytes.
pub const TAG_LEN: usize = size_of::<Tag>();
/// Length of a [`ShortTag`] in bytes.
pub const SHORT_TAG_LEN: usize = size_of::<ShortTag>();

/// A digest, or the id of a node, abbreviated for one session: it names one among many. Equal
/// digests have equal tags; different digests have equal tags with a probability of 2^-40.
pub type Tag = [u8; 5];

/// The first 3 bytes of a [`Tag`]. The sides compare only short tags for the same child or
/// key. Different digests have equal short tags with a probability of 2^-24.
///
/// A collision hides a difference for one session only, because both sides draw a fresh key for
/// each session. It cannot cause a false *in sync*, because the sides compare full roots at the
/// end.
pub type ShortTag = [u8; 3];

/// One side's half of the key of a session: 8 random bytes, fresh for every session.
///
/// Never use a constant: with a known key, a peer could prepare records whose difference goes
/// unnoticed.
pub type KeyHalf = [u8; 8];

/// The key with which one session abbreviates digests.
///
/// A tag is the first 5 bytes of SHA-256 over the key and the digest, so it depends on every bit of
/// the digest. Without the key, nobody can prepare two digests whose tags collide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionKey([u8; 16]);

impl SessionKey {
    /// Combines the halves of both sides.
    pub(crate) fn of(opener: KeyHalf, acceptor: KeyHalf) -> Self {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&opener);
        key[8..].copy_from_slice(&acceptor);
        Self(key)
    }

    pub(crate) fn tag(self, digest: &[u8; 32]) -> Tag {
        let hash: [u8; 32] = Sha256::new_with_prefix(self.0).chain_update(digest).finalize().into();
        *hash.first_chunk().expect("a hash has 32 bytes")
    }

    pub(crate) fn short_tag(self, digest: &[u8; 32]) -> ShortTag {
        *self.tag(digest).first_chunk().expect("a tag has 5 bytes")
    }

    /// The tag of the first bytes of a key hash.
    pub(crate) fn key_tag(self, key: &[u8; KEY_LEN]) -> Tag {
        let mut digest = [0; 32];
        digest[..KEY_LEN].copy_from_slice(key);
        self.tag(&digest)
    }

    /// The tags of these digests, in ascending order and without duplicates.
    pub(crate) fn tags<'a>(self, digests: impl Iterator<Item = &'a [u8; 32]>) -> Vec<Tag> {
        let mut tags: Vec<Tag> = digests.map(|digest| self.tag(digest)).collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    pub(crate) fn children(self, children: [Option<[u8; 32]>; 16]) -> [Option<ShortTag>; 16] {
        children.map(|child| child.map(|digest| self.short_tag(&digest)))
    }
}

/// The first bytes of a key hash.
pub(crate) fn key(hash: &[u8; 32]) -> [u8; KEY_LEN] {
    *hash.first_chunk().expect("a hash has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_the_hash_of_key_and_digest() {
        let half = |first: u8| core::array::from_fn(|at| first + at as u8);
        let digest = core::array::from_fn(|at| at as u8);
        let key = SessionKey::of(half(0), half(8));
        assert_eq!(key.tag(&digest), [0x95, 0xe6, 0x6c, 0xe4, 0x08]);
        assert_eq!(key.short_tag(&digest), [0x95, 0xe6, 0x6c]);
    }
}
