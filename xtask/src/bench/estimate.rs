//! What criterion has measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// The time of every benchmark, in nanoseconds, by its full name `group/who/input`.
///
/// It is the time that nine of ten samples exceed. What else the machine does can only add to a sample, and never takes the
/// same from both sides of a comparison.
pub(super) struct Estimates(BTreeMap<String, f64>);

impl Estimates {
    /// Reads all results below the folder that criterion wrote to.
    pub(super) fn read(home: &Path) -> Result<Self> {
        let mut times = BTreeMap::new();
        collect(home, &mut times)?;
        Ok(Self(times))
    }

    pub(super) fn nanoseconds(&self, id: &str) -> Result<f64> {
        let time = self.0.get(id).copied();
        time.with_context(|| format!("no benchmark measured {id}; mend the table of budgets"))
    }
}

/// Criterion makes safe file names of the benchmarks' names, and keeps the true ones in a file beside the result.
fn collect(folder: &Path, times: &mut BTreeMap<String, f64>) -> Result<()> {
    for entry in
        fs::read_dir(folder).with_context(|| format!("{}: cannot be listed", folder.display()))?
    {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, times)?;
        }
    }
    if folder.ends_with("new") {
        let name = read(&folder.join("benchmark.json"))?["full_id"].as_str().map(str::to_owned);
        let time = fastest_tenth(&read(&folder.join("sample.json"))?);
        let complete = name.zip(time);
        let (name, time) =
            complete.with_context(|| format!("{}: no result of criterion", folder.display()))?;
        times.insert(name, time);
    }
    Ok(())
}

/// The time of one iteration that a tenth of the samples stays below.
fn fastest_tenth(sample: &Value) -> Option<f64> {
    let numbers = |field: &str| -> Option<Vec<f64>> {
        sample[field].as_array()?.iter().map(Value::as_f64).collect()
    };
    let (times, iterations) = (numbers("times")?, numbers("iters")?);
    let mut each: Vec<f64> =
        times.iter().zip(iterations).map(|(time, count)| time / count).collect();
    each.sort_by(f64::total_cmp);
    each.get(each.len() / 10).copied()
}

fn read(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}
