//! Commits random batches, reopens the store between them, and compares its rows with a model.

use super::super::storage::{Batch, Table};
use super::steps::commit;
use super::{Rows, Subject, Violation, compare};

const HISTORIES: u64 = 4;
const BATCHES: usize = 60;
/// The number of keys. It is small, so that batches overwrite and remove rows.
const KEYS: usize = 24;

/// A seeded generator, so that a failing history is reproducible.
struct Choice(u64);

impl Choice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn batch(&mut self) -> Batch {
        let mut batch = Batch::default();
        for _ in 0..=self.below(12) {
            let table = Table::ALL[self.below(Table::ALL.len())];
            let key = format!("key {}", self.below(KEYS)).into_bytes();
            match self.below(3) {
                0 => batch.remove(table, key),
                _ => {
                    let (len, byte) = (self.below(2_000), self.below(256) as u8);
                    batch.put(table, key, vec![byte; len]);
                }
            }
        }
        batch
    }
}

pub(super) fn histories_are_kept(subject: &mut Subject<'_, '_>) -> Result<(), Violation> {
    for seed in 1..=HISTORIES {
        let (step, name) = ("random batches are committed", format!("history-{seed}"));
        let (mut choice, mut rows) = (Choice(seed), Rows::new());
        let mut store = subject.open(step, &name)?;
        for _ in 0..BATCHES {
            commit(step, &*store, &choice.batch(), &mut rows)?;
            compare(step, &*store, &rows)?;
            if choice.below(10) == 0 {
                let step = "the store is reopened after random batches";
                drop(store);
                store = subject.open(step, &name)?;
                compare(step, &*store, &rows)?;
            }
        }
    }
    Ok(())
}
