//! Runs the commands that the documents tell a reader to type.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::Violation;
use super::documents::{Document, Shown};
use crate::command::{cargo, passes, root};
use crate::product;
use crate::scratch::Scratch;

/// Tasks that are not run here: CI itself, some of its steps, and measurements. Most of them take many minutes.
const RUN_ELSEWHERE: [&str; 8] =
    ["bench", "ci", "deny", "fuzz", "release", "report", "semver", "test"];

/// Runs the commands in the console blocks of each document in their order. The product's programs run in one folder
/// per document, which is empty at first, so that a command may use files that an earlier one made.
pub(super) fn run(documents: &[Document]) -> Result<Vec<Violation>> {
    let programs = product::node()?;
    let mut violations = Vec::new();
    for document in documents {
        let scratch = Scratch::new()?;
        for shown in document.commands().iter().filter(|shown| shown.is_shown_whole) {
            let Some(mut command) = command(shown, programs.parent(), scratch.path()) else {
                continue;
            };
            command.stdin(Stdio::null()).stdout(Stdio::from(std::io::stderr()));
            let passed = passes(&mut command).with_context(|| shown.place.clone())?;
            if !passed {
                let says = format!("`{}` fails", shown.words.join(" "));
                violations.push(Violation { place: shown.place.clone(), says });
            }
        }
    }
    Ok(violations)
}

/// The command that a reader would type, with a suitable folder for `DIR`; `None` for a command that is not run here.
fn command(shown: &Shown, programs: Option<&Path>, scratch: &Path) -> Option<Command> {
    let words: Vec<_> = shown.words.iter().map(String::as_str).collect();
    let (mut command, rest) = match words.as_slice() {
        ["cargo", "add" | "install", ..] => return None,
        ["cargo", "xtask", task, ..] if RUN_ELSEWHERE.contains(task) => return None,
        ["cargo", rest @ ..] => (cargo([]), rest),
        [program, rest @ ..] => (Command::new(programs?.join(program)), rest),
        [] => return None,
    };
    let folder = if words[0] == "cargo" { &shown.folder } else { scratch };
    command.current_dir(folder);
    let mut before = "";
    for word in rest {
        match (before, *word) {
            ("--data", "DIR") => command.arg(root().join("engram-bridge/fixture/small")),
            (_, "DIR") => command.arg(scratch.join("new")),
            (_, word) => command.arg(word),
        };
        before = word;
    }
    // A node that reads commands from its input ends when the input is closed.
    if rest.first() == Some(&"run") && words[0] == "engram-node" {
        command.arg("--control");
    }
    // One round of a benchmark shows that it works.
    if rest.first() == Some(&"bench") {
        command.args(if rest.contains(&"--") { &["--test"][..] } else { &["--", "--test"] });
    }
    Some(command)
}
