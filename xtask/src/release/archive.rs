//! Checks the size of each package, and runs its tests outside this repository.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::Verdict;
use crate::command::{cargo, passes, spelled};
use crate::scratch::Scratch;
use crate::workspace::{Member, target_folder};

/// The maximum size of a package: sources, documents and small tests, but no data. The package of engram-bridge also
/// contains its status page and the files that an operator installs, and its lock file lists far more dependencies. The
/// package of engram-gossip-proto also contains the protocol, the law suite and the simulator.
fn max_kib(member: &Member) -> u64 {
    match member.name.as_str() {
        "engram-bridge" => 360,
        "engram-gossip-proto" => 220,
        _ => 200,
    }
}

/// The target folder in which the packages are built. Cargo distinguishes packages of the same version only by their
/// names, so the folder must not contain those of an earlier run.
fn target() -> Result<PathBuf> {
    Ok(target_folder()?.join("publish"))
}

/// Removes [`target`] with the results of an earlier run, and returns its path.
pub(super) fn empty_target() -> Result<PathBuf> {
    let folder = target()?;
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{}: cannot be removed", folder.display()))
        }
        _ => Ok(folder),
    }
}

/// Prints the size of each package that cargo built last. Fails if one is too large.
pub(super) fn weigh_each(members: &[&Member]) -> Result<Verdict> {
    let folder = target()?.join("package/tmp-crate");
    let mut verdict = Verdict::Passed;
    for member in members {
        let path = folder.join(format!("{}-{}.crate", member.name, member.version));
        let size = fs::metadata(&path)
            .with_context(|| format!("{}: cannot read its size", path.display()))?
            .len()
            .div_ceil(1024);
        eprintln!("{}: {size} KiB", member.name);
        if size > max_kib(member) {
            let most = max_kib(member);
            eprintln!("the package of {} exceeds {most} KiB; exclude its data", member.name);
            verdict = Verdict::Failed;
        }
    }
    Ok(verdict)
}

/// Tests the packages that cargo packaged and unpacked last.
pub(super) fn test_each(members: &[&Member]) -> Result<Verdict> {
    let tests = target_folder()?.join("archives");
    let scratch = Scratch::new()?;
    for member in members {
        let name = format!("{}-{}", member.name, member.version);
        copy(&target()?.join("package").join(&name), &scratch.path().join(&member.name))?;
    }
    for member in members {
        let folder = scratch.path().join(&member.name);
        // A package does not contain the workspace's profile, without which property tests take many times as long.
        let mut command = cargo(["test", "--all-features", "--config=profile.dev.opt-level=1"]);
        command.current_dir(&folder).arg("--target-dir").arg(&tests);
        command.args(siblings(member, scratch.path()));
        if !passes(&mut command)? {
            eprintln!("\nthe package of {} fails alone:\n$ {}", member.name, spelled(&command));
            return Ok(Verdict::Failed);
        }
    }
    Ok(Verdict::Passed)
}

/// Returns the options that replace dependencies, which may not be in the registry yet, with the packages of this
/// release.
fn siblings(member: &Member, folder: &Path) -> Vec<String> {
    let ours = member.dependencies.iter().filter(|d| d.is_ours && !d.is_dev);
    ours.map(|d| {
        let path = folder.join(&d.name);
        format!("--config=patch.crates-io.{}.path={:?}", d.name, path.display().to_string())
    })
    .collect()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let place = |path: &Path| format!("{}: cannot be copied", path.display());
    fs::create_dir_all(to).with_context(|| place(to))?;
    for entry in fs::read_dir(from).with_context(|| place(from))? {
        let path: PathBuf = entry?.path();
        let copied = to.join(path.file_name().context("an entry has no name")?);
        if path.is_dir() {
            copy(&path, &copied)?;
        } else {
            fs::copy(&path, &copied).with_context(|| place(&path))?;
        }
    }
    Ok(())
}
