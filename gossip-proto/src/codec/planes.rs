//! Bit planes: the same bit of many numbers side by side.
//!
//! Signs and exponents of an embedding's values resemble each other, their mantissas are noise.
//! LZ4 finds nothing while both are interleaved; once every bit has a plane of its own, the planes
//! of the exponents shrink and the others cost nothing extra.

use alloc::vec;
use alloc::vec::Vec;

/// Sorts the bits of `values`, of `width` bytes each, into planes.
///
/// The number of values is filled up with zeros to a multiple of eight.
pub(super) fn shuffle(values: &[u8], width: usize) -> Vec<u8> {
    let groups = (values.len() / width).div_ceil(8);
    let mut planes = vec![0; groups * 8 * width];
    for (lane, eight) in planes.chunks_exact_mut(8 * groups.max(1)).enumerate() {
        let mut eight = eight.chunks_exact_mut(groups);
        let mut eight: [&mut [u8]; 8] =
            core::array::from_fn(|_| eight.next().expect("each lane has eight planes"));
        for (group, block) in values.chunks(8 * width).enumerate() {
            let mut rows = [0; 8];
            for (row, value) in rows.iter_mut().zip(block.chunks_exact(width)) {
                *row = value[lane];
            }
            for (plane, byte) in eight.iter_mut().zip(transpose(rows)) {
                plane[group] = byte;
            }
        }
    }
    planes
}

/// Undoes [`shuffle`] for a number of values; `None` if the filling is not zero.
///
/// `planes` must be as long as `shuffle` makes it for that number.
pub(super) fn unshuffle(planes: &[u8], width: usize, count: usize) -> Option<Vec<u8>> {
    let groups = count.div_ceil(8);
    let mut values = vec![0; groups * 8 * width];
    for (group, block) in values.chunks_exact_mut(8 * width).enumerate() {
        for lane in 0..width {
            let mut columns = [0; 8];
            for (bit, byte) in columns.iter_mut().enumerate() {
                *byte = planes[(lane * 8 + bit) * groups + group];
            }
            for (value, byte) in block.chunks_exact_mut(width).zip(transpose(columns)) {
                value[lane] = byte;
            }
        }
    }
    let filling = values.split_off(count * width);
    filling.iter().all(|&byte| byte == 0).then_some(values)
}

/// Transposes an 8 x 8 matrix of bits (Warren, Hacker's Delight, section 7-3).
fn transpose(rows: [u8; 8]) -> [u8; 8] {
    let mut x = u64::from_le_bytes(rows);
    for (mask, shift) in
        [(0x00aa_00aa_00aa_00aa, 7), (0x0000_cccc_0000_cccc, 14), (0x0000_0000_f0f0_f0f0, 28)]
    {
        let t = (x ^ x >> shift) & mask;
        x ^= t ^ t << shift;
    }
    x.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_values_survives() {
        for width in [2, 4] {
            for count in 0..40 {
                let values: Vec<u8> = (0..count * width).map(|i| (i * 37 + 11) as u8).collect();
                let planes = shuffle(&values, width);
                assert_eq!(unshuffle(&planes, width, count), Some(values));
            }
        }
    }

    #[test]
    fn a_plane_holds_one_bit_of_every_value() {
        let values: Vec<u8> = (0..16u32).flat_map(|i| (i & 1).to_le_bytes()).collect();
        let planes = shuffle(&values, 4);
        assert_eq!(planes[..2], [0b1010_1010, 0b1010_1010]);
        assert!(planes[2..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn a_filling_that_is_not_zero_is_refused() {
        let mut planes = shuffle(&[1, 2, 3, 4], 4);
        planes[0] |= 0b10;
        assert_eq!(unshuffle(&planes, 4, 1), None);
    }
}
