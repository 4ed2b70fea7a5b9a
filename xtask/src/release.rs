//! Publishing; a dry run by default.

mod archive;

use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

use crate::Verdict;
use crate::command::{cargo, passes, root, said, spelled};
use crate::workspace::{Member, libraries, members};

/// Check that every crate can be published; publish only with --execute
///
/// Checks that the working tree is clean, that the house rules hold, and that each package contains its licences and
/// documents, builds alone, and is no larger than 200 KiB (220 KiB for engram-gossip-proto with its simulator, 360 KiB for
/// engram-bridge with the node).
#[derive(Args)]
pub(crate) struct Release {
    /// Publish, dependencies first
    #[arg(long, conflicts_with = "allow_dirty")]
    execute: bool,
    /// Check despite uncommitted changes
    #[arg(long)]
    allow_dirty: bool,
    /// Also test each package alone, as downloaded by a user; takes minutes
    #[arg(long, conflicts_with = "execute")]
    archives: bool,
}

/// The files that every package must contain.
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
        let mut dry_run = self.publish()?;
        dry_run.arg("--dry-run");
        let checks = [cargo(["xtask", "tidy"]), dry_run];
        if !each_passes(checks)? || archive::weigh_each(&libraries)? == Verdict::Failed {
            return Ok(Verdict::Failed);
        }
        if self.archives && archive::test_each(&libraries)? == Verdict::Failed {
            return Ok(Verdict::Failed);
        }
        let published = !self.execute || each_passes([self.publish()?])?;
        Ok(if published { Verdict::Passed } else { Verdict::Failed })
    }

    fn publish(&self) -> Result<Command> {
        let mut publish = cargo(["publish", "--workspace", "--target-dir"]);
        publish.arg(archive::empty_target()?);
        if self.allow_dirty {
            publish.arg("--allow-dirty");
        }
        Ok(publish)
    }
}

/// Runs commands until one fails.
fn each_passes<const N: usize>(commands: [Command; N]) -> Result<bool> {
    for mut command in commands {
        if !passes(&mut command)? {
            eprintln!("\nthis command failed; run it alone for details:\n$ {}", spelled(&command));
            return Ok(false);
        }
    }
    Ok(true)
}

/// Refuses uncommitted changes: packages must match a commit.
fn refuse_changes() -> Result<()> {
    let mut command = Command::new("git");
    let changes = said(command.current_dir(root()).args(["status", "--porcelain"]))?;
    if !changes.is_empty() {
        bail!(
            "there are uncommitted changes; commit them, or check with --allow-dirty:\n{changes}"
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
