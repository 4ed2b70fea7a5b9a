//! A working folder that is removed afterwards, unless the user keeps it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

#[derive(Debug)]
pub(crate) enum Scratch {
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Scratch {
    /// Creates a folder below the system's temporary one. It may hold private keys, so on Unix only this user can read
    /// it.
    pub(crate) fn new() -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("engram-xtask-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        Ok(Self::Temporary(builder.tempdir().context("cannot create a temporary folder")?))
    }

    /// Uses a folder of the user's choice, which is kept. It may exist, but must be empty.
    pub(crate) fn keep(path: &Path) -> Result<Self> {
        let shown = path.display();
        fs::create_dir_all(path).with_context(|| format!("{shown}: cannot be created"))?;
        let path = path.canonicalize().with_context(|| format!("{shown}: cannot be resolved"))?;
        let mut entries =
            fs::read_dir(&path).with_context(|| format!("{shown}: cannot be listed"))?;
        if entries.next().is_some() {
            anyhow::bail!("{shown}: is not empty, and nothing was overwritten; name a new folder");
        }
        Ok(Self::Kept(path))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(path) => path,
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Self::Temporary(folder) = self
            && let Err(error) = fs::remove_dir_all(folder.path())
        {
            eprintln!("warning: {} could not be removed: {error}", folder.path().display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kept_scratch_folders_remain() {
        let scratch = Scratch::new().unwrap();
        let path = scratch.path().to_owned();
        let inner = path.join("kept");
        drop(Scratch::keep(&inner).unwrap());
        assert!(inner.is_dir());
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    #[cfg(unix)]
    fn only_its_user_can_read_a_scratch_folder() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = Scratch::new().unwrap();
        let mode = fs::metadata(scratch.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn non_empty_folder_is_refused() {
        let scratch = Scratch::new().unwrap();
        fs::write(scratch.path().join("mine"), "").unwrap();
        let error = Scratch::keep(scratch.path()).unwrap_err().to_string();
        assert!(error.contains("not empty"), "{error}");
    }
}
