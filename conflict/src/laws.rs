//! The laws that a strategy must keep, as a suite that anybody can run on their own.
//!
//! A case is a set of versions drawn from a seed. Cases are mean on purpose: equal confidences,
//! zeros of both signs, subnormal and huge numbers, no citations, 64 versions.

mod case;
mod check;
mod owned;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use owned::OwnedVersion;

use self::case::Random;
use crate::Strategy;

/// The suite: which laws are checked, and on how many cases.
///
/// ```
/// use engram_conflict::{ConfidenceVoting, Law, Laws, LastWriter};
///
/// let kept = Laws::new().cases(64).check(&ConfidenceVoting)?;
/// assert_eq!(kept.cases, 64);
///
/// // The last writer loses citations, and says so.
/// let broken = Laws::new().check(&LastWriter).unwrap_err();
/// assert_eq!(broken.law, Law::Citations);
/// assert_eq!(Laws::new().replay(broken.seed).check(&LastWriter).unwrap_err(), broken);
/// Laws::new().except(Law::Citations).check(&LastWriter)?;
/// # Ok::<(), engram_conflict::Broken>(())
/// ```
#[derive(Clone, Debug)]
pub struct Laws {
    cases: Cases,
    excepted: Vec<Law>,
}

#[derive(Clone, Debug)]
enum Cases {
    Drawn { seed: u64, number: u32 },
    Only(u64),
}

/// What a strategy must keep, so that replicas that hold the same set show the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Law {
    /// S1: a function of the set, whatever order its versions came in and however often.
    Set,
    /// S1: a digest breaks ties and decides nothing else. Renaming the versions of a set without
    /// ties changes nothing. A fold over pairs in order of digests breaks this law, and so does
    /// "the first one wins": their results are arbitrary, and an author who picks digests picks them.
    Names,
    /// S2: an answer for every valid set, without a panic.
    Total,
    /// S3: the answer is valid: indices of the set, finite numbers, a confidence in `0..=1`, the
    /// dimension of the set, and a time that is not outside those of the set.
    Valid,
    /// S4: of a single version the answer is that version, bit for bit.
    Single,
    /// S5: no clock, no randomness, no memory of earlier calls.
    Pure,
    /// S7: no citation is lost. Not for every strategy: see [`Laws::except`].
    Citations,
    /// S8: the confidence is not above the greatest of the set.
    Confidence,
    /// S9: the identity never changes, and its text reads back as the same identity.
    Identity,
}

/// The laws were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// How many cases were checked.
    pub cases: u32,
    /// A fingerprint of every bit of every answer. Law S6 asks that it be the same on every
    /// machine and in every build: write it down in a test, and run the test elsewhere.
    pub fingerprint: u64,
}

/// A law was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{strategy} breaks law {law}: {detail}; to see it again: Laws::new().replay({seed:#x})")]
#[non_exhaustive]
pub struct Broken {
    /// Which law.
    pub law: Law,
    /// The seed of the case: [`Laws::replay`] checks this case alone.
    pub seed: u64,
    /// The text of the identity of the strategy.
    pub strategy: String,
    /// What was expected, and what came.
    pub detail: String,
}

impl Default for Laws {
    fn default() -> Self {
        Self::new()
    }
}

impl Laws {
    /// All laws on 1,000 cases from a fixed seed.
    pub const fn new() -> Self {
        Self { cases: Cases::Drawn { seed: 0, number: 1000 }, excepted: Vec::new() }
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

    /// Checks the one case that a [`Broken`] names.
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
    /// [`Broken`] with the first law that is broken and the seed of the case. A panic of the
    /// strategy is such an error too with the feature `std`; without it, the panic comes through.
    pub fn check(&self, strategy: &(impl Strategy + ?Sized)) -> Result<Kept, Broken> {
        let mut kept = Kept { cases: 0, fingerprint: owned::FINGERPRINT };
        for seed in self.seeds() {
            check::Case::new(&self.excepted, seed, &strategy).run(&mut kept.fingerprint)?;
            kept.cases += 1;
        }
        Ok(kept)
    }

    /// Panics with the broken law. This is what
    /// [`assert_strategy_laws!`](crate::assert_strategy_laws) calls.
    ///
    /// # Panics
    /// If [`Laws::check`] finds a broken law.
    #[track_caller]
    pub fn assert(&self, strategy: &(impl Strategy + ?Sized)) {
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

/// Asserts that a strategy keeps the laws; in a test.
///
/// `except` names laws that the strategy does not promise. `replay` checks the one case that a
/// failure has printed.
///
/// ```
/// use engram_conflict::{ConfidenceWeighted, LastWriter, assert_strategy_laws};
///
/// assert_strategy_laws!(ConfidenceWeighted::new());
/// assert_strategy_laws!(LastWriter, except Citations);
/// assert_strategy_laws!(LastWriter, except Citations, replay 0x2a);
/// ```
#[macro_export]
macro_rules! assert_strategy_laws {
    ($strategy:expr $(, except $($law:ident)|+)? $(, replay $seed:expr)? $(,)?) => {
        $crate::Laws::new()
            $($(.except($crate::Law::$law))+)?
            $(.replay($seed))?
            .assert(&$strategy)
    };
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
        })
    }
}
