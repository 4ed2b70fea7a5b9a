//! Checks licences, bans and advisories of all dependencies.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::Verdict;
use crate::command::{cargo, passes};
use crate::tool::Tool;

/// Check the licences, bans and advisories of all dependencies
///
/// Needs cargo-deny, and network access to fetch the advisories. Skips the advisories if they cannot be fetched.
/// xtask/deny.toml lists the allowed licences with reasons.
#[derive(Args)]
pub(crate) struct Deny {
    /// Use the advisories that were fetched last
    #[arg(long)]
    offline: bool,
}

impl Deny {
    pub(crate) fn run(self) -> Result<Verdict> {
        if !Tool::DENY.is_here_or_say() {
            return Ok(Verdict::Passed);
        }
        let mut allowed = self.check(&["licenses", "bans", "sources"])?;
        if self.offline || passes(&mut self.command(&["fetch", "db"]))? {
            allowed &= self.check(&["advisories"])?;
        } else {
            eprintln!("skipped: the advisories cannot be fetched; --offline uses the last ones");
        }
        Ok(if allowed { Verdict::Passed } else { Verdict::Failed })
    }

    fn check(&self, what: &[&str]) -> Result<bool> {
        passes(self.command(&["check"]).args(what))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = cargo(["deny", "--all-features", "--config=xtask/deny.toml"]);
        command.args(self.offline.then_some("--offline")).args(arguments);
        command
    }
}
