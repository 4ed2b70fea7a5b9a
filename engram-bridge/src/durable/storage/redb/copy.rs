//! Copies a database to a new folder.

use std::path::Path;

use redb::{Database, ReadableDatabase as _, ReadableTable as _};

use super::super::Table;
use super::file::{Check, definition, open_file};

/// Copies a consistent view of all rows to a new file in the folder `to`. The outer result reports
/// errors of the database, the inner one errors of the copy.
pub(super) fn copy(
    database: &Database,
    to: &Path,
    cache: usize,
) -> Result<Result<(), redb::Error>, redb::Error> {
    let transaction = database.begin_read()?;
    let begun = open_file(to, cache, Check::AfterCrash)
        .and_then(|(target, _)| Ok((target.begin_write()?, target)));
    let (copied, _target) = match begun {
        Ok(begun) => begun,
        Err(error) => return Ok(Err(error)),
    };
    for table in Table::ALL {
        let mut rows = match copied.open_table(definition(table)) {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(error.into())),
        };
        for entry in transaction.open_table(definition(table))?.iter()? {
            let (key, value) = entry?;
            if let Err(error) = rows.insert(key.value(), value.value()) {
                return Ok(Err(error.into()));
            }
        }
    }
    Ok(copied.commit().map_err(redb::Error::from))
}
