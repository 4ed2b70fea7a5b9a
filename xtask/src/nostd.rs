//! The builds without std.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::Verdict;
use crate::command::{cargo, passes, root};
use crate::workspace::{Member, members};

/// Link the crates that promise to need no std into programs that have none
#[derive(Args)]
pub(crate) struct Nostd {}

impl Nostd {
    pub(crate) fn run(self) -> Result<Verdict> {
        for mut command in members()?.iter().filter_map(without_std) {
            if !passes(&mut command)? {
                eprintln!("\na duplicate lang item means that something below it links std");
                return Ok(Verdict::Failed);
            }
        }
        Ok(Verdict::Passed)
    }
}

/// A crate proves that it needs no std by a package below its tests that has none to link.
pub(crate) fn without_std(member: &Member) -> Option<Command> {
    let manifest = member.folder.join("tests/no_std/Cargo.toml");
    let relative = manifest.strip_prefix(root()).unwrap_or(&manifest);
    let path = format!("--manifest-path={}", relative.display());
    manifest.is_file().then(|| cargo(["build", &path, "--target-dir=target/no_std"]))
}
