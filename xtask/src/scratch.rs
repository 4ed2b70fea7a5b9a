//! A working folder that is removed afterwards, unless the user keeps it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    kept: bool,
}

impl Scratch {
    /// Creates a folder below the system's temporary one. It may hold private keys, so on Unix only this user can read
    /// it.
    pub(crate) fn new() -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("engram-xtask-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match create_private(&path) {
                // Left over from an earlier process with the same id.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                result => {
                    result.with_context(|| format!("{}: cannot be created", path.display()))?;
                    return Ok(Self { path, kept: false });
                }
            }
        }
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
        Ok(Self { path, kept: true })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            eprintln!("warning: {} could not be removed: {error}", self.path.display());
        }
    }
}

#[cfg(unix)]
fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> std::io::Result<()> {
    fs::create_dir(path)
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
    fn non_empty_folder_is_refused() {
        let scratch = Scratch::new().unwrap();
        fs::write(scratch.path().join("mine"), "").unwrap();
        let error = Scratch::keep(scratch.path()).unwrap_err().to_string();
        assert!(error.contains("not empty"), "{error}");
    }
}
