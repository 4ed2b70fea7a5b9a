//! Checks the folder of a store.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::StartError;
use crate::durable::recovery::OpenError;
use crate::durable::storage::StorageError;

/// The name of a store's file.
const STATE: &str = "state.redb";
/// An upper bound on the size of an empty store.
const EMPTY_STORE: usize = 64 << 10;

/// Checks that a node can start with its store in `folder`. If the store exists, a node also starts on a disk that
/// refuses writes; it then serves its state and refuses changes.
pub(super) fn check_folder(folder: &Path) -> Result<(), StartError> {
    let file = folder.join(STATE);
    let (probed, has_store) = match file.exists() {
        true => (probe(folder, 0), true),
        false => (probe(folder, EMPTY_STORE), false),
    };
    let failed =
        |error| OpenError::Storage(StorageError::of_io(&error, file.display().to_string()));
    if has_store {
        File::open(&file).map_err(failed)?;
    }
    match probed.map_err(failed) {
        Err(OpenError::Storage(refused)) if has_store && refused.refuses_writes() => Ok(()),
        probed => Ok(probed?),
    }
}

/// Checks that a file of `bytes` can be created in `folder` or, if it does not exist, in its nearest ancestor that
/// exists.
fn probe(folder: &Path, bytes: usize) -> io::Result<()> {
    let there = folder.ancestors().find(|path| path.exists());
    let there = there.unwrap_or_else(|| Path::new("."));
    let path = there.join(format!(".engram-check-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    let written = file.write_all(&vec![0; bytes]).and_then(|()| file.sync_all());
    let removed = fs::remove_file(path);
    written.and(removed)
}
