//! Whether the version tells what changed for those who use a crate.

use anyhow::Result;
use clap::Args;

use crate::Verdict;
use crate::command::{cargo, passes};
use crate::tool::Tool;

/// Compare the public interfaces with those of an earlier commit
///
/// Needs cargo-semver-checks. A change that breaks callers needs a new minor version while the major one is 0.
#[derive(Args)]
pub(crate) struct Semver {
    /// The commit, tag or branch to compare with
    #[arg(long, value_name = "REVISION", default_value = "HEAD")]
    since: String,
}

impl Semver {
    pub(crate) fn run(self) -> Result<Verdict> {
        if !Tool::SEMVER.is_here_or_say() {
            return Ok(Verdict::Passed);
        }
        let baseline = format!("--baseline-rev={}", self.since);
        let mut command = cargo(["semver-checks", "--workspace", "--exclude=xtask", &baseline]);
        Ok(if passes(&mut command)? { Verdict::Passed } else { Verdict::Failed })
    }
}
