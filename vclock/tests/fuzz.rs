//! The fuzz bodies over the committed corpus, over every change of one byte of it, and over random
//! bytes.

#[path = "fuzz/bodies.rs"]
mod bodies;

use proptest::prelude::*;

const BODIES: [fn(&[u8]); 4] = [bodies::varint, bodies::clock, bodies::frame, bodies::siblings];

/// Each line is a name, a colon, and bytes in hexadecimal, unless it begins with a sharp sign.
fn corpus() -> Vec<Vec<u8>> {
    let lines = include_str!("data/corpus.txt").lines().filter(|line| !line.starts_with('#'));
    let inputs: Vec<_> =
        lines.map(|line| unhex(line.split_once(": ").expect("name: bytes").1)).collect();
    assert!(!inputs.is_empty());
    inputs
}

fn unhex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal");
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[test]
fn corpus_and_its_neighbours() {
    for input in corpus() {
        for body in BODIES {
            body(&input);
            for end in 0..input.len() {
                body(&input[..end]);
            }
            for at in 0..input.len() {
                for byte in [
                    0,
                    1,
                    input[at].wrapping_add(1),
                    input[at].wrapping_sub(1),
                    240,
                    241,
                    249,
                    250,
                    255,
                ] {
                    let mut changed = input.clone();
                    changed[at] = byte;
                    body(&changed);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn prop_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        BODIES.iter().for_each(|body| body(&bytes));
    }

    /// Small numbers reach deeper: they are plausible counts.
    #[test]
    fn prop_small_bytes(bytes in proptest::collection::vec(0..5_u8, 0..32)) {
        BODIES.iter().for_each(|body| body(&bytes));
    }
}
