//! Files that are created once.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use crate::Failure;

/// The users that may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Owner,
    Everybody,
}

/// Writes a file that must not exist yet: overwriting a key loses it.
pub(crate) fn write_new(path: &Path, text: &str, access: Access) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if access == Access::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        format!("cannot write {}: {error}; nothing is overwritten", path.display()).into()
    })
}
