//! The floats of a batch: one form for all of them, chosen by the sender.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::half::narrow_exactly as half_of;
use super::section::append_lz4;
use super::{Weight, half, planes, section};
use crate::limits::{MAX_BODY, MAX_DIMENSION};
use crate::wire::{Reader, put, put_bytes};
use crate::{Compression, Content, DecodeError};

/// Little-endian `f32`, as they are.
const SINGLE: u8 = 0;
/// Little-endian halves, which widen to exactly the values.
const HALF: u8 = 1;
/// Bit planes of `f32` in LZ4.
const SINGLE_PLANES: u8 = 2;
/// Bit planes of halves in LZ4.
const HALF_PLANES: u8 = 3;

pub(super) fn put_embeddings(out: &mut Vec<u8>, contents: &[&Content], compression: Compression) {
    let dimension = contents.first().map_or(0, |content| content.embedding.len());
    put(out, &u32::try_from(dimension).expect("an embedding is far below 2^32 values"));
    if dimension == 0 {
        return;
    }
    let rows = || contents.iter().map(|content| &*content.embedding);
    let count = rows().map(<[f32]>::len).sum();
    if compression == Compression::Off {
        return put_plain(out, SINGLE, rows(), |value| value.to_le_bytes());
    }
    if let Some(planes) = planes::shuffle(rows(), count, 2, |value| Some(half_of(value)?.into())) {
        if !put_packed(out, HALF_PLANES, &planes, 2 * count) {
            let halves = |value| half_of(value).expect("all values are halves").to_le_bytes();
            put_plain(out, HALF, rows(), halves);
        }
        return;
    }
    let planes = planes::shuffle(rows(), count, 4, |value| Some(value.to_bits()));
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

/// Appends the planes in LZ4 if that takes less than `plain` bytes, and else nothing.
fn put_packed(out: &mut Vec<u8>, form: u8, planes: &[u8], plain: usize) -> bool {
    let start = out.len();
    out.push(form);
    let packed = append_lz4(out, planes);
    if packed >= plain {
        out.truncate(start);
    }
    packed < plain
}

pub(super) fn take_embeddings(
    r: &mut Reader<'_>,
    contents: usize,
    weight: &mut Weight,
) -> Result<Vec<Arc<[f32]>>, DecodeError> {
    let dimension: u32 = r.take("the dimension")?;
    if dimension > MAX_DIMENSION {
        let (value, cap) = (dimension.into(), MAX_DIMENSION.into());
        return Err(DecodeError::OverLimit { what: "the dimension", value, cap });
    }
    if (dimension == 0) != (contents == 0) {
        return Err(DecodeError::NotCanonical("the dimension"));
    }
    if contents == 0 {
        return Ok(Vec::new());
    }
    let count = contents * dimension as usize;
    let form: u8 = r.take("the form of the embeddings")?;
    let bytes = r.bytes("the embeddings", MAX_BODY)?;
    let width = match form {
        SINGLE | SINGLE_PLANES => 4,
        HALF | HALF_PLANES => 2,
        _ => return Err(DecodeError::Invalid("the form of the embeddings")),
    };
    let mut rows = Rows::new(dimension as usize);
    let value_of = |bits: u32| match width {
        2 => half::widen(bits as u16),
        _ => f32::from_bits(bits),
    };
    if matches!(form, SINGLE_PLANES | HALF_PLANES) {
        let planes = section::unpack(bytes, count.div_ceil(8) * 8 * width, weight)?;
        weight.add(count * 4)?;
        planes::unshuffle(&planes, width, count, |values| rows.extend(values, value_of))
            .ok_or(DecodeError::NotCanonical("the filling of the planes"))?;
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

/// A value of two or four bytes, little-endian.
fn joined(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

/// Embeddings, as their values come.
struct Rows {
    dimension: usize,
    begun: Vec<f32>,
    whole: Vec<Arc<[f32]>>,
}

impl Rows {
    fn new(dimension: usize) -> Self {
        Self { dimension, begun: Vec::with_capacity(dimension), whole: Vec::new() }
    }

    fn extend(&mut self, mut values: &[u32], value: impl Fn(u32) -> f32) {
        while !values.is_empty() {
            let now;
            let room = self.dimension - self.begun.len();
            (now, values) = values.split_at(values.len().min(room));
            self.begun.extend(now.iter().map(|&bits| value(bits)));
            if self.begun.len() == self.dimension {
                self.whole.push(self.begun.as_slice().into());
                self.begun.clear();
            }
        }
    }
}
