//! Helpers shared by several test files.

pub(crate) mod ids;
pub(crate) mod naive;

use std::cell::Cell;
use std::rc::Rc;

use engram_merkle::{Digest, HEADER_LEN, Hasher, Sha256};

/// Uses a key of 32 bytes as its own hash, and hashes everything else with SHA-256.
///
/// A test can use it to choose the shape of the tree and to craft keys.
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

/// Counts the calls of a hasher; clones share the counter.
#[derive(Clone, Debug)]
pub(crate) struct Counting<H>(H, Rc<Cell<u64>>);

impl<H> Counting<H> {
    pub(crate) fn new(hasher: H) -> Self {
        Self(hasher, Rc::default())
    }

    /// Returns the number of hashes since the last call.
    pub(crate) fn take(&self) -> u64 {
        self.1.take()
    }
}

impl<H: Hasher> Hasher for Counting<H> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn hash(&self, header: &[u8; HEADER_LEN], body: &[u8]) -> Digest {
        self.1.update(|count| count + 1);
        self.0.hash(header, body)
    }
}

/// A distinct value for each number.
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
