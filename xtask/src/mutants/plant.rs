//! Temporary changes to source files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::table::Edit;
use crate::command::{root, said};

/// Copies every file of the checkout that git does not ignore, including uncommitted changes.
pub(super) fn copy_checkout(to: &Path) -> Result<()> {
    let mut listed = Command::new("git");
    listed.current_dir(root());
    listed.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    for file in said(&mut listed)?.split('\0').filter(|file| !file.is_empty()) {
        let (from, to) = (root().join(file), to.join(file));
        if !from.is_file() {
            continue;
        }
        let folder = to.parent().context("a file is in no folder")?;
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        fs::copy(&from, &to).with_context(|| from.display().to_string())?;
    }
    Ok(())
}

/// Changed files. Dropping this restores them.
pub(super) struct Planted {
    before: Vec<(PathBuf, String)>,
}

/// Makes all edits in the checkout at `root`.
pub(super) fn plant(root: &Path, edits: &[Edit]) -> Result<Planted> {
    let mut planted = Planted { before: Vec::new() };
    for edit in edits {
        let found = occurrences(root, edit)?;
        ensure!(found == 1, "{}: found {found} times, not once: {:?}", edit.file, edit.from);
        let file = root.join(edit.file);
        let text = read(&file)?;
        write(&file, &text.replacen(edit.from, edit.to, 1))?;
        planted.before.push((file, text));
    }
    Ok(planted)
}

/// Counts how often the text that an edit replaces occurs in its file.
pub(super) fn occurrences(root: &Path, edit: &Edit) -> Result<usize> {
    Ok(read(&root.join(edit.file))?.matches(edit.from).count())
}

impl Drop for Planted {
    fn drop(&mut self) {
        // Restores the last edit first, because several edits may change one file.
        for (file, text) in self.before.iter().rev() {
            if let Err(error) = write(file, text) {
                eprintln!("warning: {error:#}");
            }
        }
    }
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| file.display().to_string())
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    const EDIT: Edit = Edit { file: "a.rs", from: "one", to: "two" };

    #[test]
    fn a_planted_text_is_taken_back() {
        let folder = Scratch::new().unwrap();
        let file = folder.path().join(EDIT.file);
        fs::write(&file, "one, three").unwrap();
        let twice = [EDIT, Edit { file: EDIT.file, from: "three", to: "four" }];
        let planted = plant(folder.path(), &twice).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two, four");
        drop(planted);
        assert_eq!(fs::read_to_string(&file).unwrap(), "one, three");
    }

    #[test]
    fn a_text_that_is_not_found_once_is_an_error() {
        let folder = Scratch::new().unwrap();
        for text in ["", "one and one"] {
            fs::write(folder.path().join(EDIT.file), text).unwrap();
            let error = plant(folder.path(), &[EDIT]).err().unwrap().to_string();
            assert!(error.contains("not once"), "{error}");
        }
    }
}
