//! What several test files share.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod naive;

use engram_merkle::{Digest, HEADER_LEN, Hasher, Sha256};

/// Places a key of 32 bytes where its own bytes say, and hashes everything else with SHA-256.
///
/// With it a test chooses the shape of the tree, and an attacker's crafted keys cost nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed;

impl Hasher for Placed {
    fn name(&self) -> &'static str {
        "placed"
    }

    fn hash(&self, header: &[u8; HEADER_LEN], body: &[u8]) -> Digest {
        match (&header[4..8], <[u8; 32]>::try_from(body)) {
            (b"key ", Ok(place)) => Digest::from(place),
            _ => Sha256.hash(header, body),
        }
    }
}

/// A value that differs for each number.
pub(crate) fn value(number: u64) -> Digest {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[31] = 1;
    Digest::from(bytes)
}

/// A key hash that begins with `bits` and ends with `number`.
pub(crate) fn place(bits: &str, number: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&number.to_be_bytes());
    for (level, bit) in bits.bytes().enumerate() {
        bytes[level / 8] |= (bit - b'0') << (7 - level % 8);
    }
    bytes
}
