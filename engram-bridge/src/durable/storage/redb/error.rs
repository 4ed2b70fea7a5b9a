//! Maps errors of the database to those of a state store.

use super::super::StorageError;

pub(super) fn storage_error(error: redb::Error, place: String) -> StorageError {
    let reason = error.to_string();
    match error {
        redb::Error::DatabaseAlreadyOpen => StorageError::InUse { place },
        redb::Error::TransactionInProgress => StorageError::Busy { place },
        redb::Error::Io(error) => StorageError::of_io(&error, place),
        redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::RepairAborted
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. } => StorageError::Damaged { place, reason },
        _ => StorageError::Failed { place, reason },
    }
}
