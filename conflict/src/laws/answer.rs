//! The answers that the suite compares.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hash;

use crate::value::{FINGERPRINT, fingerprint, same};
use crate::{Outcome, Resolution, Versions};

/// A valid answer of a strategy, and its set.
pub(super) struct Answer<T> {
    pub(super) versions: Versions<T>,
    pub(super) resolution: Resolution<T>,
    pub(super) bits: Bits,
}

/// The parts of an answer that must be equal on two replicas: the visible bits and the reason.
#[derive(Clone, PartialEq, Hash)]
pub(super) struct Bits {
    visible: u64,
    reason: String,
}

/// The bits of the first answer of a case, and a fingerprint of the set.
pub(super) struct Seen {
    pub(super) input: u64,
    pub(super) bits: Bits,
}

impl<T: Hash + Debug> Answer<T> {
    pub(super) fn new(versions: Versions<T>, resolution: Resolution<T>) -> Self {
        let visible = resolution.all_visible(&versions);
        let visible = visible.into_iter().fold(FINGERPRINT, fingerprint);
        let bits = Bits { visible, reason: resolution.reason.to_string() };
        Self { versions, resolution, bits }
    }

    pub(super) fn seen(&self) -> Seen {
        let input = self.versions.iter().fold(FINGERPRINT, |state, version| {
            fingerprint(state, &(&version.value, version.confirmations))
        });
        Seen { input, bits: self.bits.clone() }
    }

    pub(super) fn shown(&self) -> String {
        shown(&self.versions, &self.resolution)
    }

    /// Describes two different answers.
    pub(super) fn change(&self, other: &Self) -> String {
        format!("{}, then {}", self.shown(), other.shown())
    }
}

/// Whether two answers for one set are equal, including all shares. Indices may be out of range.
pub(super) fn alike<T: Hash>(left: &Resolution<T>, right: &Resolution<T>) -> bool {
    let outcome = match (&left.outcome, &right.outcome) {
        (Outcome::Chosen(left), Outcome::Chosen(right)) => left == right,
        (Outcome::Kept(left), Outcome::Kept(right)) => left == right,
        (Outcome::Composed(left), Outcome::Composed(right)) => {
            let bits =
                |shares: &[f64]| -> Vec<u64> { shares.iter().map(|s| s.to_bits()).collect() };
            same(&left.value, &right.value) && bits(&left.shares) == bits(&right.shares)
        }
        _ => false,
    };
    outcome && left.reason.to_string() == right.reason.to_string()
}

/// Describes the visible values and the reason. Indices may be out of range.
fn shown<T: Debug>(versions: &Versions<T>, resolution: &Resolution<T>) -> String {
    let value = |index: usize| versions.as_slice().get(index).map(|version| &version.value);
    let values = match &resolution.outcome {
        Outcome::Chosen(index) => match value(*index) {
            Some(value) => format!("{value:?}"),
            None => format!("index {index}"),
        },
        Outcome::Kept(indices) => {
            match indices.iter().map(|&i| value(i)).collect::<Option<Vec<_>>>() {
                Some(values) => format!("{values:?}"),
                None => format!("indices {indices:?}"),
            }
        }
        Outcome::Composed(composed) => format!("{:?}", composed.value),
    };
    format!("{values} ({})", resolution.reason)
}

/// Describes two different answers for one set.
pub(super) fn change<T: Debug>(
    versions: &Versions<T>,
    left: &Resolution<T>,
    right: &Resolution<T>,
) -> String {
    let (left, right) = (shown(versions, left), shown(versions, right));
    match left == right {
        true => format!("{left}, then the same with other shares or bits"),
        false => format!("{left}, then {right}"),
    }
}
