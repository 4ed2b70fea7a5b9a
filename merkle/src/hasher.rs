use crate::Digest;

/// The length of the header that begins every input of a [`Hasher`], in bytes.
pub const HEADER_LEN: usize = 24;

/// A collision-resistant hash function with 32 bytes of output.
///
/// Every input consists of a header of fixed length and a body. The header names the kind of input
/// (for example a key, a leaf or an inner node), its level and the length of the body; for the
/// root, it holds the parameters of the tree instead of the level and the length. The output must depend on
/// every byte of the header and the body, as `H(header || body)` does.
///
/// The function must be the same on every machine and in every release, because nodes compare
/// digests with each other. With a function that is not collision-resistant, different entries can
/// have equal roots.
///
/// ```
/// use engram_merkle::{Digest, HEADER_LEN, Hasher};
/// use sha2::{Digest as _, Sha512_256};
///
/// #[derive(Clone)]
/// struct Truncated512;
///
/// impl Hasher for Truncated512 {
///     fn name(&self) -> &'static str {
///         "sha512-256"
///     }
///
///     fn hash(&self, header: &[u8; HEADER_LEN], body: &[u8]) -> Digest {
///         let hash = Sha512_256::new().chain_update(header).chain_update(body);
///         Digest::from(<[u8; 32]>::from(hash.finalize()))
///     }
/// }
/// ```
pub trait Hasher: Clone {
    /// The name of the function. The root depends on it, so nodes with different functions never
    /// have equal roots.
    fn name(&self) -> &'static str;

    /// Hashes `header` and `body`.
    fn hash(&self, header: &[u8; HEADER_LEN], body: &[u8]) -> Digest;
}

/// SHA-256 (FIPS 180-4) of the header followed by the body.
#[cfg(feature = "sha2")]
#[cfg_attr(docsrs, doc(cfg(feature = "sha2")))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sha256;

#[cfg(feature = "sha2")]
impl Hasher for Sha256 {
    fn name(&self) -> &'static str {
        "sha256"
    }

    #[inline]
    fn hash(&self, header: &[u8; HEADER_LEN], body: &[u8]) -> Digest {
        use sha2::Digest as _;

        if HEADER_LEN + body.len() <= short::MAX_LEN {
            return short::sha256(header, body);
        }
        let hash = sha2::Sha256::new().chain_update(header).chain_update(body).finalize();
        Digest::from(<[u8; 32]>::from(hash))
    }
}

/// SHA-256 of messages of at most two blocks: nodes, short keys and leaves of one entry.
///
/// Writes the padded message directly into the blocks that are hashed. The general interface, which accepts any
/// number of pieces of any length, copies the message two more times, which takes a third of the total time.
#[cfg(feature = "sha2")]
mod short {
    use sha2::block_api::compress256;

    use super::{Digest, HEADER_LEN};

    /// Two blocks minus the shortest padding: one byte that marks the end, and eight for the length
    /// in bits.
    pub(super) const MAX_LEN: usize = 2 * 64 - 9;

    /// The initial hash value (FIPS 180-4, 5.3.3).
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];

    #[inline]
    pub(super) fn sha256(header: &[u8; HEADER_LEN], body: &[u8]) -> Digest {
        let len = HEADER_LEN + body.len();
        let mut blocks = [[0; 64]; 2];
        let message = blocks.as_flattened_mut();
        message[..HEADER_LEN].copy_from_slice(header);
        message[HEADER_LEN..len].copy_from_slice(body);
        message[len] = 0x80;
        let end = (len + 9).next_multiple_of(64);
        message[end - 8..end].copy_from_slice(&(len as u64 * 8).to_be_bytes());

        let mut state = INITIAL;
        compress256(&mut state, &blocks[..end / 64]);
        let mut digest = [0; 32];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        Digest::from(digest)
    }

    #[cfg(test)]
    mod tests {
        use sha2::Digest as _;

        use super::*;

        #[test]
        fn short_input_hash_matches_sha2() {
            let header = core::array::from_fn(|at| at as u8);
            let body: [u8; MAX_LEN] = core::array::from_fn(|at| !at as u8);
            for len in 0..=MAX_LEN - HEADER_LEN {
                let hash = sha2::Sha256::new().chain_update(header).chain_update(&body[..len]);
                let expected = Digest::from(<[u8; 32]>::from(hash.finalize()));
                assert_eq!(sha256(&header, &body[..len]), expected, "{len} bytes");
            }
        }
    }
}

/// BLAKE3 of the body, keyed with the header and eight zero bytes.
///
/// The header is the key, so that the two digests of an inner node fill exactly one block.
#[cfg(feature = "blake3")]
#[cfg_attr(docsrs, doc(cfg(feature = "blake3")))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Blake3;

#[cfg(feature = "blake3")]
impl Hasher for Blake3 {
    fn name(&self) -> &'static str {
        "blake3"
    }

    #[inline]
    fn hash(&self, header: &[u8; HEADER_LEN], body: &[u8]) -> Digest {
        let mut key = [0; blake3::KEY_LEN];
        key[..HEADER_LEN].copy_from_slice(header);
        Digest::from(*blake3::keyed_hash(&key, body).as_bytes())
    }
}

/// A hash function of this crate, chosen at run time, for example by a configuration file.
///
/// ```
/// use engram_merkle::{AnyHasher, Hasher};
///
/// # #[cfg(feature = "sha2")]
/// # {
/// let hasher: AnyHasher = "sha256".parse()?;
/// assert_eq!(hasher.name(), "sha256");
/// # }
/// # Ok::<(), engram_merkle::UnknownHash>(())
/// ```
#[cfg(any(feature = "sha2", feature = "blake3"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "sha2", feature = "blake3"))))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AnyHasher {
    /// SHA-256.
    #[cfg(feature = "sha2")]
    Sha256,
    /// BLAKE3.
    #[cfg(feature = "blake3")]
    Blake3,
}

#[cfg(any(feature = "sha2", feature = "blake3"))]
impl AnyHasher {
    /// All hash functions in this build.
    pub const ALL: &'static [Self] = &[
        #[cfg(feature = "sha2")]
        Self::Sha256,
        #[cfg(feature = "blake3")]
        Self::Blake3,
    ];
}

#[cfg(any(feature = "sha2", feature = "blake3"))]
impl Hasher for AnyHasher {
    fn name(&self) -> &'static str {
        match self {
            #[cfg(feature = "sha2")]
            Self::Sha256 => Sha256.name(),
            #[cfg(feature = "blake3")]
            Self::Blake3 => Blake3.name(),
        }
    }

    fn hash(&self, header: &[u8; HEADER_LEN], body: &[u8]) -> Digest {
        match self {
            #[cfg(feature = "sha2")]
            Self::Sha256 => Sha256.hash(header, body),
            #[cfg(feature = "blake3")]
            Self::Blake3 => Blake3.hash(header, body),
        }
    }
}

#[cfg(any(feature = "sha2", feature = "blake3"))]
impl core::str::FromStr for AnyHasher {
    type Err = UnknownHash;

    fn from_str(name: &str) -> Result<Self, UnknownHash> {
        Self::ALL.iter().copied().find(|hasher| hasher.name() == name).ok_or(UnknownHash)
    }
}

/// The error for a name that no hash function of this build has. The names are `sha256` (feature
/// `sha2`) and `blake3` (feature `blake3`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown hash function; this crate has \"sha256\" and \"blake3\", if their features are enabled"
)]
pub struct UnknownHash;
