//! Checks the laws on one case, each in a short function.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Debug;

use super::{Law, Laws, Random, Violation};
use crate::value::{FINGERPRINT, fingerprint};
use crate::{Outcome, Reason, Resolution, Strategy, Value, Version, Versions};

pub(super) struct Case<'a, T> {
    laws: &'a Laws<T>,
    seed: u64,
    strategy: &'a dyn Strategy<T>,
    random: Random,
}

type Checked<T = ()> = Result<T, Violation>;

/// The parts of an answer that must be equal on two replicas: the visible bits and the reason.
#[derive(Clone, PartialEq)]
struct Answer {
    visible: u64,
    reason: String,
}

impl<'a, T: Value + Clone + Debug> Case<'a, T> {
    pub(super) fn new(laws: &'a Laws<T>, seed: u64, strategy: &'a dyn Strategy<T>) -> Self {
        Self { laws, seed, strategy, random: Random::new(seed) }
    }

    /// Checks all laws on one set and hashes the bits of the answer into `state`.
    pub(super) fn run(mut self, state: &mut u64) -> Checked {
        self.identity()?;
        let versions = self.versions();
        let answer = self.answer(&versions)?;
        self.set(&versions, &answer)?;
        self.pure(&versions, &answer)?;
        versions.iter().try_for_each(|version| self.single(version))?;
        self.names()?;
        *state = fingerprint(*state, &(answer.visible, answer.reason));
        Ok(())
    }

    /// A set with ties and repeated confirmations.
    fn versions(&mut self) -> Vec<Version<T>> {
        let number = self.number();
        let values = (self.laws.values)(&mut self.random, number);
        let versions = values.into_iter().map(|value| {
            let confirmations = self.random.pick(&[1, 1, 2, 3, 1 << 20, u32::MAX]);
            Version::named(value).confirmed(confirmations)
        });
        versions.collect()
    }

    fn versions_without_ties(&mut self) -> Vec<Version<T>> {
        let number = self.number();
        let values = (self.laws.values_without_ties)(&mut self.random, number);
        let versions = values.into_iter().enumerate().map(|(place, value)| {
            let confirmations = place as u32 * 10 + 1 + self.random.below(5) as u32;
            Version::new(self.random.digest(), value).confirmed(confirmations)
        });
        versions.collect()
    }

    fn number(&mut self) -> usize {
        self.random.pick(&[1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 8, 64])
    }

    /// Resolves the set, and checks the laws that concern a single answer.
    fn answer(&self, versions: &[Version<T>]) -> Checked<Answer> {
        let versions = Versions::new(versions.iter().cloned()).map_err(|error| {
            self.violation(Law::Valid, format!("the generated values are not a valid set: {error}"))
        })?;
        let resolution = attempt(|| self.strategy.resolve(&versions))
            .map_err(|panic| self.violation(Law::Total, format!("it panics: {panic}")))?;
        self.valid(&versions, &resolution)?;
        for (law, check) in &self.laws.laws_of_values {
            let fault = check(&versions, &resolution);
            self.expect(*law, fault.is_none(), || fault.unwrap_or_default())?;
        }
        let visible = resolution.all_visible(&versions);
        let visible = visible.into_iter().fold(FINGERPRINT, fingerprint);
        Ok(Answer { visible, reason: resolution.reason.to_string() })
    }

    fn identity(&self) -> Checked {
        let (id, again) = (self.strategy.id(), self.strategy.id());
        let read = id.to_string().parse();
        let stable = id == again && read.as_ref() == Ok(&id);
        self.expect(Law::Identity, stable, || format!("{id}, then {again}, read back {read:?}"))
    }

    /// Splits half of the versions into two copies that share the confirmations, and shuffles all.
    fn set(&mut self, versions: &[Version<T>], answer: &Answer) -> Checked {
        let mut copies = versions.to_vec();
        for index in 0..versions.len() / 2 {
            let half = copies[index].confirmations / 2;
            if half > 0 {
                copies[index].confirmations -= half;
                copies.push(versions[index].clone().confirmed(half));
            }
        }
        self.random.shuffle(&mut copies);
        let shuffled = self.answer(&copies)?;
        self.expect(Law::Set, shuffled == *answer, || {
            String::from("another order of the same versions, some of them twice, changes it")
        })
    }

    /// Resolves other sets and subsets in between, which must not affect the answer.
    fn pure(&mut self, versions: &[Version<T>], answer: &Answer) -> Checked {
        let (other, mut parts) = (self.versions(), versions.to_vec());
        self.answer(&other)?;
        self.random.shuffle(&mut parts);
        for part in parts.chunks(1) {
            self.answer(part)?;
        }
        let again = self.answer(&parts)?;
        self.expect(Law::Pure, again == *answer, || {
            String::from("the same set gives a different answer after other calls")
        })
    }

    fn single(&self, version: &Version<T>) -> Checked {
        let itself = fingerprint(FINGERPRINT, &version.value);
        let answer = self.answer(core::slice::from_ref(version))?;
        self.expect(Law::Single, answer.visible == itself, || {
            format!("the only version is returned changed: {version:?}")
        })
    }

    fn names(&mut self) -> Checked {
        let mut versions = self.versions_without_ties();
        let answer = self.answer(&versions)?;
        versions.iter_mut().for_each(|version| version.digest = self.random.digest());
        let renamed = self.answer(&versions)?;
        self.expect(Law::Names, renamed == answer, || {
            String::from("other digests change the result, though no versions are equal")
        })
    }

    /// Checks the indices even if the law is exempt: invalid ones cannot be read.
    fn valid(&self, versions: &Versions<T>, resolution: &Resolution<T>) -> Checked {
        if let Some(fault) = indices_fault(versions, resolution) {
            return Err(self.violation(Law::Valid, fault));
        }
        let fault = value_fault(versions, resolution)
            .or_else(|| shares_fault(versions, resolution))
            .or_else(|| reason_fault(versions, resolution));
        self.expect(Law::Valid, fault.is_none(), || fault.unwrap_or_default())
    }

    fn expect(&self, law: Law, kept: bool, detail: impl FnOnce() -> String) -> Checked {
        match kept || self.laws.excepted.contains(&law) {
            true => Ok(()),
            false => Err(self.violation(law, detail())),
        }
    }

    fn violation(&self, law: Law, detail: String) -> Violation {
        Violation { law, seed: self.seed, strategy: self.strategy.id().to_string(), detail }
    }
}

fn indices_fault<T>(versions: &Versions<T>, resolution: &Resolution<T>) -> Option<String> {
    let indices = match &resolution.outcome {
        Outcome::Chosen(index) => core::slice::from_ref(index),
        Outcome::Kept(indices) => indices,
        Outcome::Composed(_) => return None,
    };
    let mut distinct = indices.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let sound = distinct.len() == indices.len()
        && distinct.last().is_some_and(|&last| last < versions.len());
    (!sound).then(|| format!("indices {indices:?} of {} versions", versions.len()))
}

fn value_fault<T: Value>(versions: &Versions<T>, resolution: &Resolution<T>) -> Option<String> {
    let fault = resolution.visible(versions).validate(&versions[0].value).err()?;
    Some(format!("it shows an invalid value: {fault}"))
}

fn shares_fault<T>(versions: &Versions<T>, resolution: &Resolution<T>) -> Option<String> {
    let Outcome::Composed(composed) = &resolution.outcome else {
        return None;
    };
    let shares = &composed.shares;
    let total: f64 = shares.iter().sum();
    let sound = shares.len() == versions.len()
        && shares.iter().all(|share| (0.0..=1.0).contains(share))
        && (1.0 - 1e-9..=1.0 + 1e-9).contains(&total);
    let number = versions.len();
    (!sound).then(|| format!("{} shares of {number} versions add up to {total}", shares.len()))
}

/// Checks a reason as far as that is possible without knowing the rule.
fn reason_fault<T>(versions: &Versions<T>, resolution: &Resolution<T>) -> Option<String> {
    let Resolution { outcome, reason } = resolution;
    let (number, composed) = (versions.len(), matches!(outcome, Outcome::Composed(_)));
    let is_true = match reason {
        Reason::Only => number == 1,
        Reason::Digest { tied } => (2..=number).contains(tied),
        Reason::All => matches!(outcome, Outcome::Kept(indices) if indices.len() == number),
        Reason::Mean | Reason::PlainMean => composed,
        Reason::Confidence { .. } | Reason::Time { .. } | Reason::Other(_) => true,
    };
    (!is_true).then(|| format!("the reason is false for {number} versions: {reason}"))
}

/// Calls the strategy; returns the text of a panic.
#[cfg(feature = "std")]
fn attempt<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
    caught.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied().map(String::from);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| String::from("without a text"))
    })
}

/// Calls the strategy. Without std a panic cannot be caught.
#[cfg(not(feature = "std"))]
fn attempt<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    Ok(call())
}
