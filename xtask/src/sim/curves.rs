//! Draws the curves that the simulator wrote.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::chart::{Chart, Line, Panel};

/// Draws each scenario's JSON file in `folder` as an SVG file beside it.
pub(super) fn draw(folder: &Path) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    for entry in entries {
        let data = entry?.path();
        if data.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let scenario = data.file_stem().unwrap_or_default().to_string_lossy();
        let shown = data.display();
        let text = fs::read(&data).with_context(|| format!("{shown}"))?;
        let curves =
            serde_json::from_slice(&text).with_context(|| format!("{shown}: not a curve"))?;
        fs::write(data.with_extension("svg"), chart(&scenario, curves).svg())?;
    }
    Ok(())
}

/// Creates a chart with one line per seed.
fn chart(scenario: &str, curves: Vec<Vec<(f64, f64)>>) -> Chart {
    let ends = curves.iter().filter_map(|curve| Some(curve.last()?.0));
    let seconds = ends.fold(0.0, f64::max);
    let title = format!("{scenario}: records in place, {} seeds", curves.len());
    let lines = curves.into_iter().map(|points| Line { name: None, points }).collect();
    let panel =
        Panel { label: "share of new records", height: 280.0, highest: 1.0, goal: None, lines };
    Chart { title, axis: "seconds", seconds, panels: vec![panel] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chart_ends_with_the_slowest_seed() {
        let chart = chart("pair", vec![vec![(0.0, 0.0), (1.0, 1.0)], vec![(0.0, 0.0), (3.0, 1.0)]]);
        assert!(chart.seconds == 3.0 && chart.title == "pair: records in place, 2 seeds");
    }
}
