//! A section of bytes: raw, or compressed with LZ4 if that is smaller.

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;

use super::Weight;
use crate::wire::{Reader, put_bytes, put_count};
use crate::{Compression, DecodeError};

const RAW: u8 = 0;
const LZ4: u8 = 1;
/// Size of the longest encoding of a count, in bytes.
const COUNT_WIRE: usize = 5;

pub(crate) fn put(out: &mut Vec<u8>, section: &[u8], compression: Compression) {
    if compression == Compression::Lz4 {
        let start = out.len();
        out.push(LZ4);
        put_count(out, section.len());
        // Unlike the raw form, the packed form contains a second length, of at most five bytes.
        if append_lz4(out, section) + 5 < section.len() {
            return;
        }
        out.truncate(start);
    }
    out.push(RAW);
    put_bytes(out, section);
}

/// Packs `plain` into an LZ4 block, appends the block's length and the block, and returns that
/// length.
///
/// Compresses directly into `out`, because a new buffer for a large batch would cost more than the
/// compression.
pub(crate) fn append_lz4(out: &mut Vec<u8>, plain: &[u8]) -> usize {
    let start = out.len();
    let packed = start + COUNT_WIRE;
    out.resize(packed + lz4_flex::block::get_maximum_output_size(plain.len()), 0);
    let len = lz4_flex::block::compress_into(plain, &mut out[packed..])
        .expect("there is room for the worst case");
    let mut count = Vec::new();
    put_count(&mut count, len);
    let counted = start + count.len();
    out[start..counted].copy_from_slice(&count);
    out.copy_within(packed..packed + len, counted);
    out.truncate(counted + len);
    len
}

/// Takes a section that unfolds to at most `cap` bytes.
pub(crate) fn take<'a>(
    r: &mut Reader<'a>,
    cap: usize,
    weight: &mut Weight,
) -> Result<Cow<'a, [u8]>, DecodeError> {
    match r.take::<u8>("the form of a section")? {
        RAW => Ok(Cow::Borrowed(r.bytes("a section", cap)?)),
        LZ4 => {
            let len = r.count("an unpacked section", cap, 0)?;
            Ok(Cow::Owned(unpack(r.bytes("a packed section", cap)?, len, weight)?))
        }
        _ => Err(DecodeError::Invalid("the form of a section")),
    }
}

/// Unpacks `packed` to exactly `len` bytes, which are counted before they are allocated.
pub(crate) fn unpack(
    packed: &[u8],
    len: usize,
    weight: &mut Weight,
) -> Result<Vec<u8>, DecodeError> {
    // No LZ4 block decompresses to more than 255 times its size, so a larger length is invalid.
    if len > packed.len().saturating_mul(255) {
        return Err(DecodeError::Invalid("the length of a packed section"));
    }
    weight.add(len)?;
    let mut unpacked = vec![0; len];
    match lz4_flex::block::decompress_into(packed, &mut unpacked) {
        Ok(written) if written == len => Ok(unpacked),
        _ => Err(DecodeError::Invalid("a packed section")),
    }
}
