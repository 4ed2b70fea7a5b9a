//! One case: the laws, each as a short function.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::case::Random;
use super::owned::absorb;
use super::{Broken, Law, OwnedVersion};
use crate::{Embedding, Outcome, Resolution, Strategy, Versions, union};

pub(super) struct Case<'a> {
    excepted: &'a [Law],
    seed: u64,
    strategy: &'a dyn Strategy,
    random: Random,
}

type Checked<T = ()> = Result<T, Broken>;

impl<'a> Case<'a> {
    pub(super) fn new(excepted: &'a [Law], seed: u64, strategy: &'a dyn Strategy) -> Self {
        Self { excepted, seed, strategy, random: Random::new(seed) }
    }

    /// Checks all laws on one set and takes the bits of the answer into `fingerprint`.
    pub(super) fn run(mut self, fingerprint: &mut u64) -> Checked {
        self.identity()?;
        let owned = self.random.versions();
        let answer = self.answer(&owned)?;
        self.set(&owned, answer)?;
        self.pure(&owned, answer)?;
        owned.iter().try_for_each(|version| self.single(version))?;
        self.names()?;
        absorb(fingerprint, &answer.to_be_bytes());
        Ok(())
    }

    /// The bits of the answer, after the laws that look at one answer alone.
    fn answer(&self, owned: &[OwnedVersion]) -> Checked<u64> {
        let versions = borrowed(owned);
        let resolution = self.resolve(&versions)?;
        self.valid(&versions, &resolution)?;
        self.citations(&versions, &resolution)?;
        self.confidence(&versions, &resolution)?;
        Ok(resolution.fingerprint(&versions))
    }

    fn resolve(&self, versions: &Versions<'_>) -> Checked<Resolution> {
        attempt(|| self.strategy.resolve(versions))
            .map_err(|panic| self.broken(Law::Total, format!("it panics: {panic}")))
    }

    fn identity(&self) -> Checked {
        let (id, again) = (self.strategy.id(), self.strategy.id());
        let read = id.to_string().parse();
        let stable = id == again && read.as_ref() == Ok(&id);
        self.expect(Law::Identity, stable, || format!("{id}, then {again}, read back {read:?}"))
    }

    fn set(&mut self, owned: &[OwnedVersion], answer: u64) -> Checked {
        let mut copies = owned.to_vec();
        for copy in &mut copies[..owned.len() / 2] {
            copy.confirmations -= copy.confirmations / 2;
        }
        let halves = copies[..owned.len() / 2].iter().zip(owned).map(|(copy, whole)| {
            let confirmations = whole.confirmations - copy.confirmations;
            OwnedVersion { confirmations, ..whole.clone() }
        });
        let halves: Vec<_> = halves.filter(|half| half.confirmations > 0).collect();
        copies.extend(halves);
        self.random.shuffle(&mut copies);
        let shuffled = self.answer(&copies)?;
        self.expect(Law::Set, shuffled == answer, || {
            String::from("another order of the same versions, some of them twice, changes it")
        })
    }

    /// Other sets in between, and the parts of this one, must leave no trace.
    fn pure(&mut self, owned: &[OwnedVersion], answer: u64) -> Checked {
        let (other, mut parts) = (self.random.versions(), owned.to_vec());
        self.answer(&other)?;
        self.random.shuffle(&mut parts);
        for part in parts.chunks(1) {
            self.answer(part)?;
        }
        let again = self.answer(&parts)?;
        self.expect(Law::Pure, again == answer, || {
            String::from("the same set gives something else after other calls")
        })
    }

    fn single(&self, version: &OwnedVersion) -> Checked {
        let alone = core::slice::from_ref(version);
        let itself = Resolution::chosen(0, crate::Reason::Only).fingerprint(&borrowed(alone));
        let answer = self.answer(alone)?;
        self.expect(Law::Single, answer == itself, || {
            format!("the only version comes back changed: {version:?}")
        })
    }

    fn names(&mut self) -> Checked {
        let mut owned = self.random.versions_without_ties();
        let answer = self.answer(&owned)?;
        self.random.rename(&mut owned);
        let renamed = self.answer(&owned)?;
        self.expect(Law::Names, renamed == answer, || {
            String::from("other digests change the result, though no versions are equal")
        })
    }

    fn valid(&self, versions: &Versions<'_>, resolution: &Resolution) -> Checked {
        let fault =
            indices_fault(versions, resolution).or_else(|| value_fault(versions, resolution));
        self.expect(Law::Valid, fault.is_none(), || fault.unwrap_or_default())?;
        // Excepted or not: with indices that are not there, nothing can be read.
        match indices_fault(versions, resolution) {
            None => Ok(()),
            Some(fault) => Err(self.broken(Law::Valid, fault)),
        }
    }

    fn citations(&self, versions: &Versions<'_>, resolution: &Resolution) -> Checked {
        let all = union(versions.iter().map(|v| v.citations));
        let visible = match &resolution.outcome {
            Outcome::Kept(indices) => union(indices.iter().map(|&i| versions[i].citations)),
            _ => union([resolution.visible(versions).citations]),
        };
        self.expect(Law::Citations, visible == all, || {
            format!("it shows {visible:?}, the versions cite {all:?}")
        })
    }

    fn confidence(&self, versions: &Versions<'_>, resolution: &Resolution) -> Checked {
        let shown = resolution.visible(versions).confidence;
        let within = versions.iter().any(|version| version.confidence >= shown);
        self.expect(Law::Confidence, within, || format!("{shown} is above every version"))
    }

    fn expect(&self, law: Law, kept: bool, detail: impl FnOnce() -> String) -> Checked {
        match kept || self.excepted.contains(&law) {
            true => Ok(()),
            false => Err(self.broken(law, detail())),
        }
    }

    fn broken(&self, law: Law, detail: String) -> Broken {
        Broken { law, seed: self.seed, strategy: self.strategy.id().to_string(), detail }
    }
}

fn borrowed(owned: &[OwnedVersion]) -> Versions<'_> {
    Versions::new(owned.iter().map(OwnedVersion::as_version)).expect("cases are valid sets")
}

fn indices_fault(versions: &Versions<'_>, resolution: &Resolution) -> Option<String> {
    let indices = match &resolution.outcome {
        Outcome::Chosen(index) => core::slice::from_ref(index),
        Outcome::Kept(indices) => indices,
        Outcome::Composed(merged) => match &merged.embedding {
            Embedding::Of(index) => core::slice::from_ref(index),
            Embedding::Blended(_) => return None,
        },
    };
    let mut distinct = indices.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let sound = distinct.len() == indices.len()
        && distinct.last().is_some_and(|&last| last < versions.len());
    (!sound).then(|| format!("indices {indices:?} of {} versions", versions.len()))
}

fn value_fault(versions: &Versions<'_>, resolution: &Resolution) -> Option<String> {
    let visible = resolution.visible(versions);
    let times = versions.iter().map(|v| v.consolidated_at);
    let (first, last) = (times.clone().min()?, times.max()?);
    if visible.embedding.len() != versions.dimension() {
        Some(format!("{} of {} dimensions", visible.embedding.len(), versions.dimension()))
    } else if !visible.embedding.iter().all(|x| x.is_finite()) {
        Some(String::from("a component of the embedding is not finite"))
    } else if !(0.0..=1.0).contains(&visible.confidence) {
        Some(format!("confidence {}", visible.confidence))
    } else if !(visible.strength.is_finite() && visible.strength >= 0.0) {
        Some(format!("strength {}", visible.strength))
    } else if !(first..=last).contains(&visible.consolidated_at) {
        Some(format!("time {}, the versions have {first}..={last}", visible.consolidated_at))
    } else {
        None
    }
}

/// Calls the strategy; a panic becomes its text.
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
