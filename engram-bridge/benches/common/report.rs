//! The lines that a measurement prints.

use serde_json::json;

/// Prints a value next to its floor or limit from the same run, as one JSON object. The ratio of the two
/// may be at most `budget`; a value without a budget is only shown.
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
