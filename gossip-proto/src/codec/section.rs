//! A section of bytes: as it is, or LZ4 where that is smaller.

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;

use super::Weight;
use crate::limits::{MAX_BODY, MAX_UNFOLDED};
use crate::wire::{Reader, put_bytes, put_count};
use crate::{Compression, DecodeError};

const RAW: u8 = 0;
const LZ4: u8 = 1;

pub(super) fn put(out: &mut Vec<u8>, section: &[u8], compression: Compression) {
    if compression == Compression::Lz4 {
        let packed = lz4_flex::block::compress(section);
        // The packed form names one more length, of at most five bytes.
        if packed.len() + 5 < section.len() {
            out.push(LZ4);
            put_count(out, section.len());
            return put_bytes(out, &packed);
        }
    }
    out.push(RAW);
    put_bytes(out, section);
}

pub(super) fn take<'a>(
    r: &mut Reader<'a>,
    weight: &mut Weight,
) -> Result<Cow<'a, [u8]>, DecodeError> {
    match r.take::<u8>("the form of a section")? {
        RAW => Ok(Cow::Borrowed(r.bytes("a section", MAX_BODY)?)),
        LZ4 => {
            let len = r.count("an unpacked section", MAX_UNFOLDED, 0)?;
            Ok(Cow::Owned(unpack(r.bytes("a packed section", MAX_BODY)?, len, weight)?))
        }
        _ => Err(DecodeError::Invalid("the form of a section")),
    }
}

/// Unpacks to exactly `len` bytes, which are counted before they are allocated.
pub(super) fn unpack(
    packed: &[u8],
    len: usize,
    weight: &mut Weight,
) -> Result<Vec<u8>, DecodeError> {
    // No LZ4 block unfolds to more than 255 times its size: a larger claim need not be tried.
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
