use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

/// A 32-byte hash of a key, of a value or of a node of the tree.
///
/// Digests are ordered bytewise, and the tree keeps its entries in this order of their key hashes.
/// Digests print as 64 lower-case hexadecimal digits and parse from 64 digits of either case.
///
/// ```
/// use engram_merkle::Digest;
///
/// let digest = Digest::from([0xab; 32]);
/// assert_eq!(digest.to_string(), "ab".repeat(32));
/// assert_eq!("AB".repeat(32).parse(), Ok(digest));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The length of a digest in bytes.
    pub const LEN: usize = 32;

    /// The digest of an empty node at any level except the root's.
    ///
    /// No input of SHA-256 or BLAKE3 that hashes to 32 zero bytes is known.
    pub const EMPTY: Self = Self([0; Self::LEN]);

    /// The bytes of the digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The digest as big-endian words, which have the same order as its bytes.
    #[inline]
    fn words(&self) -> [u64; 4] {
        let (words, _) = self.0.as_chunks();
        [0, 1, 2, 3].map(|at| u64::from_be_bytes(words[at]))
    }

    /// The first eight bytes as a big-endian number.
    pub(crate) fn prefix(&self) -> u64 {
        self.words()[0]
    }
}

/// Orders digests bytewise. Compares a word at a time for speed, because every search compares
/// digests.
impl Ord for Digest {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.words().cmp(&other.words())
    }
}

impl PartialOrd for Digest {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<Digest> for [u8; 32] {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::LowerHex for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(self, f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        if text.len() != 2 * Self::LEN {
            return Err(ParseDigestError::Length { found: text.len() });
        }
        let mut bytes = [0; Self::LEN];
        for (position, digit) in text.bytes().enumerate() {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                b'A'..=b'F' => digit - b'A' + 10,
                _ => return Err(ParseDigestError::Digit { position }),
            };
            bytes[position / 2] = bytes[position / 2] << 4 | value;
        }
        Ok(Self(bytes))
    }
}

/// The error for a string that is not a [`Digest`], which is exactly 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseDigestError {
    /// The length of the string is not 64 bytes.
    #[error("a digest is 64 hexadecimal digits, but the string has {found} bytes")]
    Length {
        /// The length of the string in bytes.
        found: usize,
    },
    /// A byte of the string is not a hexadecimal digit.
    #[error("a digest is 64 hexadecimal digits, but the byte at position {position} is not one")]
    Digit {
        /// The position of the byte, counted from 0.
        position: usize,
    },
}
