//! The strategy under test.

use alloc::format;
use alloc::string::{String, ToString};

use super::{Law, Laws, Violation};
use crate::{Strategy, StrategyId};

pub(super) type Checked<T = ()> = Result<T, Violation>;

/// The strategy under test, and its identity at the start of the run.
pub(super) struct Subject<'a, T> {
    pub(super) laws: &'a Laws<T>,
    pub(super) strategy: &'a dyn Strategy<T>,
    pub(super) id: StrategyId,
}

impl<'a, T> Subject<'a, T> {
    pub(super) fn new(
        laws: &'a Laws<T>,
        strategy: &'a dyn Strategy<T>,
        seed: u64,
    ) -> Checked<Self> {
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

    /// Checks that the identity is still the one at the start of the run.
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

/// Calls the user's code. Returns its result, or the text of its panic.
#[cfg(feature = "std")]
pub(super) fn attempt<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
    caught.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied().map(String::from);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| String::from("without a text"))
    })
}

/// Calls the user's code. Without std, a panic cannot be caught.
#[cfg(not(feature = "std"))]
pub(super) fn attempt<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    Ok(call())
}
