//! A page with all measurements: benchmarks, bytes of the protocol, simulated clusters.

mod page;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use crate::Verdict;
use crate::command::{cargo, root, said, spelled};
use crate::scratch::Scratch;
use crate::workspace::target_folder;
use page::{Page, Section};

/// Measure everything, and write a page with the results
///
/// The page shows benchmarks next to their references, the bytes that the protocol sends, and the convergence of
/// simulated clusters, and names the machine and the commit. Takes most of an hour; close other programs first. Exits
/// with status 1 if a budget is not met or a cluster does not converge.
#[derive(Args)]
pub(crate) struct Report {
    /// The page to write [default: target/report.html]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Measure only these parts; may be given several times
    #[arg(long, value_name = "PART", value_parser = PARTS.map(|part| part.name))]
    part: Vec<String>,
}

/// A part of the page and the task that measures it.
struct Part {
    name: &'static str,
    title: &'static str,
    arguments: &'static [&'static str],
}

const PARTS: [Part; 6] = [
    Part { name: "core", title: "Tree, clocks, strategies", arguments: &["bench", "core"] },
    Part { name: "proto", title: "The sync machine", arguments: &["bench", "proto"] },
    Part { name: "net", title: "Sessions over QUIC", arguments: &["bench", "net"] },
    Part { name: "bridge", title: "A node", arguments: &["bench", "bridge"] },
    Part { name: "bytes", title: "Bytes of the protocol", arguments: &["sim", "bytes"] },
    Part { name: "sim", title: "Simulated clusters", arguments: &["sim", "run", "--all"] },
];

impl Report {
    pub(crate) fn run(self) -> Result<Verdict> {
        let scratch = Scratch::new()?;
        let chosen =
            |part: &&Part| self.part.is_empty() || self.part.iter().any(|p| p == part.name);
        let sections = PARTS.iter().filter(chosen).map(|part| part.measure(scratch.path()));
        let page = Page { origin: origin()?, sections: sections.collect::<Result<_>>()? };
        let out = match self.out {
            Some(path) => path,
            None => target_folder()?.join("report.html"),
        };
        std::fs::write(&out, page.render())
            .with_context(|| format!("{}: cannot be written", out.display()))?;
        let missed: Vec<String> = page.missed().collect();
        missed.iter().for_each(|name| eprintln!("not met: {name}"));
        eprintln!("report: {}", out.display());
        Ok(if missed.is_empty() { Verdict::Passed } else { Verdict::Failed })
    }
}

impl Part {
    /// Runs the task; a missed budget is part of its result.
    fn measure(&self, scratch: &Path) -> Result<Section> {
        let curves = scratch.join(self.name);
        let mut command = cargo(["xtask"]);
        command.args(self.arguments).arg("--json").stderr(Stdio::inherit());
        if self.name == "sim" {
            command.arg("--curves").arg(&curves);
        }
        eprintln!("$ {}", spelled(&command));
        let output =
            command.output().with_context(|| format!("cannot start {}", spelled(&command)))?;
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{} printed no result", spelled(&command)))?;
        Ok(Section {
            title: self.title,
            command: spelled(&command),
            rows,
            pictures: pictures(&curves)?,
        })
    }
}

/// Reads the drawn curves, in the order of their names.
fn pictures(folder: &Path) -> Result<Vec<String>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "svg"));
    paths.sort();
    paths.iter().map(|path| Ok(std::fs::read_to_string(path)?)).collect()
}

/// Describes the commit, its date, the processor and the compiler.
fn origin() -> Result<Vec<(&'static str, String)>> {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        processor.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let answer = |program: &str, arguments: &[&str]| {
        let said = said(Command::new(program).current_dir(root()).args(arguments))?;
        anyhow::Ok(said.trim().to_owned())
    };
    Ok(vec![
        ("commit", answer("git", &["describe", "--always", "--dirty"])?),
        ("date", answer("git", &["log", "-1", "--format=%cs"])?),
        ("processor", format!("{} ({cores} cores)", model.unwrap_or(std::env::consts::ARCH))),
        ("compiler", answer("rustc", &["--version"])?),
    ])
}
