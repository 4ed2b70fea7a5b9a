//! Bit planes: the same bit of many numbers side by side.
//!
//! Signs and exponents of an embedding's values resemble each other, their mantissas are noise.
//! LZ4 finds nothing while both are interleaved; once every bit has a plane of its own, the planes
//! of the exponents shrink and the others cost nothing extra.

use alloc::vec;
use alloc::vec::Vec;

/// Groups of eight values that are transposed at once: as many as fill a vector register with one
/// byte of each.
const AT_ONCE: usize = 16;

/// Row `n` holds value `n` of each group; or, transposed, bit `n` of each byte of the group's values.
type Block = [[u32; AT_ONCE]; 8];

/// Sorts the bits of `values`, of which the lower `width` bytes matter, into planes.
///
/// The number of values is filled up with zeros to a multiple of eight.
pub(super) fn shuffle(values: &[u32], width: usize) -> Vec<u8> {
    let groups = values.len().div_ceil(8);
    let mut planes = vec![0; groups * 8 * width];
    for (values, first) in values.chunks(8 * AT_ONCE).zip((0..).step_by(AT_ONCE)) {
        let mut block = Block::default();
        for (group, eight) in values.chunks(8).enumerate() {
            for (row, value) in block.iter_mut().zip(eight) {
                row[group] = *value;
            }
        }
        transpose(&mut block);
        let len = AT_ONCE.min(groups - first);
        for (plane, bytes) in planes.chunks_exact_mut(groups).zip(bytes_of(&block)) {
            match plane[first..].first_chunk_mut() {
                Some(whole) => *whole = bytes,
                None => plane[first..].copy_from_slice(&bytes[..len]),
            }
        }
    }
    planes
}

/// Undoes [`shuffle`] for a number of values; `None` if the filling is not zero.
///
/// `planes` must be as long as `shuffle` makes it for that number.
pub(super) fn unshuffle(planes: &[u8], width: usize, count: usize) -> Option<Vec<u32>> {
    let groups = count.div_ceil(8);
    let mut values = vec![0; groups * 8];
    for (values, first) in values.chunks_mut(8 * AT_ONCE).zip((0..).step_by(AT_ONCE)) {
        let mut block = Block::default();
        for (at, plane) in planes.chunks_exact(groups).take(8 * width).enumerate() {
            let (lane, row) = (at / 8, &mut block[at % 8]);
            let put = |(word, byte): (&mut u32, &u8)| *word |= u32::from(*byte) << (8 * lane);
            match plane[first..].first_chunk::<AT_ONCE>() {
                Some(whole) => row.iter_mut().zip(whole).for_each(put),
                None => row.iter_mut().zip(&plane[first..]).for_each(put),
            }
        }
        transpose(&mut block);
        for (group, eight) in values.chunks_mut(8).enumerate() {
            for (value, row) in eight.iter_mut().zip(&block) {
                *value = row[group];
            }
        }
    }
    let filling = values.split_off(count);
    filling.iter().all(|&value| value == 0).then_some(values)
}

/// The bytes of a transposed block, plane by plane: all of the lowest byte first.
fn bytes_of(block: &Block) -> impl Iterator<Item = [u8; AT_ONCE]> {
    let lanes = (0..u32::BITS).step_by(8);
    lanes.flat_map(move |shift| block.iter().map(move |row| row.map(|word| (word >> shift) as u8)))
}

/// Transposes 8 x 8 matrices of bits: of each group and each byte, the eight rows are the matrix.
///
/// Squares of 4 x 4, 2 x 2 and single bits change places across the diagonal (Warren, Hacker's
/// Delight, section 7-3). Every step is the same for all groups, so that it compiles to vector code.
fn transpose(block: &mut Block) {
    for (distance, mask) in [(4, 0x0f0f_0f0f), (2, 0x3333_3333), (1, 0x5555_5555)] {
        for upper in (0..8).filter(|row| row & distance == 0) {
            let [upper, lower] = block
                .get_disjoint_mut([upper, upper + distance])
                .expect("the rows of a pair are two of eight");
            for (upper, lower) in upper.iter_mut().zip(lower) {
                let differ = ((*upper >> distance) ^ *lower) & mask;
                *lower ^= differ;
                *upper ^= differ << distance;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_values_survives() {
        for (width, mask) in [(2, 0xffff), (4, u32::MAX)] {
            for count in 0..300 {
                let value = |n: u32| n.wrapping_mul(2_654_435_761) & mask;
                let values: Vec<u32> = (0..count).map(value).collect();
                let planes = shuffle(&values, width);
                assert_eq!(unshuffle(&planes, width, count as usize), Some(values));
            }
        }
    }

    #[test]
    fn a_plane_holds_one_bit_of_every_value() {
        for (count, width) in [(1, 4), (16, 2), (127, 4), (128, 4), (1_000, 2)] {
            let groups = usize::div_ceil(count, 8);
            for bit in 0..8 * width {
                let mut values = vec![0; count];
                values[count / 3] = 1 << bit;
                let mut planes = vec![0; groups * 8 * width];
                planes[bit * groups + count / 3 / 8] = 1 << (count / 3 % 8);
                assert_eq!(shuffle(&values, width), planes, "bit {bit} of {count}");
            }
        }
    }

    #[test]
    fn a_filling_that_is_not_zero_is_refused() {
        for count in [1, 129] {
            let mut planes = shuffle(&vec![7; count], 4);
            planes[count / 8] |= 0b10;
            assert_eq!(unshuffle(&planes, 4, count), None);
        }
    }
}
