use alloc::vec::Vec;

use crate::{DecodeError, Reader};

// The first byte tells the length, as in the varint of SQLite 4, so that most counters of a young
// cluster fit one byte (up to 240) or two (up to 2,288). The two short forms start where the
// shorter one ends and so cannot overlap; the long forms are plain big-endian integers, and a
// shorter form that would do is required.
const TWO_BYTES_FROM: u64 = 241;
const THREE_BYTES_FROM: u64 = TWO_BYTES_FROM + 8 * 256;
const LONG_FROM: u64 = THREE_BYTES_FROM + 0x1_0000;
const TWO_BYTES_TAG: u8 = 241;
const THREE_BYTES_TAG: u8 = 249;
/// Followed by three bytes; each tag above by one more, up to eight behind 255.
const LONG_TAG: u8 = 250;

/// Appends `value` in its one form, 1 to 9 bytes: see [`Reader::varint`].
pub fn write_varint(value: u64, out: &mut Vec<u8>) {
    match value {
        ..TWO_BYTES_FROM => out.push(value as u8),
        TWO_BYTES_FROM..THREE_BYTES_FROM => {
            let rest = value - TWO_BYTES_FROM;
            out.extend([TWO_BYTES_TAG + (rest >> 8) as u8, rest as u8]);
        }
        THREE_BYTES_FROM..LONG_FROM => {
            out.push(THREE_BYTES_TAG);
            out.extend(((value - THREE_BYTES_FROM) as u16).to_be_bytes());
        }
        LONG_FROM.. => {
            let length = long_len(value);
            out.push(LONG_TAG + (length - 3) as u8);
            out.extend(&value.to_be_bytes()[8 - length..]);
        }
    }
}

/// How many bytes [`write_varint`] appends.
pub(super) const fn varint_len(value: u64) -> usize {
    match value {
        ..TWO_BYTES_FROM => 1,
        TWO_BYTES_FROM..THREE_BYTES_FROM => 2,
        THREE_BYTES_FROM..LONG_FROM => 3,
        LONG_FROM.. => 1 + long_len(value),
    }
}

/// How many bytes a value from `LONG_FROM` on takes as a plain integer: three to eight.
const fn long_len(value: u64) -> usize {
    8 - value.leading_zeros() as usize / 8
}

pub(super) fn read_varint(input: &mut Reader<'_>) -> Result<u64, DecodeError> {
    let tag = input.byte()?;
    match tag {
        ..TWO_BYTES_TAG => Ok(u64::from(tag)),
        TWO_BYTES_TAG..THREE_BYTES_TAG => {
            let high = u64::from(tag - TWO_BYTES_TAG) << 8;
            Ok(TWO_BYTES_FROM + high + u64::from(input.byte()?))
        }
        THREE_BYTES_TAG => Ok(THREE_BYTES_FROM + u64::from(u16::from_be_bytes(input.array()?))),
        LONG_TAG.. => {
            let length = usize::from(tag - LONG_TAG) + 3;
            let value =
                input.take(length)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
            if value < LONG_FROM || long_len(value) != length {
                return Err(DecodeError::NotCanonical);
            }
            Ok(value)
        }
    }
}
