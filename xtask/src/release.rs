//! Publishing, dry unless told otherwise.

mod archive;

use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

use crate::Verdict;
use crate::command::{cargo, passes, root, said, spelled};
use crate::workspace::{Member, libraries, members};

/// Check that every crate could be published now; publish only if told so
///
/// The working tree is clean, the house rules hold, each package carries its licences and its pages, builds from its
/// package alone, and is no larger than 200 KiB, the program no larger than 256 KiB.
#[derive(Args)]
pub(crate) struct Release {
    /// Really publish, from the bottom up
    #[arg(long, conflicts_with = "allow_dirty")]
    execute: bool,
    /// Check in spite of changes that are not committed
    #[arg(long)]
    allow_dirty: bool,
    /// Also test each package where it is alone, as those will have it who download it; takes minutes
    #[arg(long, conflicts_with = "execute")]
    archives: bool,
}

/// What every package must hold.
const PAPERS: [&str; 5] =
    ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE", "Cargo.toml"];

impl Release {
    pub(crate) fn run(self) -> Result<Verdict> {
        if !self.allow_dirty {
            refuse_changes()?;
        }
        let members = members()?;
        let libraries = libraries(&members, &[])?;
        for member in &libraries {
            refuse_incomplete(member)?;
        }
        let mut publish = cargo(["publish", "--workspace"]);
        if !self.execute {
            publish.arg("--dry-run");
        }
        if self.allow_dirty {
            publish.arg("--allow-dirty");
        }
        for mut command in [cargo(["xtask", "tidy"]), publish] {
            if !passes(&mut command)? {
                eprintln!(
                    "\nthis command failed; run it by itself to look closer:\n$ {}",
                    spelled(&command)
                );
                return Ok(Verdict::Failed);
            }
        }
        if archive::weigh_each(&libraries)? == Verdict::Failed {
            return Ok(Verdict::Failed);
        }
        if self.archives { archive::test_each(&libraries) } else { Ok(Verdict::Passed) }
    }
}

/// What is published must be what is committed.
fn refuse_changes() -> Result<()> {
    let mut command = Command::new("git");
    let changes = said(command.current_dir(root()).args(["status", "--porcelain"]))?;
    if !changes.is_empty() {
        bail!(
            "there are changes that are not committed; commit them, or look with --allow-dirty:\n{changes}"
        );
    }
    Ok(())
}

fn refuse_incomplete(member: &Member) -> Result<()> {
    let package = format!("--package={}", member.name);
    let files = said(&mut cargo(["package", "--list", "--allow-dirty", &package]))?;
    let missing: Vec<_> =
        PAPERS.into_iter().filter(|paper| !files.lines().any(|file| file == *paper)).collect();
    if !missing.is_empty() {
        bail!("the package of {} lacks {}", member.name, missing.join(", "));
    }
    eprintln!("{}: {} files", member.name, files.lines().count());
    Ok(())
}
