//! Files of another format, running backups, and files that are replaced while they are open.

use super::*;

/// A file of another format is left untouched. A file with only one differing format byte counts as
/// damaged.
#[test]
fn a_file_of_another_format_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    RedbStateStore::new(folder.path()).commit(&Batch::default()).unwrap();
    let whole = fs::read(folder.path().join(STATE)).unwrap();
    for (format, at, refused) in
        [(2, &[64, 192][..], true), (4, &[64, 192], true), (2, &[64], false)]
    {
        let mut other = whole.clone();
        at.iter().for_each(|at| other[*at] = format);
        fs::write(folder.path().join(STATE), &other).unwrap();
        let store = RedbStateStore::new(folder.path());
        let error = store.scan(&mut |_, _, _| ()).unwrap_err();
        assert_eq!(matches!(error, StorageError::Newer { .. }), refused, "{error}");
        assert_eq!(matches!(error, StorageError::Damaged { .. }), !refused, "{error}");
        assert_eq!(fs::read(folder.path().join(STATE)).unwrap(), other);
    }
}

/// If a compaction waited for a backup, every commit would wait, too.
#[test]
fn a_compaction_waits_for_no_backup() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStateStore::new(folder.path().join("state"));
    store.commit(&Batch::default()).unwrap();
    let backup = store.copying.read().unwrap();
    assert_eq!(store.compact(), Err(StorageError::Busy { place: store.place() }));
    drop(backup);
    assert_eq!(store.compact(), Ok(()));
}

fn rows(store: &RedbStateStore) -> usize {
    let mut rows = 0;
    store.scan(&mut |table, _, _| rows += usize::from(table == Table::Records)).unwrap();
    rows
}

fn put(store: &RedbStateStore, key: u8) -> Result<(), StorageError> {
    let mut batch = Batch::default();
    batch.put(Table::Records, vec![key], vec![0]);
    store.commit(&batch)
}

#[test]
#[cfg(unix)]
fn a_replaced_file_takes_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStateStore::new(folder.path());
    put(&store, 1).unwrap();
    let (place, moved) = (store.state(), folder.path().join("moved"));
    let replaced = Err(StorageError::Replaced { place: store.place() });
    assert_eq!(store.check_in_place(), Ok(()));
    fs::rename(&place, &moved).unwrap();
    assert_eq!(
        [put(&store, 2), store.compact(), store.check_in_place()],
        [(); 3].map(|()| replaced.clone())
    );
    fs::copy(&moved, &place).unwrap();
    assert_eq!(put(&store, 2), replaced);
    fs::rename(&moved, &place).unwrap();
    assert_eq!((put(&store, 2), rows(&store)), (Ok(()), 2));
}

/// A database that a failure has closed is not created again if its file was removed.
#[test]
#[cfg(unix)]
fn a_removed_file_is_not_created_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStateStore::new(folder.path());
    put(&store, 1).unwrap();
    store.open_mut().database = None;
    fs::remove_file(store.state()).unwrap();
    let replaced = StorageError::Replaced { place: store.place() };
    assert_eq!(put(&store, 2), Err(replaced.clone()));
    assert_eq!(store.backup(&folder.path().join("copy")), Err(replaced));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
#[cfg(unix)]
fn a_backup_copies_a_removed_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStateStore::new(folder.path().join("state"));
    put(&store, 1).unwrap();
    fs::remove_dir_all(folder.path().join("state")).unwrap();
    store.backup(&folder.path().join("copy")).unwrap();
    assert_eq!(rows(&RedbStateStore::new(folder.path().join("copy"))), 1);
}

/// Another store may replace the file of a closed store.
#[test]
fn a_closed_file_may_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStateStore::new(folder.path());
    put(&store, 1).unwrap();
    store.close();
    fs::rename(store.state(), folder.path().join("moved")).unwrap();
    assert_eq!((put(&store, 2), rows(&store)), (Ok(()), 1));
}
