//! Checks the input of the suite: the generators and the number of cases.

use alloc::format;
use alloc::vec::Vec;
use core::fmt::{self, Debug};

use super::subject::{Checked, Subject, attempt};
use super::{Law, Random};
use crate::Value;
use crate::value::same;

/// A generator; `Display` writes the name of its parameter in [`Laws::new`](super::Laws::new).
#[derive(Clone, Copy)]
pub(super) enum Generator {
    Value,
    Distinct,
}

/// The number of values in the largest set.
pub(super) const LARGEST: usize = 64;

impl<T: Value + Clone + Debug> Subject<'_, T> {
    /// Checks that there are cases, that `value` draws different values, and, unless the strategy is exempt from
    /// [`Law::Names`], that `distinct` draws no equal values.
    pub(super) fn input(&self, seed: u64, number: u32) -> Checked {
        self.expect(seed, Law::Input, number > 0, || "cases(0) checks nothing".into())?;
        let values = self.drawn(Generator::Value, seed, &mut Random::new(seed), LARGEST)?;
        let constant = values.iter().all(|value| same(value, &values[0]));
        self.expect(seed, Law::Input, !constant, || {
            format!("the generator `value` only draws {:?}", values[0])
        })?;
        if self.excepts(Law::Names) {
            return Ok(());
        }
        let values = self.drawn(Generator::Distinct, seed, &mut Random::new(seed), LARGEST)?;
        self.distinct(seed, &values.iter().collect::<Vec<_>>())
    }

    /// Checks that no two `values` of the generator `distinct` are equal.
    pub(super) fn distinct(&self, seed: u64, values: &[&T]) -> Checked {
        let equal = pairs(values.len()).find(|&(i, j)| same(values[i], values[j]));
        let Some((i, j)) = equal else {
            return Ok(());
        };
        self.expect(seed, Law::Input, false, || {
            format!("the generator `distinct` draws {:?} at positions {i} and {j}", values[i])
        })
    }

    /// Draws a set of values.
    pub(super) fn drawn(
        &self,
        generator: Generator,
        seed: u64,
        random: &mut Random,
        number: usize,
    ) -> Checked<Vec<T>> {
        let draw = match generator {
            Generator::Value => &self.laws.values,
            Generator::Distinct => &self.laws.values_without_ties,
        };
        attempt(|| draw(random, number)).map_err(|panic| {
            self.violation(seed, Law::Input, format!("the generator `{generator}` panics: {panic}"))
        })
    }
}

/// All pairs of positions below `number`.
pub(super) fn pairs(number: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..number).flat_map(move |i| (i + 1..number).map(move |j| (i, j)))
}

impl fmt::Display for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value => "value",
            Self::Distinct => "distinct",
        })
    }
}
