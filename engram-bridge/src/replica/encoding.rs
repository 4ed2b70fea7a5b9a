//! Writes, reads and hashes canonical bytes.

use engram_merkle::{AnyHasher, Digest, HEADER_LEN, Hasher};

/// Hashes `body` under `tag`, which names the kind of `body` and the version of its encoding. A new
/// encoding needs a new tag, so that two kinds of input never hash alike.
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

/// Appends the length of `part`, then `part`.
pub(crate) fn put_bytes(bytes: &mut Vec<u8>, part: &[u8]) {
    put_count(bytes, part.len());
    bytes.extend(part);
}

/// Reads bytes from the front of a slice. Every reading method returns `None` if too few bytes are
/// left.
pub(crate) struct Cursor<'b>(&'b [u8]);

impl<'b> Cursor<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Reads the length of a list that [`put_count`] wrote. Each item has at least `least` bytes: a
    /// length that the remaining bytes cannot hold is refused before the caller allocates memory.
    pub(crate) fn count(&mut self, least: usize) -> Option<usize> {
        let count = usize::try_from(u32::from_le_bytes(self.array()?)).ok()?;
        (count.checked_mul(least)? <= self.0.len()).then_some(count)
    }

    /// Reads bytes that [`put_bytes`] wrote.
    pub(crate) fn bytes(&mut self) -> Option<&'b [u8]> {
        let count = self.count(1)?;
        self.take(count)
    }

    /// Reads bytes that [`put_bytes`] wrote; `None` if they are not UTF-8.
    pub(crate) fn text(&mut self) -> Option<&'b str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// The remaining bytes.
    pub(crate) const fn rest(&self) -> &'b [u8] {
        self.0
    }

    /// Returns `value` if no bytes are left.
    pub(crate) fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}
