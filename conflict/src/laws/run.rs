//! Checks a strategy on the cases of a suite.

use alloc::vec::Vec;
use core::fmt::Debug;

use super::answer::Seen;
use super::check::Case;
use super::subject::{Checked, Subject};
use super::{Laws, Passed};
use crate::value::{FINGERPRINT, fingerprint};
use crate::{Strategy, Value};

/// The maximum number of cases that a run repeats at its end.
const REPEATED: usize = 1000;

/// Checks all cases, then resolves the first set of each of the first [`REPEATED`] cases again: the answer must not
/// depend on the calls in between.
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
