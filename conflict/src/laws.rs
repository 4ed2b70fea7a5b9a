//! A suite that checks the laws of a strategy.
//!
//! Each case draws sets of versions from a seed, and checks the laws on them.

mod answer;
mod check;
mod fault;
mod input;
mod random;
mod run;
mod subject;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

pub use random::Random;

use crate::{Resolution, Strategy, Value, Versions};

/// The suite: the laws to check, the generators of values, and the number of cases.
///
/// ```
/// use engram_conflict::{Law, Laws, Resolution, Strategy, StrategyId, Versions};
///
/// /// The greatest number wins.
/// struct Greatest;
///
/// impl Strategy<u64> for Greatest {
///     fn id(&self) -> StrategyId {
///         StrategyId::literal("greatest", 1)
///     }
///
///     fn resolve(&self, versions: &Versions<u64>) -> Resolution<u64> {
///         versions.choose_by("the greatest number", |a, b| a.value.cmp(&b.value))
///     }
/// }
///
/// // The first generator draws few different numbers, so ties are frequent. For law `Names`, the second draws
/// // numbers that ascend with their position.
/// let laws = Laws::new(|random| random.draw() % 8, |random, place| place as u64 * 8 + random.draw() % 8);
/// laws.assert(&Greatest);
///
/// /// The first version of the set wins: the digests decide.
/// struct First;
///
/// impl Strategy<u64> for First {
///     fn id(&self) -> StrategyId {
///         StrategyId::literal("first", 1)
///     }
///
///     fn resolve(&self, _: &Versions<u64>) -> Resolution<u64> {
///         Resolution::chosen(0, engram_conflict::Reason::Other("the first".into()))
///     }
/// }
///
/// let broken = laws.check(&First).unwrap_err();
/// assert_eq!(broken.law, Law::Names);
/// assert_eq!(laws.clone().replay(broken.seed).check(&First).unwrap_err(), broken);
/// ```
#[derive(Clone)]
pub struct Laws<T> {
    cases: Cases,
    excepted: Vec<Law>,
    values: Generator<T>,
    values_without_ties: Generator<T>,
    laws_of_values: Vec<(Law, Check<T>)>,
}

/// Generates a given number of values for one set.
type Generator<T> = Arc<dyn Fn(&mut Random, usize) -> Vec<T> + Send + Sync>;

/// Returns a description of the fault if a resolution breaks a law.
type Check<T> = Arc<dyn Fn(&Versions<T>, &Resolution<T>) -> Option<String> + Send + Sync>;

#[derive(Clone, Debug)]
enum Cases {
    Drawn { seed: u64, number: u32 },
    Only(u64),
}

/// A law of strategies. Replicas with the same set show the same value if their strategy keeps the laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Law {
    /// S1: the answer is a function of the set, independent of order and repetition of its versions.
    Set,
    /// S1: digests only break ties. In a set without ties, different digests for the versions change nothing. A
    /// non-associative fold over pairs in the order of digests breaks this law, as does "the first version wins": the
    /// results of both depend on digests, so a writer who can influence a digest can influence the result.
    Names,
    /// S2: every valid set has an answer, without a panic. An integer overflow panics only in a build with overflow
    /// checks, so run the suite in such a build.
    Total,
    /// S3: the answer is valid. It shows something, its indices are distinct and in range, [`Value::validate`] accepts
    /// its value, its shares are in `0..=1` and add up to 1, its reason is true for the set as far as the suite can
    /// check, and the explanation agrees with the answer. The suite does not know the measure behind a
    /// [`Reason::Time`](crate::Reason::Time) or [`Reason::Confidence`](crate::Reason::Confidence) of your own type: check
    /// its lead with [`Laws::with_law`].
    Valid,
    /// S4: a single version is returned unchanged, bit for bit.
    Single,
    /// S5: the strategy is pure; it uses no clock, no randomness and no memory of earlier calls.
    Pure,
    /// S7, for [patterns](crate::pattern): no citation is lost. Strategies may be exempt: see [`Laws::except`].
    Citations,
    /// S8, for [patterns](crate::pattern): the confidence does not exceed the greatest confidence in the set.
    Confidence,
    /// S9: the identity never changes, and its text parses to the same identity.
    Identity,
    /// Not a law of strategies, but a fault in the input of the suite: there are no cases; a generator panics or draws
    /// an invalid set; `value` draws only one value, or different values from the same random numbers; `distinct` draws
    /// ties; or the check of your own law panics.
    Input,
    /// A law of the value type, added by [`Laws::with_law`].
    OfValues(&'static str),
}

/// The result of a check in which the strategy kept the laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passed {
    /// The number of checked cases.
    pub cases: u32,
    /// A fingerprint of the visible bits and the reason of the first answer of each case. Law S6 requires the same
    /// value on every machine and in every build: compare it with a constant in a test, and run the test on several
    /// machines.
    pub fingerprint: u64,
}

/// The error for a strategy that breaks a law, or that the suite cannot check: see [`Law::Input`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct Violation {
    /// The broken law, or [`Law::Input`].
    pub law: Law,
    /// The seed of the case: [`Laws::replay`] checks only this case.
    pub seed: u64,
    /// The text of the identity of the strategy; `the strategy` if the first call to [`Strategy::id`] panics.
    pub strategy: String,
    /// A description of the fault.
    pub detail: String,
}

impl<T: Value + Clone + fmt::Debug> Laws<T> {
    /// Creates a suite that checks the laws S1 to S5 and S9 on 1,000 cases, drawn from a fixed seed.
    ///
    /// `value` draws a value. It should draw equal, extreme and empty values often, because wrong strategies fail at
    /// ties and limits. `distinct` draws a value for a set without ties, for the law [`Names`](Law::Names): a value at
    /// a higher position must be greater by every measure that a strategy compares. Equal random numbers must give
    /// equal values. The suite reports a fault in a generator as [`Law::Input`].
    pub fn new(
        value: impl Fn(&mut Random) -> T + Send + Sync + 'static,
        distinct: impl Fn(&mut Random, usize) -> T + Send + Sync + 'static,
    ) -> Self {
        Self::of_sets(
            move |random, number| (0..number).map(|_| value(random)).collect(),
            move |random, number| (0..number).map(|place| distinct(random, place)).collect(),
        )
    }

    /// Creates a suite like [`new`](Self::new), with generators that draw a whole set at a time.
    pub(crate) fn of_sets(
        values: impl Fn(&mut Random, usize) -> Vec<T> + Send + Sync + 'static,
        values_without_ties: impl Fn(&mut Random, usize) -> Vec<T> + Send + Sync + 'static,
    ) -> Self {
        Self {
            cases: Cases::Drawn { seed: 0, number: 1000 },
            excepted: Vec::new(),
            values: Arc::new(values),
            values_without_ties: Arc::new(values_without_ties),
            laws_of_values: Vec::new(),
        }
    }

    /// Adds your own law about one answer. `check` returns a description of the fault if a
    /// resolution breaks the law, otherwise `None`.
    ///
    /// ```
    /// # use engram_conflict::{Law, Laws, Resolution, Versions};
    /// # let laws = Laws::new(|random| random.draw() % 8, |random, place| place as u64 * 8 + random.draw() % 8);
    /// let laws = laws.with_law("no sum", |versions: &Versions<u64>, resolution: &Resolution<u64>| {
    ///     let shown = resolution.visible(versions);
    ///     (!versions.values().any(|value| value == shown)).then(|| format!("{shown} is new"))
    /// });
    /// ```
    #[must_use]
    pub fn with_law(
        self,
        name: &'static str,
        check: impl Fn(&Versions<T>, &Resolution<T>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.with(Law::OfValues(name), check)
    }

    pub(crate) fn with(
        mut self,
        law: Law,
        check: impl Fn(&Versions<T>, &Resolution<T>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.laws_of_values.push((law, Arc::new(check)));
        self
    }

    /// Sets the number of cases, at least 1. Changes nothing after [`replay`](Self::replay).
    #[must_use]
    pub fn cases(mut self, number: u32) -> Self {
        if let Cases::Drawn { number: cases, .. } = &mut self.cases {
            *cases = number;
        }
        self
    }

    /// Sets the seed from which the cases are drawn. Changes nothing after [`replay`](Self::replay).
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        if let Cases::Drawn { seed: first, .. } = &mut self.cases {
            *first = seed;
        }
        self
    }

    /// Limits the suite to the case with the seed of a [`Violation`].
    #[must_use]
    pub fn replay(mut self, seed: u64) -> Self {
        self.cases = Cases::Only(seed);
        self
    }

    /// Exempts the strategy from a law that it does not promise to keep. Panics, invalid sets and invalid indices
    /// remain errors.
    #[must_use]
    pub fn except(mut self, law: Law) -> Self {
        self.excepted.push(law);
        self
    }

    /// Checks the strategy.
    ///
    /// # Errors
    /// [`Violation`] with the first law that is broken, or with [`Law::Input`], and the seed of the case. With the
    /// feature `std`, a panic in the strategy, a generator or your own law is also reported as such an error;
    /// without the feature, the panic propagates.
    pub fn check(&self, strategy: &(impl Strategy<T> + ?Sized)) -> Result<Passed, Violation> {
        run::run(self, &strategy)
    }

    /// Checks the strategy in a test: panics if it breaks a law or cannot be checked.
    ///
    /// # Panics
    /// If [`Laws::check`] returns an error; the message is the text of the error, which contains the seed of the case.
    #[track_caller]
    pub fn assert(&self, strategy: &(impl Strategy<T> + ?Sized)) {
        if let Err(broken) = self.check(strategy) {
            panic!("{broken}");
        }
    }

    fn first_seed_and_number(&self) -> (u64, u32) {
        match self.cases {
            Cases::Drawn { seed, number } => (Random::new(seed).draw(), number),
            Cases::Only(seed) => (seed, 1),
        }
    }
}

impl<T> fmt::Debug for Laws<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own: Vec<&Law> = self.laws_of_values.iter().map(|(law, _)| law).collect();
        let mut laws = f.debug_struct("Laws");
        laws.field("cases", &self.cases).field("excepted", &self.excepted);
        laws.field("laws_of_values", &own).finish_non_exhaustive()
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set => "S1 (a function of the set)",
            Self::Names => "S1 (digests only break ties)",
            Self::Total => "S2 (total)",
            Self::Valid => "S3 (valid answers)",
            Self::Single => "S4 (a single version is unchanged)",
            Self::Pure => "S5 (pure)",
            Self::Citations => "S7 (no citation is lost)",
            Self::Confidence => "S8 (confidence is never raised)",
            Self::Identity => "S9 (a stable identity)",
            Self::Input => "of the suite (sound input)",
            Self::OfValues(name) => name,
        })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { law, seed, strategy, detail } = self;
        match law {
            Law::Input => write!(f, "{strategy} is not checked: {detail}")?,
            _ => write!(f, "{strategy} breaks law {law}: {detail}")?,
        }
        write!(f, "; to repeat this case: replay({seed:#x})")
    }
}
