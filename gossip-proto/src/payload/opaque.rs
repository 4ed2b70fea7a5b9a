//! Contents of plain bytes.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{ContentSize, Wire};
use crate::codec::{Weight, section};
use crate::limits::MAX_CONTENT_LEN;
use crate::wire::{Reader, put_bytes};
use crate::{Compression, DecodeError};

/// Size of the longest encoding of a length, in bytes.
const LEN_WIRE: usize = 5;
/// Bytes of memory that the decoder counts for a content in addition to its own bytes.
const OVERHEAD: usize = 64;

/// A content of arbitrary bytes, compressed with LZ4 if that is smaller. Clones share the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OpaqueContent(Arc<[u8]>);

impl OpaqueContent {
    /// Creates a content of `bytes`.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The size of a content of `len` bytes.
    pub const fn size_of(len: usize) -> ContentSize {
        // The decoder unpacks the bytes into a buffer, and then copies them into the content.
        ContentSize { wire: len + 3 * LEN_WIRE, memory: 2 * (len + LEN_WIRE) + OVERHEAD }
    }

    /// Appends one content per byte string, like [`Wire::encode`].
    pub fn encode_bytes<'a>(
        contents: impl Iterator<Item = &'a [u8]>,
        compression: Compression,
        out: &mut Vec<u8>,
    ) {
        let mut plain = Vec::new();
        contents.for_each(|bytes| put_bytes(&mut plain, bytes));
        section::put(out, &plain, compression);
    }
}

impl Wire for OpaqueContent {
    fn size(&self) -> ContentSize {
        Self::size_of(self.0.len())
    }

    fn encode(contents: &[&Self], compression: Compression, out: &mut Vec<u8>) {
        Self::encode_bytes(contents.iter().map(|content| content.as_bytes()), compression, out);
    }

    fn decode(bytes: &[u8], count: usize, memory: usize) -> Result<Vec<Self>, DecodeError> {
        let mut weight = Weight::up_to(memory);
        let mut r = Reader::new(bytes);
        let plain = section::take(&mut r, memory, &mut weight)?;
        r.end()?;
        let mut r = Reader::new(&plain);
        let mut contents = Vec::new();
        for _ in 0..count {
            let bytes = r.bytes("a content", MAX_CONTENT_LEN)?;
            weight.add(bytes.len() + OVERHEAD)?;
            contents.push(Self::new(bytes));
        }
        r.end()?;
        Ok(contents)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn round_trip(contents: &[OpaqueContent], compression: Compression) {
        let mut bytes = Vec::new();
        Wire::encode(&contents.iter().collect::<Vec<_>>(), compression, &mut bytes);
        let sum = |of: fn(ContentSize) -> usize| contents.iter().map(|c| of(c.size())).sum();
        let (wire, memory): (usize, usize) = (sum(|size| size.wire), sum(|size| size.memory));
        assert!(bytes.len() <= wire);
        assert_eq!(OpaqueContent::decode(&bytes, contents.len(), memory).as_deref(), Ok(contents));
        assert!(OpaqueContent::decode(&bytes, contents.len() + 1, memory).is_err());
        assert!(OpaqueContent::decode(&bytes, contents.len() - 1, memory).is_err());
        let largest = contents.iter().map(|content| content.as_bytes().len()).max();
        let least = largest.unwrap_or(0);
        assert!(OpaqueContent::decode(&bytes, contents.len(), least).is_err(), "{least} bytes");
    }

    #[test]
    fn bytes_survive_packed_and_plain() {
        for compression in [Compression::Off, Compression::Lz4] {
            round_trip(&[OpaqueContent::default()], compression);
            round_trip(&[OpaqueContent::new(vec![7; 100_000])], compression);
            let mixed = [vec![], vec![1, 2, 3], (0..255).collect()].map(OpaqueContent::new);
            round_trip(&mixed, compression);
        }
    }
}
