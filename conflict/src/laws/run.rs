//! Checks a strategy on the cases of a suite.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Debug;

use super::answer::Seen;
use super::check::Case;
use super::{Law, Laws, Passed, Violation};
use crate::value::{FINGERPRINT, fingerprint};
use crate::{Strategy, StrategyId, Value};

pub(super) type Checked<T = ()> = Result<T, Violation>;

/// The maximum number of cases that a run repeats at its end.
const REPEATED: usize = 1000;

/// The strategy under test, and its identity at the start of the run.
pub(super) struct Subject<'a, T> {
    pub(super) laws: &'a Laws<T>,
    pub(super) strategy: &'a dyn Strategy<T>,
    pub(super) id: StrategyId,
}

/// Checks all cases, then the first set of each case again: its answer must not depend on the calls in between.
pub(super) fn run<T: Value + Clone + Debug>(
    laws: &Laws<T>,
    strategy: &dyn Strategy<T>,
) -> Checked<Passed> {
    let (first, number) = laws.first_seed_and_number();
    let subject = Subject::new(laws, strategy, first)?;
    subject.input(first, number)?;
    let mut passed = Passed { cases: 0, fingerprint: FINGERPRINT };
    let mut earlier: Vec<(u64, Seen)> = Vec::new();
    for seed in (0..u64::from(number)).map(|i| first.wrapping_add(i)) {
        let seen = Case::new(&subject, seed).run()?;
        passed.fingerprint = fingerprint(passed.fingerprint, &seen.bits);
        passed.cases += 1;
        if earlier.len() < REPEATED {
            earlier.push((seed, seen));
        }
    }
    earlier.iter().try_for_each(|(seed, seen)| Case::new(&subject, *seed).repeat(seen))?;
    Ok(passed)
}

impl<'a, T> Subject<'a, T> {
    fn new(laws: &'a Laws<T>, strategy: &'a dyn Strategy<T>, seed: u64) -> Checked<Self> {
        let id = attempt(|| strategy.id()).map_err(|panic| {
            let (strategy, detail) = (String::from("the strategy"), format!("id panics: {panic}"));
            Violation { law: Law::Identity, seed, strategy, detail }
        })?;
        let subject = Self { laws, strategy, id };
        let read = subject.id.to_string().parse::<StrategyId>();
        subject.expect(seed, Law::Identity, read.as_ref() == Ok(&subject.id), || {
            format!("{} is read back as {read:?}", subject.id)
        })?;
        subject.identity(seed)?;
        Ok(subject)
    }

    /// Checks that the identity is the one at the start of the run.
    pub(super) fn identity(&self, seed: u64) -> Checked {
        let again = attempt(|| self.strategy.id())
            .map_err(|panic| self.violation(seed, Law::Identity, format!("id panics: {panic}")))?;
        self.expect(seed, Law::Identity, again == self.id, || {
            format!("the identity is {}, then {again}", self.id)
        })
    }

    pub(super) fn expect(
        &self,
        seed: u64,
        law: Law,
        kept: bool,
        detail: impl FnOnce() -> String,
    ) -> Checked {
        match kept || self.excepts(law) {
            true => Ok(()),
            false => Err(self.violation(seed, law, detail())),
        }
    }

    pub(super) fn excepts(&self, law: Law) -> bool {
        self.laws.excepted.contains(&law)
    }

    pub(super) fn violation(&self, seed: u64, law: Law, detail: String) -> Violation {
        Violation { law, seed, strategy: self.id.to_string(), detail }
    }
}

/// Calls code under test; returns the text of a panic.
#[cfg(feature = "std")]
pub(super) fn attempt<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
    caught.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied().map(String::from);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| String::from("without a text"))
    })
}

/// Calls code under test. Without std a panic cannot be caught.
#[cfg(not(feature = "std"))]
pub(super) fn attempt<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    Ok(call())
}
