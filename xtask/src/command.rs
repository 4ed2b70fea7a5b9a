//! Runs other programs, and shows their commands in shell syntax, so that they can be repeated.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The root of the repository, independent of the current directory. It follows from `CARGO_MANIFEST_DIR`, which cargo
/// sets for the programs that it runs; a program that is started directly uses the repository in which it was built.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let told = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let told = told.filter(|folder| folder.ends_with("xtask"));
        let xtask = told.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        xtask.parent().expect("xtask is a folder of the repository").to_owned()
    });
    &ROOT
}

/// Creates a command for the cargo that runs this task, in the root of the repository.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    // Build scripts that read variables about this package would run again for each task.
    for (name, _) in std::env::vars_os().filter(|(name, _)| describes_a_package(name)) {
        command.env_remove(name);
    }
    command.current_dir(root()).args(arguments);
    command
}

fn describes_a_package(variable: &OsStr) -> bool {
    let variable = variable.to_string_lossy();
    ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| variable.starts_with(prefix))
}

/// The command in shell syntax, for the root of the repository.
pub(crate) fn spelled(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        Some(format!("{}={}", name.to_string_lossy(), quoted(&value?.to_string_lossy())))
    });
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    variables
        .chain([program.to_string_lossy().into_owned()])
        .chain(arguments.map(|argument| quoted(&argument)))
        .collect::<Vec<_>>()
        .join(" ")
}

fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

/// Prints and runs the command. Returns whether it succeeded.
pub(crate) fn passes(command: &mut Command) -> Result<bool> {
    eprintln!("$ {}", spelled(command));
    let status = command.status().with_context(|| format!("cannot start {}", spelled(command)))?;
    Ok(status.success())
}

/// Runs a command that must succeed, and returns its standard output.
pub(crate) fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {}", spelled(command)))?;
    if !output.status.success() {
        bail!("{}: {}", spelled(command), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Builds with cargo, with progress on stderr, and returns the built executables.
pub(crate) fn build(mut command: Command) -> Result<Vec<PathBuf>> {
    eprintln!("$ {}", spelled(&command));
    command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("cannot start {}", spelled(&command)))?;
    if !output.status.success() {
        bail!("the build failed: {}", spelled(&command));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    };
    Ok(messages.lines().filter_map(executable).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelled_command_can_be_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["doc", "--cfg", "it's", ""]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(spelled(&command), r"RUSTDOCFLAGS='-D warnings' cargo doc --cfg 'it'\''s' ''");
    }
}
