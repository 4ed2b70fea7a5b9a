//! Numbers in half precision.

use std::sync::Arc;

use half::f16;

/// The number nearest to `value` in half precision, ties to even; zero is positive.
pub(crate) fn half(value: f32) -> f32 {
    f16::from_f32(value).to_f32() + 0.0
}

/// Whether half precision represents each number exactly. No negative zero, NaN or infinity counts
/// as represented.
pub(crate) fn is_half(numbers: &[f32]) -> bool {
    numbers.iter().all(|number| number.is_finite() && half(*number).to_bits() == number.to_bits())
}

/// Whether `numbers`, rounded to half precision, equal the numbers in `canonical`.
pub(crate) fn rounds_to(numbers: &[f32], canonical: &[f32]) -> bool {
    numbers.len() == canonical.len()
        && (numbers.iter().zip(canonical))
            .all(|(number, canonical)| half(*number).to_bits() == canonical.to_bits())
}

/// The embedding in half precision.
pub(crate) fn halved(embedding: &[f32]) -> Arc<[f32]> {
    embedding.iter().map(|value| half(*value)).collect()
}
