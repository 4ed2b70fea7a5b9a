//! Reads the rows of a store on one thread, and handles them on another.

use std::mem;
use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;
use std::thread;

use crate::durable::storage::{StateStore, StorageError, Table};

/// The number of bytes of rows at which a part is complete and passed to the other thread.
const PART: usize = 64 << 10;
/// The maximum number of parts that wait to be handled.
const WAITING: usize = 2;

/// Calls `row` with the table, the key and the value of every row, while another thread reads the next rows. After
/// an error of `row`, ignores the rows that follow.
///
/// # Errors
/// The error of the scan, or else that of `row`.
pub(crate) fn each_row<E: From<StorageError>>(
    store: &dyn StateStore,
    mut row: impl FnMut(Table, &[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let (sender, parts) = sync_channel(WAITING);
    thread::scope(|scope| {
        let scanning = scope.spawn(move || {
            let mut part = Part::default();
            store.scan(&mut |table, key, value| {
                part.push(table, key, value);
                if part.bytes.len() >= PART {
                    // Sending never fails, because the receiver takes all parts.
                    _ = sender.send(mem::take(&mut part));
                }
            })?;
            _ = sender.send(part);
            Ok(())
        });
        let mut handled = Ok(());
        for part in parts {
            handled = handled.and_then(|()| part.each(&mut row));
        }
        let scanned: Result<(), StorageError> =
            scanning.join().unwrap_or_else(|panic| resume_unwind(panic));
        scanned?;
        handled
    })
}

/// Some rows.
#[derive(Default)]
struct Part {
    /// The keys and the values.
    bytes: Vec<u8>,
    /// The table of each row, and the lengths of its key and of its value.
    rows: Vec<(Table, usize, usize)>,
}

impl Part {
    fn push(&mut self, table: Table, key: &[u8], value: &[u8]) {
        if self.rows.is_empty() {
            self.bytes.reserve(PART + key.len() + value.len());
        }
        self.bytes.extend(key);
        self.bytes.extend(value);
        self.rows.push((table, key.len(), value.len()));
    }

    fn each<E>(&self, mut row: impl FnMut(Table, &[u8], &[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut rest = self.bytes.as_slice();
        self.rows.iter().try_for_each(|(table, key, value)| {
            let (key, after) = rest.split_at(*key);
            let (value, after) = after.split_at(*value);
            rest = after;
            row(*table, key, value)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::durable::storage::{Batch, MemoryStateStore, OnRow};

    fn failed(reason: &str) -> StorageError {
        StorageError::Failed { place: "here".to_owned(), reason: reason.to_owned() }
    }

    /// Rows that fill many parts; one row of each table is longer than a part.
    fn kept() -> MemoryStateStore {
        let (kept, mut batch) = (MemoryStateStore::new(), Batch::default());
        for (table, row) in
            Table::ALL.into_iter().flat_map(|table| (0..50).map(move |n| (table, n)))
        {
            let len = if row == 7 { 3 * PART } else { PART / 10 + usize::from(row) };
            batch.put(table, vec![row], vec![row; len]);
        }
        kept.commit(&batch).unwrap();
        kept
    }

    type Rows = Vec<(Table, Vec<u8>, Vec<u8>)>;

    #[test]
    fn every_row_arrives_in_order() {
        let (kept, mut scanned, mut handled) = (kept(), Rows::new(), Rows::new());
        kept.scan(&mut |table, key, value| scanned.push((table, key.to_vec(), value.to_vec())))
            .unwrap();
        each_row(&kept, |table, key, value| {
            handled.push((table, key.to_vec(), value.to_vec()));
            Ok::<_, StorageError>(())
        })
        .unwrap();
        assert_eq!(handled, scanned);
    }

    /// A store whose scans fail after the last row.
    struct Torn(MemoryStateStore);

    impl StateStore for Torn {
        fn scan(&self, row: &mut OnRow<'_>) -> Result<(), StorageError> {
            self.0.scan(row)?;
            Err(failed("the scan"))
        }
        fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
            self.0.commit(batch)
        }
        fn set_aside(&self) -> Result<String, StorageError> {
            self.0.set_aside()
        }
        fn backup(&self, to: &Path) -> Result<(), StorageError> {
            self.0.backup(to)
        }
    }

    #[test]
    fn no_row_follows_an_error() {
        let mut handled = 0;
        let mut handle = |_: Table, _: &[u8], _: &[u8]| {
            handled += 1;
            if handled == 60 { Err(failed("the row")) } else { Ok(()) }
        };
        assert_eq!(each_row(&kept(), &mut handle), Err(failed("the row")));
        assert_eq!(handled, 60);
        assert_eq!(
            each_row(&Torn(kept()), |_, _, _| Err(failed("the row"))),
            Err(failed("the scan"))
        );
    }
}
