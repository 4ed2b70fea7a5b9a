//! What criterion has measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// The median time of every benchmark, in nanoseconds, by its full name `group/who/input`.
pub(super) struct Estimates(BTreeMap<String, f64>);

impl Estimates {
    /// Reads all results below the folder that criterion wrote to.
    pub(super) fn read(home: &Path) -> Result<Self> {
        let mut medians = BTreeMap::new();
        collect(home, &mut medians)?;
        Ok(Self(medians))
    }

    pub(super) fn nanoseconds(&self, id: &str) -> Result<f64> {
        let median = self.0.get(id).copied();
        median.with_context(|| format!("no benchmark measured {id}; mend the table of budgets"))
    }
}

/// Criterion makes safe file names of the benchmarks' names, and keeps the true ones in a file beside the result.
fn collect(folder: &Path, medians: &mut BTreeMap<String, f64>) -> Result<()> {
    for entry in
        fs::read_dir(folder).with_context(|| format!("{}: cannot be listed", folder.display()))?
    {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, medians)?;
        }
    }
    if folder.ends_with("new") {
        let name = read(&folder.join("benchmark.json"))?["full_id"].as_str().map(str::to_owned);
        let median = read(&folder.join("estimates.json"))?["median"]["point_estimate"].as_f64();
        let complete = name.zip(median);
        let (name, median) =
            complete.with_context(|| format!("{}: no result of criterion", folder.display()))?;
        medians.insert(name, median);
    }
    Ok(())
}

fn read(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}
