//! Prints the results of the benchmarks.

use serde_json::json;

/// Prints a value and the floor or limit that it is compared with, as one JSON object. The budget is met if the ratio
/// of the two is at most `budget`.
pub(crate) fn report(
    name: &str,
    input: &str,
    value: f64,
    unit: &str,
    (floor, reference): (&str, f64),
    budget: Option<f64>,
) {
    let ratio = value / reference;
    let digits = if reference < 1_000.0 { 3 } else { 0 };
    let line = json!({
        "name": name,
        "input": input,
        "value": value,
        "unit": unit,
        "reference": format!("{floor}: {reference:.digits$} {unit}"),
        "ratio": ratio,
        "budget": budget,
        "met": budget.map(|budget| ratio <= budget),
    });
    println!("{line}");
}
