//! Opens and creates the file of a store, and checks the free space on its disk.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use redb::backends::FileBackend;
use redb::{Builder, Database, TableDefinition};

use super::super::{Batch, Table};
use super::STATE;
use super::identity::Identity;
use super::overlay::Overlay;
use super::private::{ensure_folder, file_options};

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

const PROBE: &str = "state.redb.probe";
/// Bytes that a commit needs in addition to its rows, for the ancestors of the changed pages.
pub(super) const COMMIT_ROOM: u64 = 256 << 10;

/// The offsets of the two copies of the format number in the header of a file.
const FORMAT_AT: [usize; 2] = [64, 192];
/// The format number that this version writes.
const FORMAT: u8 = 3;

/// Whether another version of redb wrote the file. Both copies of the number must agree, so that a single damaged byte
/// is not mistaken for another format.
pub(super) fn has_other_format(file: &Path) -> bool {
    let mut header = [0; FORMAT_AT[1] + 1];
    let read = File::open(file).and_then(|mut file| file.read_exact(&mut header));
    let [one, other] = FORMAT_AT.map(|at| header[at]);
    read.is_ok() && header.starts_with(b"redb") && one == other && ![0, FORMAT].contains(&one)
}

/// The extent of the check when a file is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// All pages.
    Whole,
    /// The parts that a crash may have left unfinished.
    AfterCrash,
}

pub(super) fn definition(table: Table) -> Definition {
    TableDefinition::new(table.name())
}

/// Opens the database of a folder, and creates missing parts. Removes a new file that could not be
/// completed. Reports an empty file as damage.
pub(super) fn open_file(
    folder: &Path,
    cache: usize,
    check: Check,
) -> Result<(Database, Identity), redb::Error> {
    ensure_folder(folder)?;
    let file = folder.join(STATE);
    let is_new = !file.exists();
    refuse_empty(&file)?;
    let ready = create(&file, cache, check).and_then(|(database, identity)| {
        make_tables(&database)?;
        Ok((database, identity))
    });
    match ready {
        Ok(opened) => {
            if is_new {
                sync(folder)?;
            }
            Ok(opened)
        }
        Err(error) => {
            if is_new {
                // The file has no rows. The first error is the one to report.
                _ = fs::remove_file(file);
            }
            Err(error)
        }
    }
}

/// Opens the database in a file, or creates it.
fn create(file: &Path, cache: usize, check: Check) -> Result<(Database, Identity), redb::Error> {
    let file = file_options().read(true).truncate(false).open(file)?;
    let identity = Identity::of(&file)?;
    Ok((builder(cache, check).create_with_backend(FileBackend::new(file)?)?, identity))
}

/// Refuses an empty file, which redb would treat as a new database. A store leaves an empty file only if it was
/// interrupted while it created the file.
fn refuse_empty(file: &Path) -> Result<(), redb::Error> {
    match fs::metadata(file) {
        Ok(found) if found.is_file() && found.len() == 0 => {
            Err(redb::Error::Corrupted("the file is empty".to_owned()))
        }
        _ => Ok(()),
    }
}

fn make_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    let existing = transaction.list_tables()?.count();
    if existing == Table::ALL.len() {
        return Ok(transaction.abort()?);
    }
    for table in Table::ALL {
        transaction.open_table(definition(table))?;
    }
    Ok(transaction.commit()?)
}

/// Opens the database in a file without changing the file. Recovery from a crash happens in memory.
pub(super) fn open_unwritten(
    file: &Path,
    cache: usize,
) -> Result<(Database, Identity), redb::Error> {
    refuse_empty(file)?;
    let file = File::open(file)?;
    let identity = Identity::of(&file)?;
    let overlay = Overlay::over(FileBackend::new(file)?)?;
    let database = builder(cache, Check::Whole).create_with_backend(overlay)?;
    make_tables(&database)?;
    Ok((database, identity))
}

fn builder(cache: usize, check: Check) -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(cache).set_check_integrity_on_open(check == Check::Whole);
    builder
}

/// The bytes of disk space that a batch needs.
pub(super) fn room_for(batch: &Batch) -> u64 {
    let bytes =
        batch.edits().iter().map(|edit| edit.key.len() + edit.value.as_ref().map_or(0, Vec::len));
    bytes.sum::<usize>() as u64 + COMMIT_ROOM
}

/// Checks that the disk of `folder` has room for `bytes` by writing a probe file, without opening
/// the database.
pub(super) fn probe(folder: &Path, bytes: u64) -> io::Result<()> {
    let path = folder.join(PROBE);
    let written = fill(&path, bytes);
    let removed = fs::remove_file(&path);
    written.and(removed)
}

fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = file_options().truncate(true).open(path)?;
    let zeros = [0; 64 << 10];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(zeros.len() as u64);
        file.write_all(&zeros[..now as usize])?;
        left -= now;
    }
    file.sync_all()
}

/// Makes a new directory entry in `folder` durable.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
