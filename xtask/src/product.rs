//! The product's own programs: built first, then run as a user would.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{build, cargo};

const PACKAGE: &str = "--package=engram-bridge";

/// Builds the node, and returns where it lies.
pub(crate) fn node() -> Result<PathBuf> {
    built(cargo(["build", "--release", PACKAGE, "--features=node", "--bin=engram-node"]))
}

/// Builds the simulator as tests are built, and returns where it lies.
pub(crate) fn simulator() -> Result<PathBuf> {
    built(cargo(["build", PACKAGE, "--features=files", "--example=sim"]))
}

fn built(command: Command) -> Result<PathBuf> {
    build(command)?.pop().context("the build made no program")
}

/// Runs a program in the caller's own folder, on the caller's terminal, and takes over how it ended.
pub(crate) fn hand_over(program: PathBuf, arguments: &[String]) -> Result<crate::Verdict> {
    let status = Command::new(&program).args(arguments).status();
    let status = status.with_context(|| format!("cannot start {}", program.display()))?;
    Ok(if status.success() { crate::Verdict::Passed } else { crate::Verdict::Failed })
}
