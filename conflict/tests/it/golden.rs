//! Checks the bits of results on real and fixed inputs. Every machine and every build must
//! reproduce them.
//!
//! A change to `tests/data/golden.tsv` means that results have changed, and requires new versions
//! of the strategies. To write the file: `WRITE_GOLDEN=1 cargo test --test it golden::`.

use std::fmt::Write;

use crate::common::{Sibling, excerpt, naive};
use engram_conflict::pattern::{
    ConfidenceVoting, ConfidenceWeighted, CrossIdView, KeepBoth, LastWriter, OwnedPattern, Rules,
    cosine,
};
use engram_conflict::{Outcome, Strategy, Version, Versions};

#[test]
fn results_match_the_golden_file() {
    let found = strategies() + &cosines() + &lanes() + &view();
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/golden.tsv");
        std::fs::write(file, &found).unwrap();
    }
    let golden = include_str!("../data/golden.tsv");
    for (found, golden) in found.lines().zip(golden.lines()) {
        assert_eq!(found, golden);
    }
    assert_eq!(found.lines().count(), golden.lines().count());
}

/// Resolves real patterns as siblings, in sets of one to seven, and one set of extremes.
fn strategies() -> String {
    let real: Vec<Sibling> = excerpt().into_iter().map(|real| real.version).collect();
    let mut sets: Vec<Vec<Sibling>> = (1..8).map(|n| real[n * 8..n * 9].to_vec()).collect();
    sets.push(extremes());
    let strategies: [&dyn Strategy<OwnedPattern>; 5] = [
        &ConfidenceVoting,
        &ConfidenceWeighted::new(),
        &ConfidenceWeighted::by_confirmations(),
        &LastWriter,
        &KeepBoth,
    ];
    let mut text = String::new();
    for (number, set) in sets.iter().enumerate() {
        let versions = Versions::new(set.iter().cloned()).unwrap();
        for strategy in strategies {
            let resolution = strategy.resolve(&versions);
            let visible = resolution.visible(&versions);
            let kept = match &resolution.outcome {
                Outcome::Kept(indices) => format!("{indices:?}"),
                Outcome::Chosen(index) => format!("{index}"),
                Outcome::Composed(_) => String::from("composed"),
            };
            writeln!(
                text,
                "{}\t{number}\t{kept}\t{:08x}\t{:08x}\t{}\t{}\t{:016x}",
                strategy.id(),
                visible.confidence.to_bits(),
                visible.strength.to_bits(),
                visible.consolidated_at,
                visible.citations.len(),
                digest(&visible.embedding),
            )
            .unwrap();
        }
    }
    text
}

fn extremes() -> Vec<Sibling> {
    let components = [0.0, -0.0, 1e-45, -1e-45, f32::MIN_POSITIVE, f32::MAX, f32::MIN, 1.0 / 3.0];
    (0..9)
        .map(|i| {
            let embedding = (0..70).map(|j| components[(j * (i as usize + 1)) % 8]).collect();
            let citations = vec![format!("e{}", i % 4); i as usize % 3];
            let mut pattern = OwnedPattern::new(embedding, citations);
            pattern.strength = 1.0 + f32::from(i) / 7.0;
            pattern.confidence = f32::from(i % 5) / 5.0;
            pattern.consolidated_at = i64::from(i);
            Version::new([i; 32], pattern).confirmed(u32::from(i) + 1)
        })
        .collect()
}

fn cosines() -> String {
    let mut text = String::new();
    let mut embeddings: Vec<Vec<f32>> =
        excerpt().into_iter().step_by(7).map(|real| real.version.value.embedding).collect();
    embeddings.extend(extremes().into_iter().map(|version| version.value.embedding));
    for (i, left) in embeddings.iter().enumerate() {
        for (j, right) in embeddings.iter().enumerate().skip(i) {
            let bits = cosine(left, right)
                .map_or_else(|| String::from("none"), |c| format!("{:08x}", c.to_bits()));
            writeln!(text, "cosine\t{i}\t{j}\t{bits}").unwrap();
        }
    }
    text
}

/// Covers the positions of the lanes and the order in which they are added: two huge products
/// cancel, and the rest depends on the order. Writes one digest for each lane of the first product.
fn lanes() -> String {
    const HUGE: f32 = (1_u32 << 30) as f32;
    let mut text = String::new();
    for first in 0..32 {
        let bits = (0..70).filter(|&second| second != first).flat_map(|second| {
            let mut left: Vec<f32> = (0..70_u8).map(|i| f32::from(i) * 8.0 + 1.0).collect();
            let mut right = vec![1.0; 70];
            (left[first], left[second]) = (HUGE, HUGE);
            (right[first], right[second]) = (HUGE, -HUGE);
            cosine(&left, &right)
        });
        writeln!(text, "lanes\t{first}\t{:016x}", digest(&bits.collect::<Vec<_>>())).unwrap();
    }
    text
}

fn view() -> String {
    let mut view = CrossIdView::new(Rules::default()).unwrap();
    let real = excerpt();
    view.update(real.into_iter().map(|real| (real.id, Some(real.version)))).unwrap();
    naive::lines(&view).iter().fold(String::new(), |mut text, line| {
        writeln!(text, "view\t{}\t{}\t{:08x}", line.id, line.representative, line.shown).unwrap();
        text
    })
}

/// Computes FNV-1a over the bits.
fn digest(embedding: &[f32]) -> u64 {
    embedding
        .iter()
        .flat_map(|x| x.to_bits().to_be_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}
