//! Cosine similarity and weighted blend with the same bits on every machine and in every build.
//!
//! A sum of floats depends on its order, so the order is part of the definition here: element `i`
//! goes to lane `i % 32`, and the lanes are added by halves. Compilers turn 32
//! independent lanes into vector instructions of any width without changing a bit. There is no
//! fused multiply-add (it rounds once where a machine without it rounds twice), no `min` or `max`
//! of floats (their zero has no sign rule), and the square root is correctly rounded everywhere.

use alloc::vec;
use alloc::vec::Vec;

/// Independent sums. Fewer do not hide the latency of an addition; see the module's text.
const LANES: usize = 32;

/// Squared norms between these bounds neither overflowed nor lost a digit in `f32` lanes.
const FAST: core::ops::RangeInclusive<f64> = 1e-20..=1e30;

/// The cosine of the angle between two vectors, in `-1..=1`, never `-0.0`.
///
/// `None` if there is no such angle: dimensions differ, a vector is zero or empty, or a component
/// is NaN or infinite. The products are summed in 32 fixed lanes of `f32`, which are added in
/// `f64`; vectors so large or small that `f32` would overflow or underflow are summed in `f64`.
/// The relative error is below `3e-6` at 768 dimensions, the bits are the same on every machine.
///
/// ```
/// assert_eq!(engram_conflict::cosine(&[3.0, 4.0], &[3.0, 4.0]), Some(1.0));
/// assert_eq!(engram_conflict::cosine(&[1.0, 0.0], &[0.0, 1.0]), Some(0.0));
/// assert_eq!(engram_conflict::cosine(&[0.0, 0.0], &[0.0, 1.0]), None);
/// ```
pub fn cosine(left: &[f32], right: &[f32]) -> Option<f32> {
    if left.len() != right.len() {
        return None;
    }
    let mut sums = [[0f32; LANES]; 3];
    let (left_chunks, left_rest) = left.as_chunks::<LANES>();
    let (right_chunks, right_rest) = right.as_chunks::<LANES>();
    for (a, b) in left_chunks.iter().zip(right_chunks) {
        accumulate(&mut sums, a, b);
    }
    accumulate(&mut sums, left_rest, right_rest);
    let [dot, left_norm, right_norm] = sums.map(total);
    if FAST.contains(&left_norm) && FAST.contains(&right_norm) {
        Some(angle(dot, left_norm, right_norm))
    } else {
        wide_cosine(left, right)
    }
}

#[inline(always)]
fn accumulate(sums: &mut [[f32; LANES]; 3], left: &[f32], right: &[f32]) {
    let [dot, left_norm, right_norm] = sums;
    for (lane, (&a, &b)) in left.iter().zip(right).enumerate() {
        dot[lane] += a * b;
        left_norm[lane] += a * a;
        right_norm[lane] += b * b;
    }
}

/// Adds the lanes by halves: 32 to 16, to 8, to 4, to 2, to 1.
fn total(lanes: [f32; LANES]) -> f64 {
    wide_total(lanes.map(f64::from))
}

fn wide_total(mut lanes: [f64; LANES]) -> f64 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// The same sums in `f64` lanes, where no product of two `f32` overflows or underflows.
#[cold]
fn wide_cosine(left: &[f32], right: &[f32]) -> Option<f32> {
    let wide_dot = |left: &[f32], right: &[f32]| {
        let mut lanes = [0f64; LANES];
        for (i, (&a, &b)) in left.iter().zip(right).enumerate() {
            lanes[i % LANES] += f64::from(a) * f64::from(b);
        }
        wide_total(lanes)
    };
    let (left_norm, right_norm) = (wide_dot(left, left), wide_dot(right, right));
    let has_direction = |norm: f64| norm.is_finite() && norm > 0.0;
    (has_direction(left_norm) && has_direction(right_norm))
        .then(|| angle(wide_dot(left, right), left_norm, right_norm))
}

/// One square root of the product: the cosine of a vector with itself is then exactly 1.
fn angle(dot: f64, left_norm: f64, right_norm: f64) -> f32 {
    let cosine = dot / libm::sqrt(left_norm * right_norm);
    // The rounding can give -0.0; adding 0.0 takes the sign away.
    cosine.clamp(-1.0, 1.0) as f32 + 0.0
}

/// What is known of a vector before it is compared with many others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    /// Squared length, from the same lanes as in [`cosine`].
    norm: f64,
    /// Length of what lies behind each cut.
    tails: [f64; 2],
}

/// Where a comparison may stop early: at an eighth and at three eighths, on whole chunks.
fn cuts(dimension: usize) -> [usize; 2] {
    [dimension / 8, dimension / 8 * 3].map(|cut| cut / LANES * LANES)
}

impl Profile {
    pub(crate) fn of(vector: &[f32]) -> Self {
        let tails = cuts(vector.len()).map(|cut| libm::sqrt(dot(&vector[cut..], &vector[cut..])));
        Self { norm: dot(vector, vector), tails }
    }
}

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
    total(lanes)
}

/// A vector with its profile.
pub(crate) type Profiled<'a> = (&'a [f32], &'a Profile);

/// [`cosine`] of two vectors of one dimension, bit for bit, with less work.
pub(crate) fn profiled_cosine((a, left): Profiled<'_>, (b, right): Profiled<'_>) -> Option<f32> {
    if FAST.contains(&left.norm) && FAST.contains(&right.norm) {
        Some(angle(dot(a, b), left.norm, right.norm))
    } else {
        wide_cosine(a, b)
    }
}

/// Whether the cosine of two vectors is certainly below `bound`, from their first components.
///
/// What lies behind a cut adds at most the product of its lengths (Cauchy and Schwarz). Most pairs
/// of real embeddings are told apart after an eighth of their components.
pub(crate) fn certainly_below(
    (a, left): Profiled<'_>,
    (b, right): Profiled<'_>,
    bound: f32,
) -> bool {
    if !(FAST.contains(&left.norm) && FAST.contains(&right.norm)) {
        return false;
    }
    // The sums of `f32` lanes are good to 1e-5 of the lengths; a hundred times that is kept clear.
    let limit = (f64::from(bound) - 1e-3) * libm::sqrt(left.norm * right.norm);
    cuts(a.len())
        .into_iter()
        .enumerate()
        .any(|(i, cut)| dot(&a[..cut], &b[..cut]) + left.tails[i] * right.tails[i] < limit)
}

/// The weighted blend of vectors of one dimension, all at once: `sum(share * vector)`.
///
/// `parts` are pairs of a share and a vector. Each component is summed in `f64` in the order of
/// `parts` and rounded once to `f32`; it is never `-0.0`. Vectors shorter than the first count as
/// zero where they end; without parts the result is empty. Shares are used as they are, so give
/// shares that add up to 1.
///
/// ```
/// let blend = engram_conflict::blend([(0.75, &[1.0f32, 0.0][..]), (0.25, &[0.0, 2.0])]);
/// assert_eq!(blend, [0.75, 0.5]);
/// ```
pub fn blend<'a>(parts: impl IntoIterator<Item = (f64, &'a [f32])>) -> Vec<f32> {
    let parts: Vec<(f64, &[f32])> = parts.into_iter().collect();
    let mut blended = vec![0f32; parts.first().map_or(0, |(_, vector)| vector.len())];
    for (chunk, out) in blended.chunks_mut(LANES).enumerate() {
        let mut sums = [0f64; LANES];
        for (share, vector) in &parts {
            let rest = vector.get(chunk * LANES..).unwrap_or_default();
            match rest.first_chunk::<LANES>() {
                Some(whole) => add_share(&mut sums, *share, whole),
                None => add_share(&mut sums, *share, rest),
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = sum as f32 + 0.0;
        }
    }
    blended
}

#[inline(always)]
fn add_share(sums: &mut [f64; LANES], share: f64, vector: &[f32]) {
    for (sum, &component) in sums.iter_mut().zip(vector) {
        *sum += share * f64::from(component);
    }
}
