//! The laws that a strategy must keep, as a suite for strategies of your own.
//!
//! A case is a set of versions drawn from a seed.

mod check;
mod random;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

pub use random::Random;

use crate::value::FINGERPRINT;
use crate::{Resolution, Strategy, Value, Versions};

/// The suite: the laws that are checked, the values they are checked on, and the number of cases.
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
/// // Few numbers, so that ties are frequent; and for law `Names` numbers that ascend with their place.
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

/// As many values of one set as asked for.
type Generator<T> = Arc<dyn Fn(&mut Random, usize) -> Vec<T> + Send + Sync>;

/// The fault of a resolution, if it has one.
type Check<T> = Arc<dyn Fn(&Versions<T>, &Resolution<T>) -> Option<String> + Send + Sync>;

#[derive(Clone, Debug)]
enum Cases {
    Drawn { seed: u64, number: u32 },
    Only(u64),
}

/// What a strategy must keep, so that replicas that hold the same set show the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Law {
    /// S1: a function of the set, independent of the order of its versions and of their repetition.
    Set,
    /// S1: a digest breaks ties and decides nothing else. Other digests for the versions of a set without ties change
    /// nothing. A fold over pairs in order of digests breaks this law, and so does "the first one wins": their results
    /// are arbitrary, and an author who picks digests picks them.
    Names,
    /// S2: an answer for every valid set, without a panic. Overflow of an integer panics with debug assertions, so run
    /// the suite in a build that has them.
    Total,
    /// S3: the answer is valid: indices of the set, a value that [`Value::validate`] takes, shares that add up to 1, and a
    /// reason that is true of the set as far as the set can tell.
    Valid,
    /// S4: of a single version the answer is that version, bit for bit.
    Single,
    /// S5: no clock, no randomness, no memory of earlier calls.
    Pure,
    /// S7, of [patterns](crate::pattern): no citation is lost. Not for every strategy: see [`Laws::except`].
    Citations,
    /// S8, of [patterns](crate::pattern): the confidence is not above the greatest of the set.
    Confidence,
    /// S9: the identity never changes, and its text reads back as the same identity.
    Identity,
    /// A law of the values at hand, added by [`Laws::with_law`].
    OfValues(&'static str),
}

/// The laws were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passed {
    /// How many cases were checked.
    pub cases: u32,
    /// A fingerprint of every bit of every answer. Law S6 asks that it be the same on every machine and in every build:
    /// compare it with a constant in a test, and run the test on other machines.
    pub fingerprint: u64,
}

/// A strategy breaks a law.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{strategy} breaks law {law}: {detail}; to see it again: replay({seed:#x})")]
#[non_exhaustive]
pub struct Violation {
    /// The law.
    pub law: Law,
    /// The seed of the case: [`Laws::replay`] checks this case alone.
    pub seed: u64,
    /// The text of the identity of the strategy.
    pub strategy: String,
    /// What was expected, and what came.
    pub detail: String,
}

impl<T: Value + Clone + fmt::Debug> Laws<T> {
    /// All laws on 1,000 cases from a fixed seed.
    ///
    /// `value` draws a value. Let it draw equal, extreme and empty values often: ties and limits are what strategies get
    /// wrong. `distinct` draws a value for a set without ties: of two values the one with the greater place is greater by
    /// every measure that a strategy compares. Its values are those of law [`Names`](Law::Names).
    pub fn new(
        value: impl Fn(&mut Random) -> T + Send + Sync + 'static,
        distinct: impl Fn(&mut Random, usize) -> T + Send + Sync + 'static,
    ) -> Self {
        Self::of_sets(
            move |random, number| (0..number).map(|_| value(random)).collect(),
            move |random, number| (0..number).map(|place| distinct(random, place)).collect(),
        )
    }

    /// All laws, with values that are drawn a set at a time.
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

    /// Adds a law of your own about one answer. `check` returns the fault of a resolution that breaks it.
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

    /// Checks as many cases.
    #[must_use]
    pub fn cases(mut self, number: u32) -> Self {
        let (Cases::Drawn { seed, .. } | Cases::Only(seed)) = self.cases;
        self.cases = Cases::Drawn { seed, number };
        self
    }

    /// Draws other cases.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.cases = match self.cases {
            Cases::Drawn { number, .. } => Cases::Drawn { seed, number },
            Cases::Only(_) => Cases::Only(seed),
        };
        self
    }

    /// Checks the one case that a [`Violation`] names.
    #[must_use]
    pub fn replay(mut self, seed: u64) -> Self {
        self.cases = Cases::Only(seed);
        self
    }

    /// Leaves a law out, because the strategy does not promise it.
    #[must_use]
    pub fn except(mut self, law: Law) -> Self {
        self.excepted.push(law);
        self
    }

    /// Checks the strategy.
    ///
    /// # Errors
    /// [`Violation`] with the first law that is broken and the seed of the case. A panic of the strategy is such an error
    /// too with the feature `std`; without it, the panic comes through.
    pub fn check(&self, strategy: &(impl Strategy<T> + ?Sized)) -> Result<Passed, Violation> {
        let mut kept = Passed { cases: 0, fingerprint: FINGERPRINT };
        for seed in self.seeds() {
            check::Case::new(self, seed, &strategy).run(&mut kept.fingerprint)?;
            kept.cases += 1;
        }
        Ok(kept)
    }

    /// Checks the strategy in a test.
    ///
    /// # Panics
    /// If [`Laws::check`] finds a broken law; the message names it and the seed of the case.
    #[track_caller]
    pub fn assert(&self, strategy: &(impl Strategy<T> + ?Sized)) {
        if let Err(broken) = self.check(strategy) {
            panic!("{broken}");
        }
    }

    fn seeds(&self) -> impl Iterator<Item = u64> {
        let (first, number) = match self.cases {
            Cases::Drawn { seed, number } => (Random::new(seed).draw(), number),
            Cases::Only(seed) => (seed, 1),
        };
        (0..u64::from(number)).map(move |i| first.wrapping_add(i))
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
            Self::Single => "S4 (one version is itself)",
            Self::Pure => "S5 (pure)",
            Self::Citations => "S7 (no citation is lost)",
            Self::Confidence => "S8 (no confidence out of nothing)",
            Self::Identity => "S9 (a stable identity)",
            Self::OfValues(name) => name,
        })
    }
}
