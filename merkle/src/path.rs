use core::fmt;

use crate::Digest;

/// A node of the tree, named by the leading bits that all key hashes below it share.
///
/// The root fixes no bit, each level fixes one more, and a path of 256 bits is a single key hash.
/// A path names a position, whether or not the tree stores a node there.
///
/// ```
/// use engram_merkle::{Digest, Path};
///
/// let key_hash = Digest::from([0b1010_0000; 32]);
/// let path = Path::of(&key_hash, 3).expect("3 is at most 256");
/// assert_eq!(path.to_string(), "101");
/// assert!(path.contains(&key_hash));
/// assert_eq!(Path::ROOT.children().map(|[_, right]| right), path.ancestor(1));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// The fixed bits, most significant first, padded with zeros.
    bits: Digest,
    level: u16,
}

/// The error for bytes that do not encode a [`Path`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The number of bytes is not [`Path::LEN`].
    #[error("a path is 34 bytes, found {found}")]
    Length {
        /// The number of bytes.
        found: usize,
    },
    /// The level exceeds 256, the level of a single key hash.
    #[error("the level of a path is 0 to 256, found {found}")]
    Level {
        /// The level.
        found: u16,
    },
    /// A bit below the level is not zero.
    #[error("the path has nonzero bits below its level")]
    LooseBits,
}

impl Path {
    /// The path of the root, which contains every key hash.
    pub const ROOT: Self = Self { bits: Digest::EMPTY, level: 0 };

    /// The level of a single key hash.
    pub const MAX_LEVEL: u16 = 256;

    /// Returns the node at `level` on the path to `key_hash`: the first `level` bits of the hash.
    ///
    /// Returns `None` if `level` exceeds [`MAX_LEVEL`](Self::MAX_LEVEL).
    #[must_use]
    pub fn of(key_hash: &Digest, level: u16) -> Option<Self> {
        (level <= Self::MAX_LEVEL).then(|| Self::leading(key_hash, level))
    }

    /// The first `level` bits of `key_hash`; `level` must be at most 256.
    pub(crate) fn leading(key_hash: &Digest, level: u16) -> Self {
        let mut bits = *key_hash.as_bytes();
        let (whole, rest) = (usize::from(level / 8), level % 8);
        if let Some((first, others)) = bits[whole..].split_first_mut() {
            *first &= !(0xff >> rest);
            others.fill(0);
        }
        Self { bits: bits.into(), level }
    }

    /// The length of an encoded path in bytes.
    pub const LEN: usize = Digest::LEN + 2;

    /// Encodes the path as its [bits](Self::bits), followed by the level as a big-endian `u16`.
    /// Paths have the same order as their encodings.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..Digest::LEN].copy_from_slice(self.bits.as_bytes());
        bytes[Digest::LEN..].copy_from_slice(&self.level.to_be_bytes());
        bytes
    }

    /// Decodes the bytes of [`to_bytes`](Self::to_bytes).
    ///
    /// ```
    /// use engram_merkle::{Digest, Path, PathError};
    ///
    /// let path = Path::of(&Digest::from([0xff; 32]), 12).expect("12 is at most 256");
    /// assert_eq!(Path::from_bytes(&path.to_bytes()), Ok(path));
    /// assert_eq!(Path::from_bytes(&[0; 3]), Err(PathError::Length { found: 3 }));
    /// ```
    ///
    /// # Errors
    ///
    /// [`PathError`] if `bytes` do not encode a path. Each path has exactly one encoding.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PathError> {
        let length = || PathError::Length { found: bytes.len() };
        let (bits, level) = bytes.split_first_chunk::<{ Digest::LEN }>().ok_or_else(length)?;
        let level = <[u8; 2]>::try_from(level).map_err(|_| length())?;
        Self::from_parts(u16::from_be_bytes(level), Digest::from(*bits))
    }

    pub(crate) fn from_parts(level: u16, bits: Digest) -> Result<Self, PathError> {
        let path = Self::of(&bits, level).ok_or(PathError::Level { found: level })?;
        if path.bits == bits { Ok(path) } else { Err(PathError::LooseBits) }
    }

    /// The number of fixed bits: 0 for the root, 256 for a single key hash.
    #[must_use]
    pub fn level(&self) -> u16 {
        self.level
    }

    /// The fixed bits, padded with zeros. This is the least possible key hash below this node.
    #[must_use]
    pub fn bits(&self) -> &Digest {
        &self.bits
    }

    /// Whether `key_hash` lies below this node.
    #[must_use]
    pub fn contains(&self, key_hash: &Digest) -> bool {
        Self::leading(key_hash, self.level) == *self
    }

    /// The node at `level` on the path from the root to this one, both included.
    ///
    /// Returns `None` if `level` exceeds the level of this node.
    #[must_use]
    pub fn ancestor(&self, level: u16) -> Option<Self> {
        (level <= self.level).then(|| Self::leading(&self.bits, level))
    }

    /// The two halves of this node, the lesser key hashes first. Returns `None` at the last level.
    #[must_use]
    pub fn children(&self) -> Option<[Self; 2]> {
        let left = Self { level: self.level + 1, ..*self };
        (self.level < Self::MAX_LEVEL).then(|| [left, left.sibling()])
    }

    /// The `nibble`-th of the sixteen nodes four levels below this one, in the order of
    /// [`Tree::children`].
    ///
    /// Returns `None` if `nibble` exceeds 15, or if the level would exceed
    /// [`MAX_LEVEL`](Self::MAX_LEVEL).
    ///
    /// [`Tree::children`]: crate::Tree::children
    #[must_use]
    pub fn descendant(&self, nibble: u8) -> Option<Self> {
        if nibble > 15 || self.level + 4 > Self::MAX_LEVEL {
            return None;
        }
        let mut bits = *self.bits.as_bytes();
        let spread = u16::from(nibble) << (12 - self.level % 8);
        let [high, low] = spread.to_be_bytes();
        let byte = usize::from(self.level / 8);
        bits[byte] |= high;
        if low != 0 {
            bits[byte + 1] |= low;
        }
        Some(Self { bits: bits.into(), level: self.level + 4 })
    }

    /// The other half of this node's parent. For the root, which has no sibling, the root itself.
    pub(crate) fn sibling(&self) -> Self {
        let mut bits = *self.bits.as_bytes();
        if let Some(last) = self.level.checked_sub(1) {
            bits[usize::from(last / 8)] ^= 0x80 >> (last % 8);
        }
        Self { bits: bits.into(), ..*self }
    }
}

/// Prints the fixed bits as zeros and ones; for the root, prints nothing.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.level).try_for_each(|level| write!(f, "{}", bit(&self.bits, level)))
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({self})")
    }
}

/// The bit of `digest` that decides between the halves of a node at `level`.
pub(crate) fn bit(digest: &Digest, level: u16) -> u8 {
    digest.as_bytes()[usize::from(level / 8)] >> (7 - level % 8) & 1
}

/// The four bits of `digest` that follow `level`, which must be a multiple of four below 256.
pub(crate) fn nibble(digest: &Digest, level: u16) -> u8 {
    digest.as_bytes()[usize::from(level / 8)] >> (4 - level % 8) & 0xf
}
