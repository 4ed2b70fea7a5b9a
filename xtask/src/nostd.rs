//! Builds without std.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::Verdict;
use crate::command::{cargo, passes, root};
use crate::workspace::{Member, members};

/// Link the no_std crates into programs without std
#[derive(Args)]
pub(crate) struct Nostd {}

impl Nostd {
    pub(crate) fn run(self) -> Result<Verdict> {
        for mut command in members()?.iter().filter_map(without_std) {
            if !passes(&mut command)? {
                eprintln!("\na duplicate lang item means that a dependency links std");
                return Ok(Verdict::Failed);
            }
        }
        Ok(Verdict::Passed)
    }
}

/// Returns the command that links a no_std crate without std, by building the package in its `tests/no_std`; `None` for
/// crates without that package.
pub(crate) fn without_std(member: &Member) -> Option<Command> {
    let manifest = member.folder.join("tests/no_std/Cargo.toml");
    let relative = manifest.strip_prefix(root()).unwrap_or(&manifest);
    let path = format!("--manifest-path={}", relative.display());
    manifest.is_file().then(|| cargo(["build", &path, "--target-dir=target/no_std"]))
}
