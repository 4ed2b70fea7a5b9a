//! Checks that breaking changes come with a new version.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::Verdict;
use crate::command::{cargo, passes, root, said};
use crate::tool::Tool;

/// Compare the public interfaces with those of an earlier commit
///
/// Needs cargo-semver-checks. A change that breaks callers needs a new minor version while the major version is 0.
#[derive(Args)]
pub(crate) struct Semver {
    /// The commit, tag or branch to compare with [default: the newest tag]
    #[arg(long, value_name = "REVISION")]
    since: Option<String>,
}

impl Semver {
    pub(crate) fn run(self) -> Result<Verdict> {
        if !Tool::SEMVER.is_here_or_say() {
            return Ok(Verdict::Passed);
        }
        let Some(since) = self.since.or_else(newest_tag) else {
            eprintln!("skipped: there is no tag to compare with; name a commit with --since");
            return Ok(Verdict::Passed);
        };
        let baseline = format!("--baseline-rev={since}");
        let mut command = cargo(["semver-checks", "--workspace", "--exclude=xtask", &baseline]);
        Ok(if passes(&mut command)? { Verdict::Passed } else { Verdict::Failed })
    }
}

/// The newest tag, which is the default baseline: a comparison with the current commit would never find anything.
fn newest_tag() -> Option<String> {
    let mut command = Command::new("git");
    command.current_dir(root()).args(["describe", "--tags", "--abbrev=0"]);
    said(&mut command).ok().map(|tag| tag.trim().to_owned())
}
