//! The identity of a file: unchanged if the file is renamed, different if it is replaced.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;

/// The device and the inode of a file. On systems without inodes, all files count as the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// The identity of an open file.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        Ok(Self::read(&file.metadata()?))
    }

    /// Whether the file at `path` is this one; false if there is no file. A path that cannot be examined for another
    /// reason counts as a match, since an open file remains usable without its path.
    pub(super) fn is_at(self, path: &Path) -> bool {
        match fs::metadata(path) {
            Ok(found) => Self::read(&found) == self,
            Err(error) => {
                !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            }
        }
    }

    #[cfg(unix)]
    fn read(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    #[cfg(not(unix))]
    fn read(_: &Metadata) -> Self {
        Self { device: 0, inode: 0 }
    }
}
