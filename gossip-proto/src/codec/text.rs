//! Compact ids: known shapes are encoded in binary, other strings as the difference from the
//! previous string.
//!
//! The first byte selects the form. Up to [`MAX_SHARED`], it is the number of bytes shared with the
//! previous string, and the rest follows as plain text; a greater value names one of nine packed
//! shapes. The encoder uses the shorter form, or the packed form if both are equally long, so that
//! every string has one encoding.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::DecodeError;
use crate::wire::{Reader, put, put_bytes};

/// Maximum number of bytes that a string may share with the previous one.
const MAX_SHARED: usize = FIRST_SHAPE as usize - 1;
const FIRST_SHAPE: u8 = 247;
/// The prefixes of packed shapes.
const PREFIXES: [&str; 3] = ["", "pattern_", "episode_"];

/// The rest of a packed shape after its prefix.
enum Tail {
    /// A decimal number without leading zeros.
    Decimal(u64),
    /// A lower-case hyphenated UUID.
    Uuid([u8; 16]),
    /// An even number of lower-case hexadecimal digits, at least two.
    Hex(Vec<u8>),
}

/// Appends `text`, given the previous string (empty for the first).
pub(crate) fn put_text(out: &mut Vec<u8>, before: &str, text: &str) {
    let start = out.len();
    let shared = shared_len(before, text);
    out.push(shared as u8);
    put_bytes(out, &text.as_bytes()[shared..]);
    if let Some((shape, tail)) = pack(text) {
        let mut packed = Vec::from([shape]);
        match tail {
            Tail::Decimal(number) => put(&mut packed, &number),
            Tail::Uuid(bytes) => packed.extend_from_slice(&bytes),
            Tail::Hex(bytes) => put_bytes(&mut packed, &bytes),
        }
        if packed.len() <= out.len() - start {
            out.truncate(start);
            out.extend_from_slice(&packed);
        }
    }
}

/// Takes a string of at most `cap` bytes, given the previous string.
pub(crate) fn take_text(
    r: &mut Reader<'_>,
    before: &str,
    what: &'static str,
    cap: usize,
) -> Result<String, DecodeError> {
    let from = r.mark();
    let code: u8 = r.take(what)?;
    let text = match code.checked_sub(FIRST_SHAPE) {
        None => {
            let shared = before.get(..code.into()).ok_or(DecodeError::Invalid(what))?;
            let rest = r.further(what, shared.len(), cap, 1)?;
            let rest = core::str::from_utf8(r.raw(what, rest)?);
            [shared, rest.map_err(|_| DecodeError::Invalid(what))?].concat()
        }
        Some(shape) => {
            let prefix = PREFIXES[usize::from(shape / 3)];
            match shape % 3 {
                0 => format!("{prefix}{}", r.take::<u64>(what)?),
                1 => format!("{prefix}{}", uuid_text(r.array(what)?)),
                _ => format!("{prefix}{}", hex_text(take_hex(r, what, prefix.len(), cap)?)),
            }
        }
    };
    if text.len() > cap {
        let (value, cap) = (text.len() as u64, cap as u64);
        return Err(DecodeError::OverLimit { what, value, cap });
    }
    let mut only = Vec::new();
    put_text(&mut only, before, &text);
    if r.since(from) == only { Ok(text) } else { Err(DecodeError::NotCanonical(what)) }
}

/// Takes the packed digits of a text of at most `cap` bytes that has `before` bytes before them.
fn take_hex<'a>(
    r: &mut Reader<'a>,
    what: &'static str,
    before: usize,
    cap: usize,
) -> Result<&'a [u8], DecodeError> {
    let packed: u32 = r.take(what)?;
    let (value, cap) = (before as u64 + 2 * u64::from(packed), cap as u64);
    if value > cap {
        return Err(DecodeError::OverLimit { what, value, cap });
    }
    r.raw(what, packed as usize)
}

fn shared_len(before: &str, text: &str) -> usize {
    let pairs = before.bytes().zip(text.bytes());
    let mut shared = pairs.take(MAX_SHARED).take_while(|(a, b)| a == b).count();
    while !text.is_char_boundary(shared) {
        shared -= 1;
    }
    shared
}

/// The packed shape of a string, if it has one that unpacks to exactly this string.
fn pack(text: &str) -> Option<(u8, Tail)> {
    let (at, rest) = PREFIXES
        .iter()
        .enumerate()
        .rev()
        .find_map(|(at, prefix)| text.strip_prefix(prefix).map(|rest| (at as u8, rest)))?;
    let shape = FIRST_SHAPE + at * 3;
    if let Some(number) = decimal(rest) {
        return Some((shape, Tail::Decimal(number)));
    }
    if let Some(bytes) = uuid(rest) {
        return Some((shape + 1, Tail::Uuid(bytes)));
    }
    hex(rest).map(|bytes| (shape + 2, Tail::Hex(bytes)))
}

fn decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let canonical = digits && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    if !odd.is_empty() || pairs.is_empty() {
        return None;
    }
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// Offsets of the hyphens in the text of a UUID.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

fn uuid(text: &str) -> Option<[u8; 16]> {
    let hyphenated = text.len() == 36 && HYPHENS.iter().all(|&at| text.as_bytes()[at] == b'-');
    if !hyphenated {
        return None;
    }
    let digits: String = text.chars().filter(|&c| c != '-').collect();
    if digits.len() == 32 { hex(&digits)?.try_into().ok() } else { None }
}

fn hex_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    text.extend(bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit));
    text
}

fn uuid_text(bytes: [u8; 16]) -> String {
    let mut text = hex_text(&bytes);
    for at in HYPHENS {
        text.insert(at, '-');
    }
    text
}

fn hex_digit(nibble: u8) -> char {
    char::from(b"0123456789abcdef"[usize::from(nibble)])
}
