//! Creates files that do not exist yet.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::Failure;

/// A file that must not exist yet, since overwriting a key would lose it.
pub(crate) struct New {
    path: PathBuf,
    text: String,
    access: Access,
}

/// The users that may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Owner,
    Everybody,
}

impl New {
    /// Describes a file that, on Unix, only its owner may read.
    pub(crate) fn private(path: PathBuf, text: impl Into<String>) -> Self {
        Self { path, text: text.into(), access: Access::Owner }
    }

    /// Describes a file with the default permissions, for contents that are not secret.
    pub(crate) fn public(path: PathBuf, text: impl Into<String>) -> Self {
        Self { path, text: text.into(), access: Access::Everybody }
    }

    fn write(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if self.access == Access::Owner {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        let mut file = options.open(&self.path)?;
        file.write_all(self.text.as_bytes()).inspect_err(|_| {
            // The first error is the one to report.
            _ = fs::remove_file(&self.path);
        })
    }
}

/// A created folder or file, which is removed if a later step fails.
enum Made {
    Folder(PathBuf),
    File(PathBuf),
}

/// Creates all files and the folders that they need, or none of them.
pub(crate) fn create(files: &[New]) -> Result<(), Failure> {
    if let Some(old) = files.iter().find(|file| fs::symlink_metadata(&file.path).is_ok()) {
        let path = old.path.display();
        return Err(format!(
            "{path} exists; nothing was written; move it, or write to another folder"
        )
        .into());
    }
    let mut made = Vec::new();
    create_all(files, &mut made).inspect_err(|_| {
        for made in made.into_iter().rev() {
            _ = match made {
                Made::File(path) => fs::remove_file(path),
                Made::Folder(path) => fs::remove_dir(path),
            };
        }
    })
}

fn create_all(files: &[New], made: &mut Vec<Made>) -> Result<(), Failure> {
    for file in files {
        let failed = |error: io::Error| -> Failure {
            format!("cannot write {}: {error}; nothing was written", file.path.display()).into()
        };
        let folder = file.path.parent().unwrap_or_else(|| Path::new(""));
        make_folder(folder, made).map_err(failed)?;
        file.write().map_err(failed)?;
        made.push(Made::File(file.path.clone()));
    }
    Ok(())
}

fn make_folder(folder: &Path, made: &mut Vec<Made>) -> io::Result<()> {
    let missing = folder.ancestors().take_while(|path| !path.as_os_str().is_empty());
    let missing: Vec<_> = missing.take_while(|path| !path.exists()).collect();
    for folder in missing.into_iter().rev() {
        fs::create_dir(folder)?;
        made.push(Made::Folder(folder.to_owned()));
    }
    Ok(())
}
