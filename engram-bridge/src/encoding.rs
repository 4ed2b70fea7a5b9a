//! How canonical bytes are put together, and hashed.

use engram_merkle::{AnyHasher, Digest, HEADER_LEN, Hasher};

/// Hashes `body` under `tag`, which names what it is and the version of its encoding. A new
/// encoding needs a new tag: no two kinds of input may ever be mistaken for one another.
pub(crate) fn hash(hasher: &AnyHasher, tag: &[u8; 8], body: &[u8]) -> Digest {
    const LENGTH: usize = HEADER_LEN - 8;
    let mut header = [0; HEADER_LEN];
    header[..8].copy_from_slice(tag);
    header[LENGTH..].copy_from_slice(&(body.len() as u64).to_le_bytes());
    hasher.hash(&header, body)
}

/// Appends a length as four bytes. Every length here is limited far below 2^32.
pub(crate) fn put_count(bytes: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("validated lengths fit 32 bits");
    bytes.extend(count.to_le_bytes());
}

/// Appends `part` behind its length.
pub(crate) fn put_bytes(bytes: &mut Vec<u8>, part: &[u8]) {
    put_count(bytes, part.len());
    bytes.extend(part);
}
