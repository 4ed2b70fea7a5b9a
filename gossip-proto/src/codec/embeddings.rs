//! The floats of a batch: one form for all of them, chosen by the sender.

use alloc::sync::Arc;
use alloc::vec::Vec;

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
    let mut values = Vec::with_capacity(contents.len() * dimension);
    for content in contents {
        values.extend(content.embedding.iter().map(|value| value.to_bits()));
    }
    if compression == Compression::Off {
        return put_form(out, SINGLE, &plain(&values, 4));
    }
    let halves: Option<Vec<u32>> = values
        .iter()
        .map(|&bits| Some(half::narrow_exactly(f32::from_bits(bits))?.into()))
        .collect();
    let (plain_form, planes_form, values, width) = match halves {
        Some(halves) => (HALF, HALF_PLANES, halves, 2),
        None => (SINGLE, SINGLE_PLANES, values, 4),
    };
    let packed = lz4_flex::block::compress(&planes::shuffle(&values, width));
    if packed.len() < values.len() * width {
        put_form(out, planes_form, &packed);
    } else {
        put_form(out, plain_form, &plain(&values, width));
    }

    fn put_form(out: &mut Vec<u8>, form: u8, bytes: &[u8]) {
        out.push(form);
        put_bytes(out, bytes);
    }
}

/// The lower `width` bytes of each value, little-endian.
fn plain(values: &[u32], width: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() * width);
    values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()[..width]));
    bytes
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
    let values = if matches!(form, SINGLE_PLANES | HALF_PLANES) {
        let planes = section::unpack(bytes, count.div_ceil(8) * 8 * width, weight)?;
        planes::unshuffle(&planes, width, count)
            .ok_or(DecodeError::NotCanonical("the filling of the planes"))?
    } else if bytes.len() == count * width {
        bytes.chunks_exact(width).map(value_of).collect()
    } else {
        return Err(DecodeError::Invalid("the length of the embeddings"));
    };
    weight.add(count * 4)?;
    Ok(match width {
        2 => rows(&values, dimension, |bits| half::widen(bits as u16)),
        _ => rows(&values, dimension, f32::from_bits),
    })
}

/// A value of two or four bytes, little-endian.
fn value_of(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

/// Cuts the values into embeddings.
fn rows(values: &[u32], dimension: u32, value: impl Fn(u32) -> f32) -> Vec<Arc<[f32]>> {
    let row = |values: &[u32]| values.iter().map(|&bits| value(bits)).collect();
    values.chunks_exact(dimension as usize).map(row).collect()
}
