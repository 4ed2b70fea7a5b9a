//! Lossless half precision: widening, and narrowing of values that a half represents exactly.

/// The `f32` that equals an IEEE 754 half-precision value.
pub(super) fn widen(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let exponent = u32::from(half >> 10 & 0x1f);
    let mantissa = u32::from(half & 0x3ff);
    let magnitude = match (exponent, mantissa) {
        (0, 0) => 0,
        // A subnormal half is a normal f32: move its leading bit up to the position of the hidden
        // bit.
        (0, _) => {
            let shift = mantissa.leading_zeros() - 21;
            (113 - shift) << 23 | (mantissa << shift & 0x3ff) << 13
        }
        (0x1f, _) => 0xff << 23 | mantissa << 13,
        _ => (exponent + 112) << 23 | mantissa << 13,
    };
    f32::from_bits(sign | magnitude)
}

/// The half-precision value that equals `value` bit for bit, if there is one.
pub(super) fn narrow_exactly(value: f32) -> Option<u16> {
    let bits = value.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let exponent = bits >> 23 & 0xff;
    let mantissa = bits & 0x7f_ffff;
    let magnitude = match exponent {
        0 => 0,
        // Below the range of normal halves, the hidden bit becomes part of the mantissa.
        103..=112 => (0x80_0000 | mantissa) >> (126 - exponent),
        113..=142 => (exponent - 112) << 10 | mantissa >> 13,
        255 => 0x1f << 10 | mantissa >> 13,
        _ => return None,
    };
    let half = sign | magnitude as u16;
    (widen(half).to_bits() == bits).then_some(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_survives_the_round_trip() {
        for half in 0..=u16::MAX {
            assert_eq!(narrow_exactly(widen(half)), Some(half), "{half:#06x}");
        }
    }

    #[test]
    fn only_halves_are_narrowed() {
        let finest = f32::from_bits(1);
        for value in [finest, 1.0 + f32::EPSILON, 65_520.0, 1e-8, f32::MAX, -1e-40] {
            assert_eq!(narrow_exactly(value), None, "{value}");
        }
        assert_eq!(narrow_exactly(1.0), Some(0x3c00));
        assert_eq!(narrow_exactly(-0.0), Some(0x8000));
        assert_eq!(narrow_exactly(65_504.0), Some(0x7bff));
        assert_eq!(narrow_exactly(f32::INFINITY), Some(0x7c00));
    }
}
