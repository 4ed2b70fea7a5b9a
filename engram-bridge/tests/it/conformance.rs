//! The contract of a state store: the stores of this crate satisfy it, and the suite detects each
//! kind of breach.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use engram_bridge::durable::conformance::{Violation, check};
use engram_bridge::durable::{
    Batch, MemoryStateStore, OnRow, StateStore, StorageError, StoreUsage, Table,
};

#[test]
fn the_memory_store_keeps_the_contract() {
    assert_eq!(check(Path::new("memory"), &mut |place| Ok(Arc::new(Memory::at(place)))), Ok(()));
}

#[cfg(feature = "redb")]
#[test]
fn the_file_store_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let open = &mut |place: &Path| -> Result<Arc<dyn StateStore>, StorageError> {
        Ok(Arc::new(engram_bridge::durable::RedbStateStore::new(place)))
    };
    assert_eq!(check(folder.path(), open), Ok(()));
}

/// The memory stores of a test, by their paths.
type Places = Mutex<BTreeMap<PathBuf, MemoryStateStore>>;

thread_local! {
    static PLACES: Places = Places::default();
}

/// A memory store that a test can open again, and whose calls may break the contract.
struct Memory {
    rows: MemoryStateStore,
    fault: Fault,
    state: Mutex<State>,
    scans: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Every fifth batch is ignored.
    LosesAWrite,
    /// Each batch is kept only with the next one, so a restart loses the last batch.
    LosesAWriteAtTheEnd,
    /// The edits of a batch take effect from the last to the first.
    ReordersABatch,
    /// Every other batch takes effect once more after the one that follows it.
    ReordersBatches,
    /// A scan returns the rows from before the last batch.
    ReturnsStaleRows,
    /// The stores at all paths share their rows.
    SharesAFolder,
    /// The edits of a batch take effect one by one.
    TearsBatches,
    /// A scan returns each row twice.
    RepeatsRows,
    /// A scan returns all rows in reverse order, so the last table comes first.
    ReversesTables,
    /// Rows that were set aside are still present.
    KeepsWhatIsSetAside,
    /// A removal is ignored.
    KeepsRemovedRows,
    Miscounts,
    /// A compaction drops the rows whose keys begin with a zero byte.
    CompactsRowsAway,
    /// Each opening succeeds, even while the store is already open.
    OpensTwice,
    /// A closed store keeps its path in use.
    StaysOpen,
    /// A closed store refuses every further commit.
    StaysClosed,
    /// A store that accepts changes claims that it does not.
    SeemsReadOnly,
}

#[derive(Default)]
struct State {
    commits: u64,
    held_back: Option<Batch>,
    /// The rows that a scan returns; `None` for the current rows.
    shown: Option<MemoryStateStore>,
    closed: bool,
}

impl Memory {
    fn at(place: &Path) -> Self {
        Self::with(Fault::None, place)
    }

    fn with(fault: Fault, place: &Path) -> Self {
        let place = match fault {
            Fault::SharesAFolder => PathBuf::new(),
            _ => place.to_owned(),
        };
        let rows = PLACES.with(|places| places.lock().unwrap().entry(place).or_default().clone());
        let mut state = State::default();
        if fault == Fault::ReturnsStaleRows {
            state.shown = Some(rows.copy());
        }
        Self { rows, fault, state: Mutex::new(state), scans: AtomicU64::new(0) }
    }

    fn edits(batch: &Batch, keep: impl Fn(&Option<Vec<u8>>) -> bool) -> Vec<Batch> {
        let edits = batch.edits().iter().filter(|edit| keep(&edit.value));
        let each = edits.map(|edit| {
            let mut batch = Batch::default();
            match &edit.value {
                Some(value) => batch.put(edit.table, edit.key.clone(), value.clone()),
                None => batch.remove(edit.table, edit.key.clone()),
            }
            batch
        });
        each.collect()
    }

    /// Waits until another thread has completed a scan that began after this call, but not forever.
    fn let_a_scan_pass(&self) {
        let before = self.scans.load(Ordering::Acquire);
        let mut attempts = 0..100_000;
        while self.scans.load(Ordering::Acquire) < before + 2 && attempts.next().is_some() {
            std::thread::yield_now();
        }
    }

    /// Replaces the rows with those of another store.
    fn replace(&self, by: &MemoryStateStore) -> Result<(), StorageError> {
        self.rows.spoil(|_, _, _| false);
        let mut batch = Batch::default();
        by.scan(&mut |table, key, value| batch.put(table, key.to_vec(), value.to_vec()))?;
        self.rows.commit(&batch)
    }
}

impl StateStore for Memory {
    fn scan(&self, row: &mut OnRow<'_>) -> Result<(), StorageError> {
        if self.fault == Fault::RepeatsRows {
            self.rows.scan(row)?;
        }
        if self.fault == Fault::ReversesTables {
            let mut rows = Vec::new();
            self.rows.scan(&mut |table, key, value| {
                rows.push((table, key.to_vec(), value.to_vec()));
            })?;
            rows.iter().rev().for_each(|(table, key, value)| row(*table, key, value));
            return Ok(());
        }
        if self.fault == Fault::TearsBatches {
            // This scan does not lock the state, so it can see a part of a running commit.
            let scanned = self.rows.scan(row);
            self.scans.fetch_add(1, Ordering::AcqRel);
            return scanned;
        }
        let state = self.state.lock().unwrap();
        state.shown.as_ref().unwrap_or(&self.rows).scan(row)
    }

    fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
        let mut state = self.state.lock().unwrap();
        state.commits += 1;
        match self.fault {
            Fault::StaysClosed if state.closed => Err(StorageError::Stopped),
            Fault::OpensTwice => {
                let committed = self.rows.commit(batch);
                self.rows.close();
                committed
            }
            Fault::LosesAWrite if state.commits.is_multiple_of(5) => Ok(()),
            Fault::LosesAWriteAtTheEnd => {
                let shown = state.shown.take().unwrap_or_else(|| self.rows.copy());
                shown.commit(batch)?;
                state.shown = Some(shown);
                match state.held_back.replace(batch.clone()) {
                    Some(held_back) => self.rows.commit(&held_back),
                    None => Ok(()),
                }
            }
            Fault::ReordersABatch => {
                Self::edits(batch, |_| true).iter().rev().try_for_each(|one| self.rows.commit(one))
            }
            Fault::ReordersBatches => match state.held_back.take() {
                None => {
                    state.held_back = Some(batch.clone());
                    self.rows.commit(batch)
                }
                Some(held_back) => {
                    self.rows.commit(batch)?;
                    self.rows.commit(&held_back)
                }
            },
            Fault::ReturnsStaleRows => {
                state.shown = Some(self.rows.copy());
                self.rows.commit(batch)
            }
            Fault::TearsBatches => {
                let edits = Self::edits(batch, |_| true);
                let (first, others) = edits.split_at(edits.len() / 2);
                first.iter().try_for_each(|one| self.rows.commit(one))?;
                if edits.len() > 16 {
                    self.let_a_scan_pass();
                }
                others.iter().try_for_each(|one| self.rows.commit(one))
            }
            Fault::KeepsRemovedRows => {
                Self::edits(batch, Option::is_some).iter().try_for_each(|one| self.rows.commit(one))
            }
            _ => self.rows.commit(batch),
        }
    }

    fn usage(&self) -> StoreUsage {
        match self.fault {
            Fault::Miscounts => StoreUsage::new(None, Some(3)),
            Fault::None => self.rows.usage(),
            _ => StoreUsage::default(),
        }
    }

    fn compact(&self) -> Result<(), StorageError> {
        if self.fault == Fault::CompactsRowsAway {
            self.rows.spoil(|_, key, _| key[0] > 0);
        }
        Ok(())
    }

    fn check_writable(&self) -> Result<(), StorageError> {
        match self.fault {
            Fault::SeemsReadOnly => {
                let (place, reason) = ("memory".to_owned(), "read-only".to_owned());
                Err(StorageError::ReadOnly { place, reason })
            }
            _ => Ok(()),
        }
    }

    fn set_aside(&self) -> Result<String, StorageError> {
        match self.fault {
            Fault::KeepsWhatIsSetAside => Ok("nowhere".to_owned()),
            _ => self.rows.set_aside(),
        }
    }

    fn backup(&self, to: &Path) -> Result<(), StorageError> {
        self.rows.backup(to)
    }

    fn close(&self) {
        self.state.lock().unwrap().closed = true;
        if self.fault != Fault::StaysOpen {
            self.rows.close();
        }
    }
}

/// Returns the kind of breach that the suite detects in stores with this fault.
fn found(fault: Fault) -> &'static str {
    PLACES.with(|places| places.lock().unwrap().clear());
    let checked = check(Path::new("memory"), &mut |place| Ok(Arc::new(Memory::with(fault, place))));
    match checked.expect_err(&format!("a store with the fault {fault:?} passes")) {
        Violation::Lost { .. } => "lost",
        Violation::Stale { .. } => "stale",
        Violation::Unknown { .. } => "unknown",
        Violation::Repeated { .. } => "repeated",
        Violation::Unordered { .. } => "unordered",
        Violation::Torn => "torn",
        Violation::Miscounted { .. } => "miscounted",
        Violation::OpenTwice { .. } => "open twice",
        Violation::Failed { .. } => "failed",
        other => panic!("{other}"),
    }
}

#[test]
fn every_kind_of_breach_is_found() {
    for (fault, expected) in [
        (Fault::LosesAWrite, ["lost", "stale"]),
        (Fault::LosesAWriteAtTheEnd, ["lost", "stale"]),
        (Fault::ReordersABatch, ["stale", "stale"]),
        (Fault::ReordersBatches, ["lost", "unknown"]),
        (Fault::ReturnsStaleRows, ["lost", "stale"]),
        (Fault::SharesAFolder, ["unknown", "unknown"]),
        (Fault::TearsBatches, ["torn", "torn"]),
        (Fault::RepeatsRows, ["repeated", "repeated"]),
        (Fault::ReversesTables, ["unordered", "unordered"]),
        (Fault::KeepsWhatIsSetAside, ["unknown", "unknown"]),
        (Fault::KeepsRemovedRows, ["unknown", "unknown"]),
        (Fault::Miscounts, ["miscounted", "miscounted"]),
        (Fault::CompactsRowsAway, ["lost", "lost"]),
        (Fault::OpensTwice, ["open twice", "open twice"]),
        (Fault::StaysOpen, ["failed", "failed"]),
        (Fault::StaysClosed, ["failed", "failed"]),
        (Fault::SeemsReadOnly, ["failed", "failed"]),
    ] {
        let found = found(fault);
        assert!(BTreeSet::from(expected).contains(found), "{expected:?}, but {found}");
    }
}

/// Tests a backup that overwrites an existing store, and one that lacks the rows of a table.
#[test]
fn a_bad_backup_is_found() {
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Backup {
        Overwrites,
        LacksARow,
    }
    struct Copying(Memory, Backup);
    impl StateStore for Copying {
        fn scan(&self, row: &mut OnRow<'_>) -> Result<(), StorageError> {
            self.0.scan(row)
        }
        fn commit(&self, batch: &Batch) -> Result<(), StorageError> {
            self.0.commit(batch)
        }
        fn set_aside(&self) -> Result<String, StorageError> {
            self.0.set_aside()
        }
        fn close(&self) {
            self.0.close();
        }
        fn backup(&self, to: &Path) -> Result<(), StorageError> {
            let copy = Memory::at(to);
            if self.1 == Backup::LacksARow && copy.usage().records > Some(0) {
                let (place, reason) = (to.display().to_string(), "it exists".to_owned());
                return Err(StorageError::Failed { place, reason });
            }
            copy.replace(&self.0.rows)?;
            copy.rows.spoil(|table, _, _| self.1 == Backup::Overwrites || table != Table::Meta);
            Ok(())
        }
    }
    for (kind, expected) in [(Backup::Overwrites, "overwritten"), (Backup::LacksARow, "lost")] {
        PLACES.with(|places| places.lock().unwrap().clear());
        let open = &mut |place: &Path| -> Result<Arc<dyn StateStore>, StorageError> {
            Ok(Arc::new(Copying(Memory::at(place), kind)))
        };
        let found = match check(Path::new("memory"), open) {
            Err(Violation::Overwritten) => "overwritten",
            Err(Violation::Lost { table: Table::Meta, .. }) => "lost",
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected);
    }
}

/// A key may be long, so a violation shows only its start.
#[test]
fn a_violation_shows_the_start_of_a_key() {
    let of = |key: Vec<u8>| Violation::Lost { step: "a step", table: Table::Meta, key }.to_string();
    let shown = of(vec![7; 4_000]);
    assert!(shown.contains("07, 07] and 3984 more bytes"), "{shown}");
    assert!(shown.len() < 200, "{shown}");
    assert!(!of(vec![7; 16]).contains("more"));
}
