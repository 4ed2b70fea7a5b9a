use alloc::vec::Vec;

use crate::hasher::Hasher;
use crate::merkle_path::MerklePath;
use crate::scheme::{LEAF_CAPACITY, Scheme};
use crate::{BaseDepth, Digest, Key, Path, Tree};

/// Proves that a key has a certain value, or that it has none, under a given root.
///
/// A proof holds the key hashes and values in the leaf on the path to the key, and the digests of the siblings along
/// the path from that leaf to the root. A verifier that knows the root, the hash function and the base depth can check
/// it without the tree.
///
/// ```
/// use engram_merkle::{BaseDepth, Digest, Proof, Sha256, Tree};
///
/// let mut tree = Tree::new(Sha256);
/// tree.upsert("apple", Digest::from([1; 32]));
/// let bytes = tree.prove(b"apple").to_bytes();
///
/// let proof = Proof::from_bytes(&bytes)?;
/// let value = proof.verify(&Sha256, BaseDepth::default(), &tree.root(), b"apple")?;
/// assert_eq!(value, Some(Digest::from([1; 32])));
/// # Ok::<(), engram_merkle::ProofError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The key hash and the value of each entry of the leaf; at most [`LEAF_CAPACITY`].
    entries: Vec<[Digest; 2]>,
    /// The digest of the sibling at each level of the path, from level 1 down to the leaf: 1 to 256
    /// digests.
    siblings: Vec<Digest>,
}

/// The error for a proof that was refused. Request another proof, or the current root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The proof leads to another root: it was tampered with, covers another key, or the root
    /// belongs to another state, hash function or base depth.
    #[error("the proof does not lead to the expected root")]
    WrongRoot,
    /// The bytes have an unknown version.
    #[error("version {found} of the proof format is unknown; this crate reads version 1")]
    Version {
        /// The version in the bytes.
        found: u8,
    },
    /// The number of bytes differs from the number that their header announces, or the header is
    /// truncated.
    #[error("the proof needs {expected} bytes, but has {found}")]
    Length {
        /// The announced length; if the header is truncated, the minimum length.
        expected: usize,
        /// The actual length.
        found: usize,
    },
    /// The bytes announce a number of entries or levels that no proof has.
    #[error(
        "a proof has at most {LEAF_CAPACITY} entries and 1 to 256 levels, not {entries} and {levels}"
    )]
    Limits {
        /// The announced number of entries.
        entries: usize,
        /// The announced number of levels.
        levels: usize,
    },
    /// The bytes are not in the form that [`Proof::to_bytes`] writes.
    #[error("the proof is not in canonical form")]
    NotCanonical,
}

impl<K: Key, H: Hasher> Tree<K, H> {
    /// Proves the value of `key`, or that the tree does not hold the key. Costs one hash and
    /// O(log n) steps.
    #[must_use]
    pub fn prove(&self, key: impl AsRef<[u8]>) -> Proof {
        let key_hash = self.key_hash(key);
        let Some(top) = &self.top else {
            return Proof { entries: Vec::new(), siblings: Vec::from([Digest::EMPTY]) };
        };
        let MerklePath { siblings, leaf } = top.merkle_path(&key_hash);
        let entries = leaf.map(|entry| [entry.key_hash, entry.value]).collect();
        Proof { entries, siblings }
    }
}

impl Proof {
    /// Returns the value of `key` in the tree with this root, hash function and base depth, or
    /// `None` if the proof shows that the tree does not hold the key.
    ///
    /// Costs one hash for the parameters, one for the key, one for the leaf and one for each level.
    ///
    /// # Errors
    ///
    /// [`ProofError::WrongRoot`] if the proof does not lead to `root`. The proof then shows nothing about the key.
    pub fn verify<H: Hasher>(
        &self,
        hasher: &H,
        depth: BaseDepth,
        root: &Digest,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<Digest>, ProofError> {
        let scheme = Scheme::new(hasher.clone(), depth);
        let key_hash = scheme.key(key.as_ref());
        let lines = self.entries.iter().map(|line| line.each_ref());
        let leaf = scheme.leaf(self.siblings.len() as u16, lines);
        if scheme.climb(&key_hash, leaf, &mut self.siblings.clone()) != *root {
            return Err(ProofError::WrongRoot);
        }
        let own = self.entries.iter().find(|[entry, _]| *entry == key_hash);
        Ok(own.map(|[_, value]| *value))
    }

    /// Encodes the proof, in the only form that [`from_bytes`](Self::from_bytes) accepts.
    ///
    /// Numbers are big-endian. The encoding begins with the version (1, one byte), the number of
    /// entries (one byte) and the number of levels (two bytes). Next comes a bit for each level, from
    /// the root down, which is 1 if the sibling at that level is not empty; zeros pad the bits to
    /// whole bytes. Then come the siblings that are not empty, and the key hash and value of each
    /// entry. In a tree of 10,000 entries, a proof has about 600 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let levels = self.siblings.len();
        let mut bytes = Vec::from([VERSION, self.entries.len() as u8]);
        bytes.extend_from_slice(&(levels as u16).to_be_bytes());
        bytes.resize(PREFIX + levels.div_ceil(8), 0);
        for (level, sibling) in self.siblings.iter().enumerate() {
            if *sibling != Digest::EMPTY {
                bytes[PREFIX + level / 8] |= 0x80 >> (level % 8);
                bytes.extend_from_slice(sibling.as_bytes());
            }
        }
        for digest in self.entries.as_flattened() {
            bytes.extend_from_slice(digest.as_bytes());
        }
        bytes
    }

    /// Decodes a proof. Checks the length before it allocates.
    ///
    /// # Errors
    ///
    /// [`ProofError`] if the bytes are not the encoding of exactly one proof. A well-formed proof
    /// may still be wrong; [`verify`](Self::verify) checks it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofError> {
        let Some((&[version, entries, high, low], rest)) = bytes.split_first_chunk::<PREFIX>()
        else {
            return Err(ProofError::Length { expected: PREFIX, found: bytes.len() });
        };
        if version != VERSION {
            return Err(ProofError::Version { found: version });
        }
        let entries = usize::from(entries);
        let levels = usize::from(u16::from_be_bytes([high, low]));
        if entries > LEAF_CAPACITY || !(1..=usize::from(Path::MAX_LEVEL)).contains(&levels) {
            return Err(ProofError::Limits { entries, levels });
        }
        let short = |expected| ProofError::Length { expected, found: bytes.len() };
        let map_len = levels.div_ceil(8);
        let Some((map, digests)) = rest.split_at_checked(map_len) else {
            return Err(short(PREFIX + map_len));
        };
        let present: usize = map.iter().map(|byte| byte.count_ones() as usize).sum();
        let expected = (present + 2 * entries) * Digest::LEN;
        if digests.len() != expected {
            return Err(short(PREFIX + map_len + expected));
        }
        let (digests, _) = digests.as_chunks::<{ Digest::LEN }>();
        let (siblings, lines) = digests.split_at(present);
        Self::from_parts(levels, map, siblings, lines).ok_or(ProofError::NotCanonical)
    }

    fn from_parts(
        levels: usize,
        map: &[u8],
        siblings: &[[u8; 32]],
        lines: &[[u8; 32]],
    ) -> Option<Self> {
        let mut present = siblings.iter().map(|bytes| Digest::from(*bytes));
        let bits = map.iter().flat_map(|byte| (0..8).map(move |at| byte << at & 0x80 != 0));
        let mut siblings = Vec::with_capacity(levels);
        for (level, is_present) in bits.enumerate() {
            match (is_present, level < levels) {
                (true, true) => siblings.push(present.next().filter(|d| *d != Digest::EMPTY)?),
                (false, true) => siblings.push(Digest::EMPTY),
                (true, false) => return None,
                (false, false) => {}
            }
        }
        let (lines, _) = lines.as_chunks::<2>();
        let entries = lines.iter().map(|line| line.map(Digest::from)).collect::<Vec<_>>();
        entries.is_sorted_by(|a, b| a[0] < b[0]).then_some(Self { entries, siblings })
    }
}

/// The version of the format of [`Proof::to_bytes`].
const VERSION: u8 = 1;
/// The number of bytes for the version, the number of entries and the number of levels.
const PREFIX: usize = 4;
