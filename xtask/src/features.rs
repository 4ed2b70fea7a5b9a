//! Builds each crate alone, as a user of that crate would.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::Verdict;
use crate::command::{cargo, passes, spelled};
use crate::workspace::{Member, members};

/// Check each crate alone: without features, and with each feature by itself
///
/// A build of the whole workspace unifies features, and so hides a feature of a dependency that a crate needs but does
/// not enable.
#[derive(Args)]
pub(crate) struct Features {
    /// Check only this crate; may be given several times
    #[arg(long, value_name = "NAME")]
    package: Vec<String>,
}

impl Features {
    pub(crate) fn run(self) -> Result<Verdict> {
        let members = members()?;
        let chosen = crate::workspace::libraries(&members, &self.package)?;
        for mut command in chosen.into_iter().flat_map(each) {
            if !passes(&mut command)? {
                eprintln!("\nthis selection does not build:\n$ {}", spelled(&command));
                return Ok(Verdict::Failed);
            }
        }
        Ok(Verdict::Passed)
    }
}

fn each(member: &Member) -> Vec<Command> {
    let with = |feature: &String| {
        let mut command = without(member);
        command.arg(format!("--features={feature}"));
        command
    };
    let named = member.features.iter().filter(|feature| *feature != "default").map(with);
    [without(member)].into_iter().chain(named).collect()
}

/// Returns the command that checks a crate without features.
pub(crate) fn without(member: &Member) -> Command {
    cargo(["check", "--no-default-features", &format!("--package={}", member.name)])
}
