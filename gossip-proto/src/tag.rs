//! Digests cut short for one session.

use alloc::vec::Vec;

/// Bytes of a key hash that name a record in listings and requests.
pub const KEY_LEN: usize = 6;
/// Bytes of a [`Tag`].
pub const TAG_LEN: usize = size_of::<Tag>();

/// A digest as one session cuts it short: two equal digests have equal tags, two different ones
/// have equal tags with a probability of at most 2^-39.
///
/// A pair with equal tags hides a difference for one session only, since each session cuts in
/// another way, drawn by both sides; and it cannot make anybody believe to be in sync, since the
/// full roots are compared at the end.
pub type Tag = [u8; 5];

/// How one session cuts digests short.
///
/// The first 8 bytes of a digest, as a big-endian number, are multiplied by an odd number modulo
/// 2^64, and the upper 40 bits are kept: multiply-shift hashing (Dietzfelbinger, Hagerup,
/// Katajainen, Penttonen: A reliable randomized algorithm for the closest-pair problem, 1997). Nobody can
/// prepare two digests that collide without knowing the factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Salt {
    factor: u64,
}

impl Salt {
    /// The salt of a session, from what each side drew.
    pub(crate) fn of(ours: u64, theirs: u64) -> Self {
        Self { factor: (ours ^ theirs) | 1 }
    }

    pub(crate) fn tag(self, digest: &[u8; 32]) -> Tag {
        self.retag(crate::short(digest))
    }

    /// The tag of a digest of which only the first 8 bytes are known.
    pub(crate) fn retag(self, short: [u8; 8]) -> Tag {
        let product = u64::from_be_bytes(short).wrapping_mul(self.factor);
        *product.to_be_bytes().first_chunk().expect("5 of 8 bytes")
    }

    /// The tags of some digests, ascending, each once.
    pub(crate) fn tags<'a>(self, digests: impl Iterator<Item = &'a [u8; 32]>) -> Vec<Tag> {
        let mut tags: Vec<Tag> = digests.map(|digest| self.tag(digest)).collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    pub(crate) fn children(self, children: [Option<[u8; 8]>; 16]) -> [Option<Tag>; 16] {
        children.map(|child| child.map(|digest| self.retag(digest)))
    }
}

/// The first bytes of a key hash.
pub(crate) fn key(hash: &[u8; 32]) -> [u8; KEY_LEN] {
    *hash.first_chunk().expect("6 of 32 bytes")
}
