//! Checks the documents: their links, the items and files that they name, and their commands.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Violation;
use crate::command::root;

/// Names from Engram's own code that documents mention.
const ENGRAM: [&str; 2] = ["ConsolidationEngine", "ripple_replay"];

pub(crate) struct Document {
    /// Relative to the root.
    pub(super) place: PathBuf,
    pub(super) text: String,
}

/// A command as a document shows it.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Shown {
    /// The document and the line.
    pub(crate) place: String,
    /// The folder in which to type the command.
    pub(crate) folder: PathBuf,
    pub(crate) words: Vec<String>,
    /// Whether the command is in a console block, to be typed as it stands. Otherwise a sentence mentions it.
    pub(crate) is_shown_whole: bool,
}

/// Reads every Markdown file of the repository, except those in hidden folders and in `target`.
pub(crate) fn read_all() -> Result<Vec<Document>> {
    let mut paths = Vec::new();
    list(root(), &mut paths)?;
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path)
            .with_context(|| format!("{}: cannot be read", path.display()))?;
        Ok(Document { place: path.strip_prefix(root()).unwrap_or(&path).to_owned(), text })
    };
    paths.into_iter().map(read).collect()
}

fn list(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder);
    for entry in entries.with_context(|| format!("{}: cannot be listed", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            list(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
    Ok(())
}

/// Finds broken links into the repository.
pub(super) fn check_links(documents: &[Document]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for document in documents {
        for (number, line) in document.prose() {
            for target in targets(line) {
                if let Some(says) = document.broken(target, documents) {
                    let place = format!("{}:{number}", document.place.display());
                    violations.push(Violation { place, says });
                }
            }
        }
    }
    violations
}

/// Finds commands that are neither cargo's nor `engram-node`'s, and those that `cargo xtask` refuses as they are
/// written.
pub(super) fn check_commands(documents: &[Document]) -> Vec<Violation> {
    let shown = documents.iter().flat_map(Document::commands);
    shown
        .filter_map(|shown| {
            let says = refused(&shown.words)?;
            Some(Violation { place: shown.place, says })
        })
        .collect()
}

/// Finds names in backticks that do not exist: a `Type::item` with a part that occurs in no source file, or a missing
/// `.rs` file.
pub(super) fn check_code(
    documents: &[Document],
    names: &BTreeSet<String>,
    files: &[String],
) -> Vec<Violation> {
    let mut violations = Vec::new();
    for document in documents {
        for (number, line) in document.prose() {
            for span in spans(line) {
                let says = unknown_item(span, names).or_else(|| unknown_file(span, files));
                if let Some(says) = says {
                    let place = format!("{}:{number}", document.place.display());
                    violations.push(Violation { place, says });
                }
            }
        }
    }
    violations
}

/// Returns an error message if a name in the path `Type::item` occurs in no source file.
fn unknown_item(span: &str, names: &BTreeSet<String>) -> Option<String> {
    let path = span.split(['(', '<', ' ', '!']).next().unwrap_or_default();
    let is_name = |part: &str| part.starts_with(|c: char| c.is_alphabetic());
    let mut parts = path.split("::").filter(|part| path.contains("::") && is_name(part));
    let part = parts.find(|part| !names.contains(*part) && !ENGRAM.contains(part))?;
    Some(format!("`{span}`: `{part}` does not occur in any source file"))
}

/// Returns an error message if `span` names a `.rs` file that does not exist. A file may be named by
/// the end of its path.
fn unknown_file(span: &str, files: &[String]) -> Option<String> {
    let is_file = span.ends_with(".rs") && !span.contains(['*', ' ', '<']);
    let is_file = is_file && !span.starts_with("engram-core/");
    let ending = format!("/{}", span.trim_start_matches("../").trim_start_matches("./"));
    let is_there = files.iter().any(|file| format!("/{file}").ends_with(&ending));
    (is_file && !is_there).then(|| format!("`{span}`: there is no such file"))
}

fn refused(words: &[String]) -> Option<String> {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["cargo", "xtask", arguments @ ..] => crate::refuses(arguments),
        ["cargo", _, ..] | ["engram-node", _, ..] => None,
        other => Some(format!(
            "`{}` is not a command of this repository; show one that a reader can type",
            other.join(" ")
        )),
    }
}

impl Document {
    /// The lines outside code blocks, with their numbers.
    fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter(|(_, _, block)| block.is_none()).map(|(number, line, _)| (number, line))
    }

    /// Every line except the fences of code blocks, with its number and the language of its code block, if any.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str, Option<&str>)> {
        let mut block = None;
        (1..).zip(self.text.lines()).filter_map(move |(number, line)| {
            match (line.trim_start().strip_prefix("```"), block) {
                (Some(language), None) => block = Some(language),
                (Some(_), Some(_)) => block = None,
                (None, _) => return Some((number, line, block)),
            }
            None
        })
    }

    /// Every command that is shown in a console block, and every `cargo` command that is mentioned as code.
    pub(crate) fn commands(&self) -> Vec<Shown> {
        let mut commands = Vec::new();
        for (number, line, block) in self.lines() {
            let mut add = |command: &str, is_shown_whole| {
                commands.push(Shown {
                    place: format!("{}:{number}", self.place.display()),
                    folder: root().join(&self.place).parent().unwrap_or_else(|| root()).to_owned(),
                    words: words(command),
                    is_shown_whole,
                });
            };
            match block {
                Some("console") => line.strip_prefix("$ ").into_iter().for_each(|c| add(c, true)),
                Some(_) => {}
                None => spans(line).filter(|s| s.starts_with("cargo ")).for_each(|c| add(c, false)),
            }
        }
        commands
    }

    fn broken(&self, target: &str, documents: &[Self]) -> Option<String> {
        // The target is a URL, or a Rust path, which rustdoc checks.
        if target.contains("://") || target.contains("::") {
            return None;
        }
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        let here = root().join(&self.place);
        let there = if path.is_empty() { here } else { here.parent()?.join(path) };
        let Ok(there) = there.canonicalize() else {
            return Some(format!("{target} does not exist"));
        };
        let of = |document: &&Self| root().join(&document.place) == there;
        let headings = documents.iter().find(of).map(Self::anchors).unwrap_or_default();
        (!anchor.is_empty() && !headings.contains(anchor))
            .then(|| format!("{target}: there is no such heading"))
    }

    /// The anchors of the headings.
    pub(super) fn anchors(&self) -> BTreeSet<String> {
        let headings = self.prose().filter_map(|(_, line)| {
            line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))
        });
        let name = |heading: &str| {
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
        };
        headings.map(name).collect()
    }
}

/// The targets of the links in a line.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// The code in a line of prose.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Returns the words of a command, without its comment. Commands in documents contain no quotes.
fn words(command: &str) -> Vec<String> {
    let command = command.split(" #").next().unwrap_or_default();
    command.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document { place: "README.md".into(), text: text.to_owned() }
    }

    fn says(violations: &[Violation]) -> Vec<&str> {
        violations.iter().map(|violation| violation.says.as_str()).collect()
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let documents = [document(
            "# A b\n[x](merkle) [y](#a-b) [z](crate::Tree)\n[gone](gone.md)\n[no](#c)\n",
        )];
        let found = check_links(&documents);
        assert_eq!(says(&found), ["gone.md does not exist", "#c: there is no such heading"]);
        assert_eq!(found[0].place, "README.md:3");
    }

    #[test]
    fn a_name_that_nothing_has_is_found() {
        let names = ["Space", "apply"].map(str::to_owned).into();
        let files = ["a/src/space.rs".to_owned()];
        let documents = [document(
            "`Space::apply(x)` and `Space::leave`\n`src/space.rs`, `gone.rs` and `a: b`\n",
        )];
        let found = check_code(&documents, &names, &files);
        let expected = [
            "`Space::leave`: `leave` does not occur in any source file",
            "`gone.rs`: there is no such file",
        ];
        assert_eq!(says(&found), expected);
    }

    #[test]
    fn a_command_that_would_be_refused_is_found() {
        let documents = [document(
            "`cargo xtask demo`\n```console\n$ cargo xtask dance  # on a table\n$ cargo bench\noutput\n$ rm x\n```\n",
        )];
        let found = check_commands(&documents);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(
            (found[0].place.as_str(), found[1].place.as_str()),
            ("README.md:3", "README.md:6")
        );
        assert!(found[0].says.contains("dance"), "{}", found[0].says);
    }
}
