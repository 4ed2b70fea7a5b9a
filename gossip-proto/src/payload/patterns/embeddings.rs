//! The embeddings of a batch, all in one form that the sender chooses.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::half::narrow_exactly as half_of;
use super::{PatternContent, bit_planes, half};
use crate::codec::{Weight, section};
use crate::limits::MAX_CONTENT_LEN;
use crate::wire::{Reader, put, put_bytes};
use crate::{Compression, DecodeError};

/// Little-endian `f32`.
const SINGLE: u8 = 0;
/// Little-endian half-precision values, used only if widening them restores the values exactly.
const HALF: u8 = 1;
/// Bit planes of `f32`, compressed with LZ4.
const SINGLE_PLANES: u8 = 2;
/// Bit planes of half-precision values, compressed with LZ4.
const HALF_PLANES: u8 = 3;

/// The lengths of the embeddings of a batch.
enum Lengths {
    /// All embeddings have this length.
    Equal(usize),
    Each(Vec<usize>),
}

pub(super) fn put_embeddings(
    out: &mut Vec<u8>,
    contents: &[&PatternContent],
    compression: Compression,
) {
    put_lengths(out, contents.iter().map(|content| content.embedding.len()));
    let rows = || contents.iter().map(|content| &*content.embedding);
    let count = rows().map(<[f32]>::len).sum();
    if count == 0 {
        return;
    }
    if compression == Compression::Off {
        return put_plain(out, SINGLE, rows(), |value| value.to_le_bytes());
    }
    if let Some(planes) =
        bit_planes::shuffle(rows(), count, 2, |value| Some(half_of(value)?.into()))
    {
        if !put_packed(out, HALF_PLANES, &planes, 2 * count) {
            let halves = |value| half_of(value).expect("all values are halves").to_le_bytes();
            put_plain(out, HALF, rows(), halves);
        }
        return;
    }
    let planes = bit_planes::shuffle(rows(), count, 4, |value| Some(value.to_bits()));
    let planes = planes.expect("every value has bits");
    if !put_packed(out, SINGLE_PLANES, &planes, 4 * count) {
        put_plain(out, SINGLE, rows(), f32::to_le_bytes);
    }
}

fn put_plain<'a, const WIDTH: usize>(
    out: &mut Vec<u8>,
    form: u8,
    rows: impl Iterator<Item = &'a [f32]>,
    bytes: impl Fn(f32) -> [u8; WIDTH],
) {
    let plain: Vec<_> = rows.flatten().map(|&value| bytes(value)).collect();
    out.push(form);
    put_bytes(out, plain.as_flattened());
}

/// Compresses the planes with LZ4 and appends them if that takes less than `plain` bytes; returns
/// whether it appended them.
fn put_packed(out: &mut Vec<u8>, form: u8, planes: &[u8], plain: usize) -> bool {
    let start = out.len();
    out.push(form);
    let packed = section::append_lz4(out, planes);
    if packed >= plain {
        out.truncate(start);
    }
    packed < plain
}

fn put_lengths(out: &mut Vec<u8>, lengths: impl Iterator<Item = usize> + Clone) {
    let length = |length: usize| u32::try_from(length).expect("lengths are below 2^32");
    let first = lengths.clone().next().unwrap_or(0);
    if lengths.clone().all(|length| length == first) {
        put(out, &(length(first) + 1));
    } else {
        put(out, &0u32);
        lengths.for_each(|each| put(out, &length(each)));
    }
}

fn take_lengths(r: &mut Reader<'_>, contents: usize) -> Result<Lengths, DecodeError> {
    const WHAT: &str = "values of an embedding";
    let within = |length: u32| match length <= PatternContent::MAX_DIMENSION {
        true => Ok(length as usize),
        false => {
            let (value, cap) = (length.into(), PatternContent::MAX_DIMENSION.into());
            Err(DecodeError::OverLimit { what: WHAT, value, cap })
        }
    };
    if let Some(length) = r.take::<u32>(WHAT)?.checked_sub(1) {
        return Ok(Lengths::Equal(within(length)?));
    }
    let each: Vec<usize> =
        (0..contents).map(|_| within(r.take(WHAT)?)).collect::<Result<_, _>>()?;
    match each.iter().all(|length| Some(length) == each.first()) {
        true => Err(DecodeError::NotCanonical("the list of lengths of embeddings")),
        false => Ok(Lengths::Each(each)),
    }
}

pub(super) fn take_embeddings(
    r: &mut Reader<'_>,
    contents: usize,
    weight: &mut Weight,
) -> Result<Vec<Arc<[f32]>>, DecodeError> {
    let lengths = take_lengths(r, contents)?;
    let count = match &lengths {
        Lengths::Equal(length) => contents * length,
        Lengths::Each(lengths) => lengths.iter().sum(),
    };
    let mut rows = Rows::new(lengths, contents);
    if count == 0 {
        return Ok(rows.whole);
    }
    let form: u8 = r.take("the form of the embeddings")?;
    let bytes = r.bytes("the embeddings", MAX_CONTENT_LEN)?;
    let width = match form {
        SINGLE | SINGLE_PLANES => 4,
        HALF | HALF_PLANES => 2,
        _ => return Err(DecodeError::Invalid("the form of the embeddings")),
    };
    let value_of = |bits: u32| match width {
        2 => half::widen(bits as u16),
        _ => f32::from_bits(bits),
    };
    if matches!(form, SINGLE_PLANES | HALF_PLANES) {
        let planes = section::unpack(bytes, count.div_ceil(8) * 8 * width, weight)?;
        weight.add(count * 4)?;
        bit_planes::unshuffle(&planes, width, count, |values| rows.extend(values, value_of))
            .ok_or(DecodeError::NotCanonical("the padding of the planes"))?;
    } else {
        if bytes.len() != count * width {
            return Err(DecodeError::Invalid("the length of the embeddings"));
        }
        weight.add(count * 4)?;
        let values: Vec<u32> = bytes.chunks_exact(width).map(joined).collect();
        rows.extend(&values, value_of);
    }
    Ok(rows.whole)
}

/// Reads a little-endian value of two or four bytes.
fn joined(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

/// Builds embeddings from values that arrive in pieces.
struct Rows {
    lengths: Lengths,
    contents: usize,
    begun: Vec<f32>,
    whole: Vec<Arc<[f32]>>,
}

impl Rows {
    fn new(lengths: Lengths, contents: usize) -> Self {
        let mut rows = Self { lengths, contents, begun: Vec::new(), whole: Vec::new() };
        rows.skip_empty();
        rows
    }

    /// The length of the next embedding.
    fn next_length(&self) -> Option<usize> {
        let at = self.whole.len();
        match &self.lengths {
            Lengths::Equal(length) => (at < self.contents).then_some(*length),
            Lengths::Each(lengths) => lengths.get(at).copied(),
        }
    }

    fn skip_empty(&mut self) {
        while self.next_length() == Some(0) {
            self.whole.push(Arc::from([]));
        }
    }

    fn extend(&mut self, mut values: &[u32], value: impl Fn(u32) -> f32) {
        while let (false, Some(length)) = (values.is_empty(), self.next_length()) {
            let now;
            (now, values) = values.split_at(values.len().min(length - self.begun.len()));
            self.begun.extend(now.iter().map(|&bits| value(bits)));
            if self.begun.len() == length {
                self.whole.push(self.begun.as_slice().into());
                self.begun.clear();
                self.skip_empty();
            }
        }
    }
}
