//! Checks the laws on one case.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Debug;

use super::answer::{Answer, Seen, alike, change};
use super::input::{Generator, LARGEST, pairs};
use super::subject::{Checked, Subject, attempt};
use super::{Law, Random, Violation, fault};
use crate::value::same;
use crate::version::short;
use crate::{Explanation, Reason, Resolution, Value, Version, Versions};

pub(super) struct Case<'a, T> {
    subject: &'a Subject<'a, T>,
    seed: u64,
    random: Random,
}

impl<'a, T: Value + Clone + Debug> Case<'a, T> {
    pub(super) fn new(subject: &'a Subject<'a, T>, seed: u64) -> Self {
        Self { subject, seed, random: Random::new(seed) }
    }

    /// Checks all laws on one case.
    ///
    /// Purity comes before the laws [`Law::Set`], [`Law::Single`] and [`Law::Names`], because an impure strategy can
    /// also break those laws.
    pub(super) fn run(mut self) -> Checked<Seen> {
        let versions = self.versions()?;
        let answer = self.answer(Generator::Value, &versions)?;
        self.explanation(&answer)?;
        self.pure(&versions, &answer)?;
        self.set(&versions, &answer)?;
        versions.iter().try_for_each(|version| self.single(version))?;
        self.names()?;
        Ok(answer.seen())
    }

    /// Resolves the first set of the case again, after all other cases.
    pub(super) fn repeat(mut self, seen: &Seen) -> Checked {
        let versions = self.versions()?;
        let answer = self.answer(Generator::Value, &versions)?;
        let again = answer.seen();
        self.expect(Law::Input, again.input == seen.input, || {
            String::from(
                "the generator `value` draws different values from the same random numbers",
            )
        })?;
        self.expect(Law::Pure, again.bits == seen.bits, || {
            format!(
                "the same set gives a different answer after the other cases: {}",
                answer.shown()
            )
        })
    }

    /// Draws versions that may tie and may have several confirmations.
    fn versions(&mut self) -> Checked<Vec<Version<T>>> {
        let number = self.number();
        let values = self.drawn(Generator::Value, number)?;
        let versions = values.into_iter().map(|value| {
            let confirmations = self.random.pick(&[1, 1, 2, 3, 1 << 20, u32::MAX]);
            Version::named(value).confirmed(confirmations)
        });
        Ok(versions.collect())
    }

    fn versions_without_ties(&mut self) -> Checked<Vec<Version<T>>> {
        let number = self.number();
        let values = self.drawn(Generator::Distinct, number)?;
        let versions = values.into_iter().enumerate().map(|(place, value)| {
            let confirmations = place as u32 * 10 + 1 + self.random.below(5) as u32;
            Version::new(self.random.digest(), value).confirmed(confirmations)
        });
        Ok(versions.collect())
    }

    fn drawn(&mut self, generator: Generator, number: usize) -> Checked<Vec<T>> {
        self.subject.drawn(generator, self.seed, &mut self.random, number)
    }

    fn number(&mut self) -> usize {
        self.random.pick(&[1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 8, LARGEST])
    }

    /// Checks the laws that concern a single answer.
    fn answer(&self, from: Generator, versions: &[Version<T>]) -> Checked<Answer<T>> {
        let versions = self.valid_set(from, versions)?;
        let resolution = self.resolved_twice(&versions)?;
        self.valid(&versions, &resolution)?;
        self.laws_of_values(&versions, &resolution)?;
        Ok(Answer::new(versions, resolution))
    }

    fn valid_set(&self, from: Generator, versions: &[Version<T>]) -> Checked<Versions<T>> {
        Versions::new(versions.iter().cloned()).map_err(|error| {
            let detail = format!("the generator `{from}` draws an invalid set: {error}");
            self.violation(Law::Input, detail)
        })
    }

    /// Resolves the set twice, compares the answers, and checks the identity.
    fn resolved_twice(&self, versions: &Versions<T>) -> Checked<Resolution<T>> {
        let (resolution, again) = (self.resolved(versions)?, self.resolved(versions)?);
        self.expect(Law::Pure, alike(&resolution, &again), || {
            format!(
                "two calls for the same set give different answers: {}",
                change(versions, &resolution, &again)
            )
        })?;
        self.subject.identity(self.seed)?;
        Ok(resolution)
    }

    fn resolved(&self, versions: &Versions<T>) -> Checked<Resolution<T>> {
        attempt(|| self.subject.strategy.resolve(versions))
            .map_err(|panic| self.violation(Law::Total, format!("it panics: {panic}")))
    }

    fn laws_of_values(&self, versions: &Versions<T>, resolution: &Resolution<T>) -> Checked {
        for (law, check) in &self.subject.laws.laws_of_values {
            let fault = attempt(|| check(versions, resolution)).map_err(|panic| {
                self.violation(Law::Input, format!("the check of law {law} panics: {panic}"))
            })?;
            self.expect(*law, fault.is_none(), || fault.unwrap_or_default())?;
        }
        Ok(())
    }

    /// Compares the explanation with the answer.
    fn explanation(&self, answer: &Answer<T>) -> Checked {
        let (Answer { versions, resolution, .. }, id) = (answer, &self.subject.id);
        let due = Explanation::new(id.clone(), versions, resolution);
        let given = self.explained(versions)?;
        if given == due {
            return Ok(());
        }
        self.expect(Law::Pure, self.explained(versions)? == given, || {
            String::from("two explanations for the same set differ")
        })?;
        self.expect(Law::Identity, given.strategy == *id, || {
            format!("the identity is {id}, but the explanation names {}", given.strategy)
        })?;
        let fault = fault::of_explanation(&given, &due);
        self.expect(Law::Valid, fault.is_none(), || fault.unwrap_or_default())
    }

    fn explained(&self, versions: &Versions<T>) -> Checked<Explanation> {
        attempt(|| self.subject.strategy.explain(versions))
            .map_err(|panic| self.violation(Law::Total, format!("explain panics: {panic}")))
    }

    /// Checks that the answer remains the same if up to half of the versions occur twice, with their confirmations
    /// divided between both copies, and all versions are shuffled.
    fn set(&mut self, versions: &[Version<T>], answer: &Answer<T>) -> Checked {
        let mut copies = versions.to_vec();
        for index in 0..versions.len() / 2 {
            let half = copies[index].confirmations / 2;
            if half > 0 {
                copies[index].confirmations -= half;
                copies.push(versions[index].clone().confirmed(half));
            }
        }
        self.random.shuffle(&mut copies);
        let shuffled = self.answer(Generator::Value, &copies)?;
        if shuffled.bits == answer.bits {
            return Ok(());
        }
        self.unchanged(answer)?;
        self.expect(Law::Set, false, || {
            let change = answer.change(&shuffled);
            format!("another order of the same versions, some of them twice, changes the answer: {change}")
        })
    }

    /// Checks that the answer remains the same after the strategy has resolved another set and each version alone.
    fn pure(&mut self, versions: &[Version<T>], answer: &Answer<T>) -> Checked {
        let (other, mut parts) = (self.versions()?, versions.to_vec());
        self.random.shuffle(&mut parts);
        for set in core::iter::once(&other[..]).chain(parts.chunks(1)) {
            // Does not check the other laws of an answer yet: a strategy with memory can also break those, but this
            // law names the cause.
            self.resolved_twice(&self.valid_set(Generator::Value, set)?)?;
        }
        self.unchanged(answer)?;
        self.answer(Generator::Value, &other).map(drop)
    }

    /// Checks that a set still has the same answer after other calls.
    fn unchanged(&self, Answer { versions, resolution, .. }: &Answer<T>) -> Checked {
        let again = self.resolved_twice(versions)?;
        self.expect(Law::Pure, alike(resolution, &again), || {
            format!("the same set after other calls: {}", change(versions, resolution, &again))
        })
    }

    fn single(&self, version: &Version<T>) -> Checked {
        let answer = self.answer(Generator::Value, core::slice::from_ref(version))?;
        let itself = same(answer.resolution.visible(&answer.versions), &version.value);
        self.expect(Law::Single, itself, || {
            let (digest, value) = (short(&version.digest), &version.value);
            format!("the only version, {digest}, is {value:?}, but is shown as {}", answer.shown())
        })
    }

    fn names(&mut self) -> Checked {
        let versions = self.versions_without_ties()?;
        let answer = self.answer(Generator::Distinct, &versions)?;
        self.explanation(&answer)?;
        let mut renamed = versions.clone();
        renamed.iter_mut().for_each(|version| version.digest = self.random.digest());
        let other = self.answer(Generator::Distinct, &renamed)?;
        if other.bits == answer.bits {
            return Ok(());
        }
        self.unchanged(&answer)?;
        if self.subject.excepts(Law::Names) {
            return Ok(());
        }
        self.ties(&versions, [&answer, &other])?;
        let pair = self.pair(&versions).unwrap_or_default();
        let detail = format!("other digests change the answer: {}{pair}", answer.change(&other));
        Err(self.violation(Law::Names, detail))
    }

    /// Checks that `distinct` has drawn no ties: neither equal values, nor values that the strategy finds equal.
    fn ties(&self, versions: &[Version<T>], answers: [&Answer<T>; 2]) -> Checked {
        let values: Vec<&T> = versions.iter().map(|version| &version.value).collect();
        self.subject.distinct(self.seed, &values)?;
        let tied = answers.iter().find(|a| matches!(a.resolution.reason, Reason::Digest { .. }));
        self.expect(Law::Input, tied.is_none(), || {
            let shown = tied.map(|answer| answer.shown()).unwrap_or_default();
            format!("the generator `distinct` draws values that the strategy finds equal: {shown}")
        })
    }

    /// Describes two values between which only their digests decide.
    fn pair(&self, versions: &[Version<T>]) -> Option<String> {
        let decides = |digests: [u8; 2], places: [usize; 2]| {
            let of = |i: usize| Version::new([digests[i]; 32], versions[places[i]].value.clone());
            self.answer(Generator::Distinct, &[of(0), of(1)]).ok()
        };
        let (i, j) = pairs(versions.len()).find(|&(i, j)| {
            let answers = (decides([1, 2], [i, j]), decides([2, 1], [i, j]));
            matches!(answers, (Some(a), Some(b)) if a.bits != b.bits)
        })?;
        let (left, right) = (&versions[i].value, &versions[j].value);
        Some(format!(
            "; digests alone decide between positions {i} and {j} of the generator `distinct`, {left:?} and {right:?}: if the \
             strategy finds them equal, correct the generator"
        ))
    }

    /// Checks law [`Law::Valid`]. Checks the indices even if the strategy is exempt from this law, because later checks
    /// read the versions at these indices.
    fn valid(&self, versions: &Versions<T>, resolution: &Resolution<T>) -> Checked {
        if let Some(fault) = fault::of_indices(versions, resolution) {
            return Err(self.violation(Law::Valid, fault));
        }
        let fault = fault::of_value(versions, resolution)
            .or_else(|| fault::of_shares(versions, resolution))
            .or_else(|| fault::of_reason(versions, resolution));
        self.expect(Law::Valid, fault.is_none(), || fault.unwrap_or_default())
    }

    fn expect(&self, law: Law, kept: bool, detail: impl FnOnce() -> String) -> Checked {
        self.subject.expect(self.seed, law, kept, detail)
    }

    fn violation(&self, law: Law, detail: String) -> Violation {
        self.subject.violation(self.seed, law, detail)
    }
}
