//! Licences, bans and advisories of everything that is linked.

use anyhow::Result;
use clap::Args;

use crate::Verdict;
use crate::command::{cargo, passes};
use crate::tool::Tool;

/// Check the licences, the bans and the advisories of everything that is linked
///
/// Needs cargo-deny, and the network for the advisories unless --offline. What is allowed, and why, is said in
/// xtask/deny.toml.
#[derive(Args)]
pub(crate) struct Deny {
    /// Use the advisories as they were last fetched
    #[arg(long)]
    offline: bool,
}

impl Deny {
    pub(crate) fn run(self) -> Result<Verdict> {
        if !Tool::DENY.is_here_or_say() {
            return Ok(Verdict::Passed);
        }
        let mut command = cargo(["deny", "--all-features"]);
        if self.offline {
            command.arg("--offline");
        }
        command.args(["check", "--config=xtask/deny.toml"]);
        Ok(if passes(&mut command)? { Verdict::Passed } else { Verdict::Failed })
    }
}
