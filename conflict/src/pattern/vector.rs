//! The cosine similarity and the weighted blend, with the same bits on every machine and in every
//! build.
//!
//! A sum of floats depends on its order, so the order is part of the definition here: in a sum of
//! `f32`, element `i` is added to lane `i % 32`, and then the upper half of the lanes is added to the lower until one
//! sum is left. Compilers turn 32 independent lanes into vector instructions of any width without
//! changing a bit. There is no fused multiply-add (it rounds once, and a machine without it rounds
//! twice) and no `min` or `max` of floats (they do not define the sign of a zero); the square root
//! is correctly rounded everywhere.

use alloc::vec;
use alloc::vec::Vec;
use core::array;

/// The number of independent sums.
const LANES: usize = 32;

/// Half of the lanes. Three sums of this many lanes fit into 16 registers of 128 bits; three sums
/// of all lanes do not.
const HALF: usize = LANES / 2;

/// Squared norms within these bounds neither overflow nor lose precision in `f32` lanes.
const FAST: core::ops::RangeInclusive<f64> = 1e-20..=1e30;

/// Returns the cosine of the angle between two vectors, in `-1..=1` and never `-0.0`.
///
/// Returns `None` if the angle is undefined: the dimensions differ, a vector is zero or empty, or a
/// component is NaN or infinite. The products are summed in 32 fixed lanes of `f32`, and the lanes
/// in `f64`. If a squared length is outside `1e-20..=1e30`, where a sum in `f32` could overflow or
/// lose precision, all sums are computed in `f64`. The absolute error is below `3e-6` at 768
/// dimensions; the bits are the same on every machine.
///
/// ```
/// assert_eq!(engram_conflict::pattern::cosine(&[3.0, 4.0], &[3.0, 4.0]), Some(1.0));
/// assert_eq!(engram_conflict::pattern::cosine(&[1.0, 0.0], &[0.0, 1.0]), Some(0.0));
/// assert_eq!(engram_conflict::pattern::cosine(&[0.0, 0.0], &[0.0, 1.0]), None);
/// ```
pub fn cosine(left: &[f32], right: &[f32]) -> Option<f32> {
    if left.len() != right.len() {
        return None;
    }
    let lanes = [half_sums::<0>(left, right), half_sums::<HALF>(left, right)];
    let [dot, left_norm, right_norm] = [0, 1, 2].map(|sum| total(&lanes[0][sum], &lanes[1][sum]));
    if FAST.contains(&left_norm) && FAST.contains(&right_norm) {
        Some(angle(dot, left_norm, right_norm))
    } else {
        wide_cosine(left, right)
    }
}

/// Sums the products of two vectors, and of each with itself, in the lanes that start at `FIRST`.
#[inline(always)]
fn half_sums<const FIRST: usize>(left: &[f32], right: &[f32]) -> [[f32; HALF]; 3] {
    // Three arrays and no closure, so that the compiler keeps the sums in registers.
    let (mut dot, mut left_norm, mut right_norm) = ([0f32; HALF], [0f32; HALF], [0f32; HALF]);
    let (left_chunks, left_rest) = left.as_chunks::<LANES>();
    let (right_chunks, right_rest) = right.as_chunks::<LANES>();
    for (a, b) in left_chunks.iter().zip(right_chunks) {
        for lane in 0..HALF {
            let (a, b) = (a[FIRST + lane], b[FIRST + lane]);
            dot[lane] += a * b;
            left_norm[lane] += a * a;
            right_norm[lane] += b * b;
        }
    }
    for (lane, (a, b)) in left_rest.iter().zip(right_rest).skip(FIRST).take(HALF).enumerate() {
        dot[lane] += a * b;
        left_norm[lane] += a * a;
        right_norm[lane] += b * b;
    }
    [dot, left_norm, right_norm]
}

/// Adds the lanes by halves: 32 to 16, to 8, to 4, to 2, to 1.
///
/// Never inlined: otherwise compilers permute the lanes inside the loops that fill them.
#[inline(never)]
fn total(low: &[f32; HALF], high: &[f32; HALF]) -> f64 {
    let by_16: [f64; 16] = array::from_fn(|i| f64::from(low[i]) + f64::from(high[i]));
    let by_8: [f64; 8] = array::from_fn(|i| by_16[i] + by_16[i + 8]);
    let by_4: [f64; 4] = array::from_fn(|i| by_8[i] + by_8[i + 4]);
    (by_4[0] + by_4[2]) + (by_4[1] + by_4[3])
}

/// Computes the cosine from sums in `f64`, in which no product of two `f32` overflows or
/// underflows.
#[cold]
fn wide_cosine(left: &[f32], right: &[f32]) -> Option<f32> {
    let wide_dot = |left: &[f32], right: &[f32]| {
        let products = left.iter().zip(right).map(|(&a, &b)| f64::from(a) * f64::from(b));
        products.fold(0.0, |sum, product| sum + product)
    };
    let (left_norm, right_norm) = (wide_dot(left, left), wide_dot(right, right));
    let has_direction = |norm: f64| norm.is_finite() && norm > 0.0;
    (has_direction(left_norm) && has_direction(right_norm))
        .then(|| angle(wide_dot(left, right), left_norm, right_norm))
}

/// Divides by a single square root, that of the product of the squared norms, so that the cosine of a vector
/// with itself is exactly 1.
fn angle(dot: f64, left_norm: f64, right_norm: f64) -> f32 {
    let cosine = dot / libm::sqrt(left_norm * right_norm);
    rounded(cosine.clamp(-1.0, 1.0))
}

#[inline(always)]
fn dot(left: &[f32], right: &[f32]) -> f64 {
    let mut lanes = [0f32; LANES];
    let (left_chunks, left_rest) = left.as_chunks::<LANES>();
    let (right_chunks, right_rest) = right.as_chunks::<LANES>();
    for (a, b) in left_chunks.iter().zip(right_chunks) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    for (lane, (a, b)) in left_rest.iter().zip(right_rest).enumerate() {
        lanes[lane] += a * b;
    }
    let (halves, _) = lanes.as_chunks::<HALF>();
    total(&halves[0], &halves[1])
}

/// A vector with its squared length, for comparison with many others.
pub(crate) type Measured<'a> = (&'a [f32], f64);

/// The squared length of a vector, from the same lanes as in [`cosine`].
pub(crate) fn squared_length(vector: &[f32]) -> f64 {
    dot(vector, vector)
}

/// Computes the [`cosine`] of two measured vectors of the same dimension: the same bits with less
/// work.
pub(crate) fn measured_cosine((a, left): Measured<'_>, (b, right): Measured<'_>) -> Option<f32> {
    match FAST.contains(&left) && FAST.contains(&right) {
        true => Some(angle(dot(a, b), left, right)),
        false => wide_cosine(a, b),
    }
}

/// A short approximation of a vector's direction: the first components of the normalised vector, rounded to multiples
/// of a step; the length of the rounding errors; and the length of the other components. For most
/// pairs of real embeddings the sketches alone show that the cosine is below a bound. Sketches are stored side by side,
/// whereas each vector is an allocation of its own.
#[derive(Clone, Debug)]
pub(crate) struct Sketch {
    head: [i16; Self::HEAD],
    step: f32,
    error: f32,
    tail: f32,
}

impl Sketch {
    const HEAD: usize = 3 * LANES;
    /// The greatest component is this many steps, so that the sum of the products of two heads fits
    /// into an `i32`.
    const STEPS: i16 = 2_047;

    /// The sketch of a free slot, which has no direction.
    pub(crate) const NOTHING: Self =
        Self { head: [0; Self::HEAD], step: 0.0, error: 0.0, tail: 0.0 };

    pub(crate) fn of((vector, squared_length): Measured<'_>) -> Self {
        if !FAST.contains(&squared_length) {
            // The length is out of range, so this sketch must not rule out any pair.
            return Self { tail: f32::INFINITY, ..Self::NOTHING };
        }
        let length = libm::sqrt(squared_length);
        let (head, tail) = vector.split_at(vector.len().min(Self::HEAD));
        let greatest = head.iter().fold(0.0, |most, x| if x.abs() > most { x.abs() } else { most });
        let step = f64::from(greatest) / f64::from(Self::STEPS);
        let (mut sketch, mut error) = (Self::NOTHING, 0.0);
        for (steps, &component) in sketch.head.iter_mut().zip(head) {
            // The step of a head of zeros is 0, so the quotient is NaN; the cast turns NaN into 0.
            *steps = libm::round(f64::from(component) / step) as i16;
            let off = f64::from(component) - f64::from(*steps) * step;
            error += off * off;
        }
        sketch.step = (step / length) as f32;
        sketch.error = (libm::sqrt(error) / length) as f32;
        sketch.tail = (libm::sqrt(dot(tail, tail)) / length) as f32;
        sketch
    }

    /// Whether the cosine of the two vectors is certainly below `bound`.
    ///
    /// By the Cauchy-Schwarz inequality, the tails add at most the product of their lengths, and a rounding error adds
    /// at most its length times the length of the other head, which is at most 1 before rounding; the two errors
    /// together add at most the product of their lengths. Rounding to `f32` changes either side of the comparison by
    /// less than 1e-5; the margin is a hundred times that.
    pub(crate) fn certainly_below(&self, other: &Self, bound: f32) -> bool {
        let products = self.head.iter().zip(&other.head);
        let heads: i32 = products.map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
        let [step, error, tail] =
            [(self.step, other.step), (self.error, other.error), (self.tail, other.tail)]
                .map(|(a, b)| (f64::from(a), f64::from(b)));
        let errors = error.0 + error.1 + error.0 * error.1;
        let most = step.0 * step.1 * f64::from(heads) + errors + tail.0 * tail.1;
        most < f64::from(bound) - 1e-3
    }
}

/// Returns the weighted blend of vectors of the same dimension: `sum(share * vector)`.
///
/// `parts` are pairs of a share and a vector; the shares should add up to 1. Each component is
/// summed in `f64` in the order of `parts` and rounded once to `f32`; it is never `-0.0`. Returns
/// `None` if the dimensions differ or there are no parts.
///
/// ```
/// let blend = engram_conflict::pattern::blend([(0.75, &[1.0f32, 0.0][..]), (0.25, &[0.0, 2.0])]);
/// assert_eq!(blend.unwrap(), [0.75, 0.5]);
/// ```
pub fn blend<'a>(parts: impl IntoIterator<Item = (f64, &'a [f32])>) -> Option<Vec<f32>> {
    let parts: Vec<Part<'a>> = parts.into_iter().map(Part::new).collect();
    let (first, others) = parts.split_first()?;
    if others.iter().any(|part| part.dimension() != first.dimension()) {
        return None;
    }
    let mut blended = vec![0f32; first.dimension()];
    let (chunks, rest) = blended.as_chunks_mut::<LANES>();
    for (at, out) in chunks.iter_mut().enumerate() {
        let mut sums = [0f64; LANES];
        let components = &first.chunks[at];
        for lane in 0..LANES {
            sums[lane] = first.share * f64::from(components[lane]);
        }
        for part in others {
            let components = &part.chunks[at];
            for lane in 0..LANES {
                sums[lane] += part.share * f64::from(components[lane]);
            }
        }
        for lane in 0..LANES {
            out[lane] = rounded(sums[lane]);
        }
    }
    for (i, out) in rest.iter_mut().enumerate() {
        let shares = parts.iter().map(|part| part.share * f64::from(part.rest[i]));
        *out = rounded(shares.reduce(|sum, share| sum + share)?);
    }
    Some(blended)
}

/// A share, and its vector as whole chunks and a remainder.
struct Part<'a> {
    share: f64,
    chunks: &'a [[f32; LANES]],
    rest: &'a [f32],
}

impl<'a> Part<'a> {
    fn new((share, vector): (f64, &'a [f32])) -> Self {
        let (chunks, rest) = vector.as_chunks();
        Self { share, chunks, rest }
    }

    fn dimension(&self) -> usize {
        self.chunks.len() * LANES + self.rest.len()
    }
}

/// Rounds to `f32` once. Rounding can give -0.0; adding 0.0 removes the sign.
#[inline(always)]
fn rounded(sum: f64) -> f32 {
    sum as f32 + 0.0
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Sketch, cosine, measured_cosine, squared_length};

    /// Compares sketches with exact cosines, for pairs of vectors at many angles.
    #[test]
    fn sketch_filters_only_dissimilar_pairs() {
        for dimension in [1, 31, 95, 96, 97, 300, 768] {
            let mut state = dimension as u64;
            let mut vector = |scale: f32| -> Vec<f32> {
                let component = || {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    ((state >> 40) as f32 / (1u32 << 23) as f32 - 1.0) * scale
                };
                core::iter::repeat_with(component).take(dimension).collect()
            };
            let (mut hidden, mut unlike) = (0, 0);
            for i in 0..300 {
                let a = vector(1.0);
                let noise = vector(i as f32 / 100.0);
                let b: Vec<f32> = a.iter().zip(noise).map(|(a, noise)| a + noise).collect();
                let measured = [&a, &b].map(|v| (&v[..], squared_length(v)));
                let exact = cosine(&a, &b).unwrap();
                assert_eq!(measured_cosine(measured[0], measured[1]), Some(exact));
                let sketches = measured.map(Sketch::of);
                for bound in [0.5, 0.9, 0.95, 1.0, exact] {
                    let below = sketches[0].certainly_below(&sketches[1], bound);
                    assert!(!(below && exact >= bound), "{exact} {bound}");
                    hidden += usize::from(below && bound == 0.95);
                    unlike += usize::from(exact < 0.8 && bound == 0.95);
                }
            }
            assert!(dimension > 768 / 2 || hidden >= unlike / 2, "{dimension}: {hidden} {unlike}");
        }
    }

    /// Rounding removes almost half a step from each component of `a` but the first, always in the direction of `b`.
    #[test]
    fn rounding_never_rules_out_a_pair() {
        let mut a = [0.49 / f32::from(Sketch::STEPS); Sketch::HEAD];
        a[0] = 1.0;
        let b = [1.0; Sketch::HEAD];
        let sketches = [a, b].map(|vector| Sketch::of((&vector, squared_length(&vector))));
        let exact = cosine(&a, &b).unwrap();
        assert!(!sketches[0].certainly_below(&sketches[1], exact));
        assert!(!sketches[1].certainly_below(&sketches[0], exact));
        assert!(sketches[0].certainly_below(&sketches[1], exact + 0.01));
    }
}
