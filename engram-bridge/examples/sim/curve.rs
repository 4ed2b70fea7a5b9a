//! Convergence curves as JSON.

use std::path::Path;

use crate::Result;
use crate::run::Run;

/// Writes a file with one curve per run to `folder`: pairs of the time in seconds and the share of
/// the new records that have arrived.
pub(crate) fn write(folder: &Path, scenario: &str, runs: &[Run]) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let curves: Vec<_> = runs.iter().map(shares).collect();
    let file = folder.join(format!("{scenario}.json"));
    std::fs::write(&file, serde_json::to_vec(&curves)?)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(())
}

fn shares(run: &Run) -> Vec<(f64, f64)> {
    let records = |point: Option<&(f64, u64)>| point.map_or(0, |(_, records)| *records);
    let first = records(run.curve.first());
    let new = records(run.curve.last()).saturating_sub(first).max(1);
    let share = |records: u64| records.saturating_sub(first) as f64 / new as f64;
    run.curve.iter().map(|(seconds, records)| (*seconds, share(*records))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_count_the_new_records() {
        let curve = vec![(0.0, 100), (1.0, 150), (2.0, 200)];
        let run = Run { curve, ..Run::default() };
        assert_eq!(shares(&run), [(0.0, 0.0), (1.0, 0.5), (2.0, 1.0)]);
        assert_eq!(shares(&Run::default()), []);
    }
}
