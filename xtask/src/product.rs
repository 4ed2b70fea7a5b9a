//! The product's own programs: built first, then run as a user would.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{build, cargo};

/// Builds the node, and returns where it lies.
pub(crate) fn node() -> Result<PathBuf> {
    program("engram-node", "node")
}

/// Builds the simulator, and returns where it lies.
pub(crate) fn simulator() -> Result<PathBuf> {
    program("engram-sim", "sim")
}

fn program(name: &str, feature: &str) -> Result<PathBuf> {
    let (features, binary) = (format!("--features={feature}"), format!("--bin={name}"));
    let built =
        build(cargo(["build", "--release", "--package=engram-bridge", &features, &binary]))?;
    built.into_iter().next_back().context("the build made no program")
}

/// Runs a program in the caller's own folder, on the caller's terminal, and takes over how it ended.
pub(crate) fn hand_over(program: PathBuf, arguments: &[String]) -> Result<crate::Verdict> {
    let status = Command::new(&program).args(arguments).status();
    let status = status.with_context(|| format!("cannot start {}", program.display()))?;
    Ok(if status.success() { crate::Verdict::Passed } else { crate::Verdict::Failed })
}
