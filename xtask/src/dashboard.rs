//! Generates files for operators: a Grafana dashboard from the node's table of metrics, and the reference for
//! `cluster.toml` from its table of keys.

mod panels;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use crate::Verdict;
use crate::command::{root, said};
use crate::product;

/// Generate the Grafana dashboard and the reference for cluster.toml
///
/// Writes engram-bridge/dashboard/grafana.json and engram-bridge/docs/CONFIGURATION.md. Every metric of the node gets a
/// panel.
#[derive(Args)]
pub(crate) struct Dashboard {
    /// Write nothing; fail if the files are out of date
    #[arg(long)]
    check: bool,
}

/// One row of the node's table.
struct Metric {
    name: String,
    kind: String,
    unit: Option<String>,
    help: String,
    labels: Vec<String>,
}

impl Dashboard {
    pub(crate) fn run(self) -> Result<Verdict> {
        let node = product::node()?;
        let metrics = metrics(&node)?;
        let folder = root().join("engram-bridge");
        let dashboard = serde_json::to_string_pretty(&panels::dashboard(&metrics))? + "\n";
        let files = [
            ("dashboard/grafana.json", dashboard),
            ("docs/CONFIGURATION.md", said(Command::new(&node).arg("keys"))?),
        ];
        let mut stale = Vec::new();
        for (name, text) in files {
            let path = folder.join(name);
            if self.check {
                let held = fs::read_to_string(&path).unwrap_or_default();
                stale.extend((held != text).then_some(path));
            } else {
                write(path, &text)?;
            }
        }
        for path in &stale {
            eprintln!("{}: is out of date; run cargo xtask dashboard", path.display());
        }
        Ok(if stale.is_empty() { Verdict::Passed } else { Verdict::Failed })
    }
}

fn write(path: PathBuf, text: &str) -> Result<()> {
    let shown = path.display().to_string();
    path.parent().map_or(Ok(()), fs::create_dir_all).with_context(|| shown.clone())?;
    fs::write(path, text).with_context(|| shown)
}

fn metrics(node: &Path) -> Result<Vec<Metric>> {
    let table = said(Command::new(node).args(["metrics", "--json"]))?;
    let table: Vec<Value> = serde_json::from_str(&table)?;
    table.iter().map(|row| Metric::read(row).with_context(|| row.to_string())).collect()
}

impl Metric {
    fn read(row: &Value) -> Option<Self> {
        let text = |field: &str| row[field].as_str().map(str::to_owned);
        let labels = row["labels"].as_array()?.iter();
        Some(Self {
            name: text("name")?,
            kind: text("kind")?,
            unit: text("unit"),
            help: text("help")?,
            labels: labels.map(|label| label.as_str().map(str::to_owned)).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
fn metric(name: &str, kind: &str, labels: &[&str]) -> Metric {
    Metric {
        name: name.to_owned(),
        kind: kind.to_owned(),
        unit: None,
        help: String::new(),
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
    }
}
