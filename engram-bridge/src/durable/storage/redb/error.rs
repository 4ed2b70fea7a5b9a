//! Maps errors of the database and of the operating system to those of a state store.

use std::io;

use super::super::StorageError;

pub(super) fn storage_error(error: redb::Error, place: String) -> StorageError {
    let reason = error.to_string();
    match error {
        redb::Error::DatabaseAlreadyOpen => StorageError::InUse { place },
        redb::Error::TransactionInProgress => StorageError::Busy { place },
        redb::Error::Io(error) => io_error(&error, place),
        redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::RepairAborted
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. } => StorageError::Damaged { place, reason },
        _ => StorageError::Failed { place, reason },
    }
}

pub(super) fn io_error(error: &io::Error, place: String) -> StorageError {
    let reason = error.to_string();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StorageError::Full { place, reason }
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            StorageError::ReadOnly { place, reason }
        }
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            StorageError::Damaged { place, reason }
        }
        _ => StorageError::Failed { place, reason },
    }
}
