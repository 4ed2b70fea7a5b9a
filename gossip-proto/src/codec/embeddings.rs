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
    let values = || contents.iter().flat_map(|content| content.embedding.iter().copied());
    let single = || values().map(f32::to_le_bytes).collect::<Vec<_>>().into_flattened();
    if compression == Compression::Off {
        return put_form(out, SINGLE, &single());
    }
    let halves: Option<Vec<[u8; 2]>> =
        values().map(|value| half::narrow_exactly(value).map(u16::to_le_bytes)).collect();
    let (plain_form, planes_form, plain, width) = match halves {
        Some(halves) => (HALF, HALF_PLANES, halves.into_flattened(), 2),
        None => (SINGLE, SINGLE_PLANES, single(), 4),
    };
    let packed = lz4_flex::block::compress(&planes::shuffle(&plain, width));
    if packed.len() < plain.len() {
        put_form(out, planes_form, &packed);
    } else {
        put_form(out, plain_form, &plain);
    }

    fn put_form(out: &mut Vec<u8>, form: u8, bytes: &[u8]) {
        out.push(form);
        put_bytes(out, bytes);
    }
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
    let unpacked;
    let plain = if matches!(form, SINGLE_PLANES | HALF_PLANES) {
        let planes = section::unpack(bytes, count.div_ceil(8) * 8 * width, weight)?;
        unpacked = planes::unshuffle(&planes, width, count)
            .ok_or(DecodeError::NotCanonical("the filling of the planes"))?;
        &unpacked
    } else {
        bytes
    };
    if plain.len() != count * width {
        return Err(DecodeError::Invalid("the length of the embeddings"));
    }
    weight.add(count * 4)?;
    Ok(rows(plain, width, dimension as usize))
}

/// Cuts the bytes into embeddings.
fn rows(plain: &[u8], width: usize, dimension: usize) -> Vec<Arc<[f32]>> {
    let row = |bytes: &[u8]| -> Arc<[f32]> {
        if width == 2 {
            let (halves, _) = bytes.as_chunks();
            halves.iter().map(|&half| half::widen(u16::from_le_bytes(half))).collect()
        } else {
            let (singles, _) = bytes.as_chunks();
            singles.iter().map(|&single| f32::from_le_bytes(single)).collect()
        }
    };
    plain.chunks_exact(width * dimension).map(row).collect()
}
