//! What criterion has measured.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

/// The folder in which criterion keeps its results.
pub(super) struct Estimates {
    home: PathBuf,
}

impl Estimates {
    pub(super) fn new(home: PathBuf) -> Self {
        Self { home }
    }

    /// The median time of the benchmark `id`, `group/who/input`.
    pub(super) fn nanoseconds(&self, id: &str) -> Result<f64> {
        let path = self.home.join(id).join("new/estimates.json");
        let text = fs::read(&path)
            .with_context(|| format!("no benchmark measured {id}; see the table of budgets"))?;
        let estimates: Value =
            serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
        estimates["median"]["point_estimate"]
            .as_f64()
            .with_context(|| format!("{}: no median", path.display()))
    }
}
