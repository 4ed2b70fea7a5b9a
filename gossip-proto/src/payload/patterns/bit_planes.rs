//! Bit planes: the same bit of many numbers side by side.
//!
//! The exponents of an embedding's values resemble each other, while the mantissas are noise. LZ4
//! finds no repetition while the two are interleaved. With a separate plane for each bit, the
//! planes of the exponents shrink, and the others keep about the same size.

use alloc::vec;
use alloc::vec::Vec;

/// Number of groups of eight values that are transposed at once: one byte of each group fills a
/// vector register.
const GROUPS: usize = 16;
/// Number of values that are transposed at once.
const VALUES: usize = 8 * GROUPS;

/// Row `n` holds value `n` of each group. In a transposed block, it holds bit `n` of each byte of
/// the group's values.
type Block = [[u32; GROUPS]; 8];

/// Sorts the bits of the lower `width` bytes of `count` values into planes.
///
/// `bits` converts each value of the rows. If it returns `None` for any value, this function
/// returns `None`. Pads the values with zeros to a multiple of eight.
pub(super) fn shuffle<'a>(
    rows: impl Iterator<Item = &'a [f32]>,
    count: usize,
    width: usize,
    bits: impl Fn(f32) -> Option<u32>,
) -> Option<Vec<u8>> {
    let groups = count.div_ceil(8);
    let mut planes = vec![0; groups * 8 * width];
    let (mut block, mut filled, mut first) = ([0; VALUES], 0, 0);
    for mut row in rows {
        while !row.is_empty() {
            let now;
            (now, row) = row.split_at(row.len().min(VALUES - filled));
            for (to, value) in block[filled..].iter_mut().zip(now) {
                *to = bits(*value)?;
            }
            filled += now.len();
            if filled == VALUES {
                shuffle_block(&block, &mut planes, groups, first);
                (filled, first) = (0, first + GROUPS);
            }
        }
    }
    if filled > 0 {
        block[filled..].fill(0);
        shuffle_block(&block, &mut planes, groups, first);
    }
    Some(planes)
}

/// Transposes a block and writes it into the planes at group `first`, truncated at their end.
fn shuffle_block(values: &[u32; VALUES], planes: &mut [u8], groups: usize, first: usize) {
    let mut block = Block::default();
    for (group, eight) in values.chunks_exact(8).enumerate() {
        for (row, value) in block.iter_mut().zip(eight) {
            row[group] = *value;
        }
    }
    transpose(&mut block);
    for (plane, bytes) in planes.chunks_exact_mut(groups).zip(bytes_of(&block)) {
        match plane[first..].first_chunk_mut() {
            Some(whole) => *whole = bytes,
            None => plane[first..].copy_from_slice(&bytes[..groups - first]),
        }
    }
}

/// Undoes [`shuffle`] for `count` values and passes them to `put` in pieces; `None` if the padding
/// is not zero.
///
/// `planes` must be as long as the output of `shuffle` for `count` values of the same `width`.
pub(super) fn unshuffle(
    planes: &[u8],
    width: usize,
    count: usize,
    mut put: impl FnMut(&[u32]),
) -> Option<()> {
    let groups = count.div_ceil(8);
    for first in (0..groups).step_by(GROUPS) {
        let values = unshuffle_block(planes, width, groups, first);
        let (values, filling) = values.split_at(VALUES.min(count - 8 * first));
        if filling.iter().any(|&value| value != 0) {
            return None;
        }
        put(values);
    }
    Some(())
}

fn unshuffle_block(planes: &[u8], width: usize, groups: usize, first: usize) -> [u32; VALUES] {
    let mut block = Block::default();
    for (at, plane) in planes.chunks_exact(groups).take(8 * width).enumerate() {
        let (lane, row) = (at / 8, &mut block[at % 8]);
        let put = |(word, byte): (&mut u32, &u8)| *word |= u32::from(*byte) << (8 * lane);
        match plane[first..].first_chunk::<GROUPS>() {
            Some(whole) => row.iter_mut().zip(whole).for_each(put),
            None => row.iter_mut().zip(&plane[first..]).for_each(put),
        }
    }
    transpose(&mut block);
    let mut values = [0; VALUES];
    for (group, eight) in values.chunks_exact_mut(8).enumerate() {
        for (value, row) in eight.iter_mut().zip(&block) {
            *value = row[group];
        }
    }
    values
}

/// The bytes of a transposed block, plane by plane, the planes of the lowest byte first.
fn bytes_of(block: &Block) -> impl Iterator<Item = [u8; GROUPS]> {
    let lanes = (0..u32::BITS).step_by(8);
    lanes.flat_map(move |shift| block.iter().map(move |row| row.map(|word| (word >> shift) as u8)))
}

/// Transposes 8 x 8 bit matrices: for each group and each byte, the eight rows form one matrix.
///
/// Squares of 4 x 4, 2 x 2 and single bits swap across the diagonal (Warren, Hacker's Delight,
/// section 7-3). Every step is the same for all groups, so that it compiles to vector code.
fn transpose(block: &mut Block) {
    for (distance, mask) in [(4, 0x0f0f_0f0f), (2, 0x3333_3333), (1, 0x5555_5555)] {
        for upper in (0..8).filter(|row| row & distance == 0) {
            let [upper, lower] = block
                .get_disjoint_mut([upper, upper + distance])
                .expect("a pair has two different rows below 8");
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

    fn shuffled(values: &[u32], width: usize) -> Vec<u8> {
        let values: Vec<f32> = values.iter().map(|&bits| f32::from_bits(bits)).collect();
        // Row ends do not align with blocks.
        let planes = shuffle(values.chunks(37), values.len(), width, |value| Some(value.to_bits()));
        planes.unwrap()
    }

    fn unshuffled(planes: &[u8], width: usize, count: usize) -> Option<Vec<u32>> {
        let mut values = Vec::new();
        unshuffle(planes, width, count, |some| values.extend_from_slice(some))?;
        Some(values)
    }

    #[test]
    fn any_number_of_values_survives() {
        for (width, mask) in [(2, 0xffff), (4, u32::MAX)] {
            for count in 0..300 {
                let value = |n: u32| n.wrapping_mul(2_654_435_761) & mask;
                let values: Vec<u32> = (0..count).map(value).collect();
                let planes = shuffled(&values, width);
                assert_eq!(unshuffled(&planes, width, values.len()), Some(values));
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
                assert_eq!(shuffled(&values, width), planes, "bit {bit} of {count}");
            }
        }
    }

    #[test]
    fn a_filling_that_is_not_zero_is_refused() {
        for count in [1, 129] {
            let mut planes = shuffled(&vec![7; count], 4);
            planes[count / 8] |= 0b10;
            assert_eq!(unshuffled(&planes, 4, count), None);
        }
    }

    #[test]
    fn a_value_without_bits_ends_it() {
        let bits = |value: f32| (value < 200.0).then_some(0);
        let values: Vec<f32> = (0..=200).map(|n| n as f32).collect();
        assert!(shuffle(core::iter::once(&values[..200]), 200, 2, bits).is_some());
        assert!(shuffle(core::iter::once(&values[..]), 201, 2, bits).is_none());
    }
}
