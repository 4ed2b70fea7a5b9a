//! Builds the product's own programs and runs them like a user.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{build, cargo};

/// Builds the node with the dev profile, and returns its path.
pub(crate) fn node() -> Result<PathBuf> {
    built("--bin=engram-node")
}

/// Builds the simulator with the dev profile, and returns its path.
pub(crate) fn simulator() -> Result<PathBuf> {
    built("--example=sim")
}

/// Builds a program with the packages and features of the tests: each other selection rebuilds its dependencies.
fn built(program: &str) -> Result<PathBuf> {
    let command = cargo(["build", "--workspace", "--all-features", program]);
    build(command)?.pop().context("the build produced no program")
}

/// Runs a program in the caller's folder and terminal, and returns whether it succeeded.
pub(crate) fn hand_over(program: PathBuf, arguments: &[String]) -> Result<crate::Verdict> {
    let status = Command::new(&program).args(arguments).status();
    let status = status.with_context(|| format!("cannot start {}", program.display()))?;
    Ok(if status.success() { crate::Verdict::Passed } else { crate::Verdict::Failed })
}
