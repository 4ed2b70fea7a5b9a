//! The results of criterion.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// The time of every benchmark, in nanoseconds, by its full name `group/implementation/input`.
///
/// It is the time that about nine of ten samples exceed. Other load on the machine can only lengthen a sample, and it
/// affects the two sides of a comparison differently.
pub(super) struct Estimates(BTreeMap<String, f64>);

impl Estimates {
    /// Reads all results below criterion's folder.
    pub(super) fn read(home: &Path) -> Result<Self> {
        let mut times = BTreeMap::new();
        collect(home, &mut times)?;
        Ok(Self(times))
    }

    pub(super) fn nanoseconds(&self, id: &str) -> Result<f64> {
        let time = self.0.get(id).copied();
        time.with_context(|| format!("no benchmark measured {id}; correct the table of budgets"))
    }
}

/// Collects the results below a folder. Criterion derives safe file names from the names of benchmarks, and stores the
/// real names in a file next to the result.
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

/// The time of one iteration at the tenth percentile of the samples.
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
