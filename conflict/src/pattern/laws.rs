//! The laws of patterns, and the sets of patterns on which strategies are tested.
//!
//! Many cases are extreme on purpose: equal confidences, zeros of both signs, subnormal and huge numbers, and missing
//! citations.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Debug;

use crate::pattern::{OwnedPattern, PatternValue, union};
use crate::{Law, Laws, Outcome, Random, Reason, Resolution, Versions};

/// Creates a suite that checks the laws of every strategy and those of patterns, [`Citations`](Law::Citations) and
/// [`Confidence`](Law::Confidence). For patterns, [`Valid`](Law::Valid) also requires a time between the earliest and
/// the latest of the set, sorted citations in a composed pattern, and the true lead in the reason.
///
/// ```
/// use engram_conflict::Law;
/// use engram_conflict::pattern::{ConfidenceVoting, LastWriter, laws};
///
/// assert_eq!(laws().cases(64).check(&ConfidenceVoting)?.cases, 64);
///
/// // The last writer loses citations, so it is exempt from that law.
/// assert_eq!(laws().check(&LastWriter).unwrap_err().law, Law::Citations);
/// laws().except(Law::Citations).assert(&LastWriter);
/// # Ok::<(), engram_conflict::Violation>(())
/// ```
#[must_use]
pub fn laws() -> Laws<OwnedPattern> {
    laws_of(|pattern| pattern)
}

/// Creates a suite like [`laws`] for your own type, whose values `make` creates from patterns.
pub fn laws_of<T: PatternValue + Clone + Debug + 'static>(
    make: impl Fn(OwnedPattern) -> T + Clone + Send + Sync + 'static,
) -> Laws<T> {
    let made = make.clone();
    Laws::of_sets(
        move |random, number| patterns(random, number).into_iter().map(&make).collect(),
        move |random, number| distinct_patterns(random, number).into_iter().map(&made).collect(),
    )
    .with(Law::Valid, valid)
    .with(Law::Citations, citations)
    .with(Law::Confidence, confidence)
}

fn valid<T: PatternValue>(versions: &Versions<T>, resolution: &Resolution<T>) -> Option<String> {
    let shown = resolution.visible(versions);
    let times = versions.values().map(T::consolidated_at);
    let (first, last) = (times.clone().min()?, times.max()?);
    let composed = matches!(resolution.outcome, Outcome::Composed(_));
    if !(first..=last).contains(&shown.consolidated_at()) {
        Some(format!(
            "the time is {}, but the versions have {first}..={last}",
            shown.consolidated_at()
        ))
    } else if composed && !shown.citations().is_sorted() {
        Some(format!("the citations of a composed pattern are not sorted: {:?}", shown.citations()))
    } else {
        lead_fault(versions, &resolution.reason)
    }
}

/// Checks that a lead is the difference between the greatest and the second greatest confidence or time.
fn lead_fault<T: PatternValue>(versions: &Versions<T>, reason: &Reason) -> Option<String> {
    let is_true = match reason {
        Reason::Confidence { lead } => {
            let mut all: Vec<f32> = versions.values().map(T::confidence).collect();
            all.sort_unstable_by(|a, b| b.total_cmp(a));
            all.len() > 1 && (all[0] - all[1]).to_bits() == lead.to_bits()
        }
        Reason::Time { lead } => {
            let mut all: Vec<i64> = versions.values().map(T::consolidated_at).collect();
            all.sort_unstable_by(|a, b| b.cmp(a));
            all.len() > 1 && all[0].abs_diff(all[1]) == *lead
        }
        _ => true,
    };
    (!is_true).then(|| format!("the reason is false for the set: {reason}"))
}

fn citations<T: PatternValue>(
    versions: &Versions<T>,
    resolution: &Resolution<T>,
) -> Option<String> {
    let all = union(versions.values().map(T::citations));
    let visible = union(resolution.all_visible(versions).iter().map(|value| value.citations()));
    (visible != all).then(|| format!("it shows {visible:?}, but the versions cite {all:?}"))
}

fn confidence<T: PatternValue>(
    versions: &Versions<T>,
    resolution: &Resolution<T>,
) -> Option<String> {
    let shown = resolution.visible(versions).confidence();
    let within = versions.values().any(|value| value.confidence() >= shown);
    (!within).then(|| format!("the confidence {shown} is above that of every version"))
}

/// Draws a set with ties and extremes.
fn patterns(random: &mut Random, number: usize) -> Vec<OwnedPattern> {
    let (dimension, extreme) = (dimension(random), random.below(4) == 0);
    (0..number).map(|_| pattern(random, dimension, extreme)).collect()
}

/// Draws a set in which no two patterns are equal by any measure.
fn distinct_patterns(random: &mut Random, number: usize) -> Vec<OwnedPattern> {
    let dimension = dimension(random);
    let patterns = (0..number).map(|i| {
        let mut pattern = pattern(random, dimension, false);
        // The random part of each scalar is smaller than the distance between two positions, so the scalars of two
        // patterns always differ.
        let mut place = || (i as f32 + random.unit() * 0.5) / number as f32;
        pattern.confidence = place();
        pattern.strength = place() + 0.25;
        pattern.consolidated_at = i as i64 * 1_000_003 + random.below(1000) as i64;
        let first = random.below(4);
        pattern.citations = (first..first + i).map(episode).collect();
        pattern
    });
    patterns.collect()
}

fn dimension(random: &mut Random) -> usize {
    random.pick(&[0, 1, 2, 31, 32, 33, 70])
}

fn pattern(random: &mut Random, dimension: usize, extreme: bool) -> OwnedPattern {
    // There are few episodes and few confidences, so overlaps, repetitions and ties are frequent.
    let mut citations: Vec<String> =
        (0..random.below(6)).map(|_| episode(random.below(8))).collect();
    citations.sort();
    let confidence = match random.below(3) {
        0 => random.unit(),
        _ => random.pick(&[0.0, -0.0, f32::MIN_POSITIVE / 2.0, 0.5, 0.5, 0.9, 1.0]),
    };
    let embedding = (0..dimension).map(|_| component(random, extreme)).collect();
    let strength = random.pick(&[0.0, 0.5, confidence, 1.0, 1.000_000_1, f32::MAX]);
    OwnedPattern { embedding, citations, strength, confidence, consolidated_at: time(random) }
}

fn component(random: &mut Random, extreme: bool) -> f32 {
    const EXTREMES: [f32; 8] =
        [0.0, -0.0, 1e-45, -1e-45, f32::MIN_POSITIVE, f32::MAX, f32::MIN, 1e-20];
    match extreme {
        true => random.pick(&EXTREMES),
        false => random.unit() - 0.5,
    }
}

/// Draws a time long ago, so that the suite detects a strategy that reads a clock, and sometimes the smallest or
/// greatest time.
fn time(random: &mut Random) -> i64 {
    match random.below(40) {
        0 => random.pick(&[i64::MIN, i64::MAX]),
        _ => 1_000_000_000_000_000_000 + random.pick(&[0, 0, 1, 1_000_000_007]),
    }
}

fn episode(number: usize) -> String {
    format!("episode-{number:03}")
}
