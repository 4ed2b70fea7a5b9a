//! Checks individual rules of the contract.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::super::storage::{Batch, StateStore, StorageError, Table};
use super::{Rows, Subject, Violation, compare};

/// The number of rows in each batch of the scan check.
const TORN_ROWS: u8 = 32;
/// The number of scans that must complete while batches are committed.
const TORN_SCANS: u64 = 40;
/// The minimum number of batches to commit, since all scans may complete before the first commit.
const TORN_COMMITS: usize = 8;

/// Commits `batch`, and applies its edits to `rows`.
pub(super) fn commit(
    step: &'static str,
    store: &dyn StateStore,
    batch: &Batch,
    rows: &mut Rows,
) -> Result<(), Violation> {
    store.commit(batch).map_err(|error| Violation::Failed { step, error })?;
    for edit in batch.edits() {
        let row = (edit.table, edit.key.clone());
        match &edit.value {
            Some(value) => _ = rows.insert(row, value.clone()),
            None => _ = rows.remove(&row),
        }
    }
    Ok(())
}

/// Rows with keys and values of many sizes, and with equal keys in different tables, are kept when the store is
/// reopened.
pub(super) fn rows_are_kept(subject: &mut Subject<'_, '_>) -> Result<(), Violation> {
    let (step, mut rows) = ("rows of all sizes are committed", Rows::new());
    let store = subject.open(step, "rows")?;
    compare("a new store is opened", &*store, &rows)?;
    let keys = [vec![0], vec![0, 0], vec![255; 3], b"key".to_vec(), vec![7; 1_024]];
    let mut batch = Batch::default();
    for (nth, table) in Table::ALL.into_iter().enumerate() {
        for (len, key) in [0, 1, 100, 5_000, 1 << 20].into_iter().zip(&keys) {
            batch.put(table, key.clone(), vec![nth as u8; len]);
        }
    }
    commit(step, &*store, &batch, &mut rows)?;
    compare(step, &*store, &rows)?;
    let mut removal = Batch::default();
    removal.remove(Table::Records, keys[0].clone());
    removal.remove(Table::Contents, b"of no row".to_vec());
    commit("rows are removed", &*store, &removal, &mut rows)?;
    compare("rows are removed", &*store, &rows)?;
    commit("an empty batch is committed", &*store, &Batch::default(), &mut rows)?;
    drop(store);
    let step = "the store is reopened";
    compare(step, &*subject.open(step, "rows")?, &rows)
}

/// Edits of one row take effect in order, within one batch and across batches.
pub(super) fn edits_take_effect_in_order(subject: &mut Subject<'_, '_>) -> Result<(), Violation> {
    let (step, mut rows) = ("edits of one row are committed in order", Rows::new());
    let store = subject.open(step, "order")?;
    let (table, key) = (Table::Records, |key: u8| vec![key]);
    let mut batch = Batch::default();
    batch.put(table, key(1), b"first".to_vec());
    batch.put(table, key(1), b"second".to_vec());
    batch.put(table, key(2), b"first".to_vec());
    batch.remove(table, key(2));
    batch.remove(table, key(3));
    batch.put(table, key(3), b"last".to_vec());
    commit(step, &*store, &batch, &mut rows)?;
    compare(step, &*store, &rows)?;
    let step = "batches are committed in order";
    for value in 0..8_u8 {
        let mut batch = Batch::default();
        batch.put(table, key(4), vec![value]);
        match value % 2 {
            0 => batch.put(table, key(5), vec![value]),
            _ => batch.remove(table, key(5)),
        }
        commit(step, &*store, &batch, &mut rows)?;
        compare(step, &*store, &rows)?;
    }
    drop(store);
    compare(step, &*subject.open(step, "order")?, &rows)
}

/// Batches set many rows to one value while another thread scans: each scan sees equal values.
pub(super) fn scans_see_whole_batches(subject: &mut Subject<'_, '_>) -> Result<(), Violation> {
    let step = "batches are committed while another thread scans";
    let store = subject.open(step, "torn")?;
    let batch = |value: u8| {
        let mut batch = Batch::default();
        (0..TORN_ROWS).for_each(|key| batch.put(Table::Records, vec![key], vec![value]));
        batch
    };
    let failed = |error: StorageError| Violation::Failed { step, error };
    store.commit(&batch(0)).map_err(failed)?;
    let (done, scans) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let mut values = Vec::new();
                store.scan(&mut |_, _, value| values.push(value.to_vec())).map_err(failed)?;
                let whole = values.len() == usize::from(TORN_ROWS);
                if !whole || values.iter().any(|value| *value != values[0]) {
                    return Err(Violation::Torn);
                }
                scans.fetch_add(1, Ordering::AcqRel);
            }
            Ok(())
        });
        let enough = |commits| {
            let scanned = scans.load(Ordering::Acquire) >= TORN_SCANS;
            reader.is_finished() || scanned && commits >= TORN_COMMITS
        };
        let values = (1..=u8::MAX).cycle().enumerate();
        let mut values = values.take_while(|(commits, _)| !enough(*commits));
        let mut last = 0;
        let committed = values.try_for_each(|(_, value)| {
            last = value;
            store.commit(&batch(value))
        });
        done.store(true, Ordering::Release);
        let read = reader.join().expect("a scan that panics also breaks the contract");
        committed.map_err(failed).and(read)?;
        let rows = (0..TORN_ROWS).map(|key| ((Table::Records, vec![key]), vec![last]));
        compare(step, &*store, &rows.collect())
    })
}

fn single(key: &[u8], value: &[u8]) -> Batch {
    let mut batch = Batch::default();
    batch.put(Table::Records, key.to_vec(), value.to_vec());
    batch
}

/// Stores at different paths are independent.
pub(super) fn paths_are_separate(subject: &mut Subject<'_, '_>) -> Result<(), Violation> {
    let step = "two stores are open at two paths";
    let (mut one, mut other) = (Rows::new(), Rows::new());
    let stores = [subject.open(step, "one")?, subject.open(step, "other")?];
    commit(step, &*stores[0], &single(b"key", b"one"), &mut one)?;
    compare(step, &*stores[1], &other)?;
    commit(step, &*stores[1], &single(b"key", b"other"), &mut other)?;
    compare(step, &*stores[0], &one)?;
    drop(stores);
    compare(step, &*subject.open(step, "one")?, &one)?;
    compare(step, &*subject.open(step, "other")?, &other)
}

/// A second opening of a path is refused, and does not affect the first one.
pub(super) fn a_second_opening_is_refused(subject: &mut Subject<'_, '_>) -> Result<(), Violation> {
    let (step, mut rows) = ("one path is opened twice", Rows::new());
    let first = subject.open(step, "twice")?;
    commit(step, &*first, &single(b"a", b"1"), &mut rows)?;
    match (subject.open)(&subject.root.join("twice")) {
        // A store that opens its files lazily refuses the second opening only in its first call.
        Ok(second) => is_refused(step, &*second)?,
        Err(error) => is_in_use(step, Err(error))?,
    }
    commit(step, &*first, &single(b"b", b"2"), &mut rows)?;
    compare(step, &*first, &rows)?;
    drop(first);
    compare(step, &*subject.open(step, "twice")?, &rows)
}

/// Another store can open the path of a closed store. Once that other store is closed, the next call to the first
/// store opens the path again.
pub(super) fn a_closed_store_can_be_opened(subject: &mut Subject<'_, '_>) -> Result<(), Violation> {
    let (step, mut rows) = ("a closed store is opened again", Rows::new());
    let first = subject.open(step, "closed")?;
    commit(step, &*first, &single(b"a", b"1"), &mut rows)?;
    first.close();
    let second = subject.open(step, "closed")?;
    compare(step, &*second, &rows)?;
    commit(step, &*second, &single(b"b", b"2"), &mut rows)?;
    is_refused(step, &*first)?;
    second.close();
    let step = "a closed store is used again";
    commit(step, &*first, &single(b"c", b"3"), &mut rows)?;
    compare(step, &*first, &rows)
}

/// Checks that a store whose path is open elsewhere refuses changes.
fn is_refused(step: &'static str, store: &dyn StateStore) -> Result<(), Violation> {
    is_in_use(step, store.commit(&single(b"of the other", b"")))
}

fn is_in_use(step: &'static str, used: Result<(), StorageError>) -> Result<(), Violation> {
    match used {
        Ok(()) => Err(Violation::OpenTwice { step }),
        Err(StorageError::InUse { .. }) => Ok(()),
        Err(error) => Err(Violation::Failed { step, error }),
    }
}

/// A store that accepts changes reports that it is writable.
pub(super) fn a_writable_store_says_so(subject: &mut Subject<'_, '_>) -> Result<(), Violation> {
    let (step, mut rows) = ("a store that accepts changes is checked", Rows::new());
    let store = subject.open(step, "writable")?;
    commit(step, &*store, &single(b"a", b"1"), &mut rows)?;
    store.check_writable().map_err(|error| Violation::Failed { step, error })?;
    compare(step, &*store, &rows)?;
    commit(step, &*store, &single(b"b", b"2"), &mut rows)?;
    compare(step, &*store, &rows)
}

/// A store is empty after it was set aside, and accepts new rows.
pub(super) fn a_set_aside_store_is_empty(subject: &mut Subject<'_, '_>) -> Result<(), Violation> {
    let step = "the store is set aside";
    let store = subject.open(step, "aside")?;
    let mut rows = Rows::new();
    for value in [b"old", b"new"] {
        commit(step, &*store, &single(value, b"row"), &mut rows)?;
        compare(step, &*store, &rows)?;
        store.set_aside().map_err(|error| Violation::Failed { step, error })?;
        rows.clear();
        compare(step, &*store, &rows)?;
    }
    commit(step, &*store, &single(b"last", b"row"), &mut rows)?;
    drop(store);
    compare(step, &*subject.open(step, "aside")?, &rows)
}

/// A backup contains the rows present at the call, and overwrites nothing. A store that does not support backups
/// returns an error from every call to `backup`.
pub(super) fn a_backup_has_all_rows(subject: &mut Subject<'_, '_>) -> Result<(), Violation> {
    let (step, mut rows) = ("the store is backed up", Rows::new());
    let store = subject.open(step, "backed up")?;
    let mut batch = single(b"key", b"record");
    batch.put(Table::Meta, b"key".to_vec(), b"meta".to_vec());
    batch.put(Table::Contents, b"key".to_vec(), vec![1; 100_000]);
    commit(step, &*store, &batch, &mut rows)?;
    let to = subject.root.join("backup");
    if store.backup(&to).is_err() {
        return Ok(());
    }
    let backed_up = rows.clone();
    commit(step, &*store, &single(b"later", b"record"), &mut rows)?;
    if store.backup(&to).is_ok() {
        return Err(Violation::Overwritten);
    }
    compare(step, &*store, &rows)?;
    let step = "the backup is opened";
    compare(step, &*subject.open(step, "backup")?, &backed_up)
}

/// A compaction changes no row.
pub(super) fn compaction_keeps_all_rows(subject: &mut Subject<'_, '_>) -> Result<(), Violation> {
    let (step, mut rows) = ("the store is compacted", Rows::new());
    let store = subject.open(step, "compacted")?;
    let (mut many, mut fewer) = (Batch::default(), Batch::default());
    for key in 0..200_u8 {
        many.put(Table::Contents, vec![key], vec![key; 3_000]);
        if key % 4 > 0 {
            fewer.remove(Table::Contents, vec![key]);
        }
    }
    commit(step, &*store, &many, &mut rows)?;
    commit(step, &*store, &fewer, &mut rows)?;
    store.compact().map_err(|error| Violation::Failed { step, error })?;
    compare(step, &*store, &rows)?;
    commit(step, &*store, &single(b"later", b"record"), &mut rows)?;
    drop(store);
    compare(step, &*subject.open(step, "compacted")?, &rows)
}
