//! The page as one self-contained HTML file.

use std::fmt::Write as _;

use serde_json::Value;

pub(super) struct Page {
    pub(super) origin: Vec<(&'static str, String)>,
    pub(super) sections: Vec<Section>,
}

pub(super) struct Section {
    pub(super) title: &'static str,
    /// The command that repeats the measurement.
    pub(super) command: String,
    pub(super) rows: Vec<Value>,
    /// The pictures as SVG.
    pub(super) pictures: Vec<String>,
}

const STYLE: &str = "
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-variant-numeric: tabular-nums; }
td, th { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; }
td.n { text-align: right; white-space: nowrap; }
.missed td { color: #c33; font-weight: 600; }
meter { width: 12rem; }
figure { margin: 1rem 0; overflow-x: auto; background: #fff; }
code { font-size: .9em; }
";

/// The first columns from left to right; other fields follow.
const COLUMNS: [&str; 9] =
    ["name", "scenario", "input", "value", "unit", "reference", "ratio", "budget", "met"];

impl Page {
    /// The missed budgets, and the clusters that did not converge, by name and input.
    pub(super) fn missed(&self) -> impl Iterator<Item = String> {
        let rows = self.sections.iter().flat_map(|section| &section.rows);
        rows.filter(|row| missed(row)).map(|row| {
            let names = ["name", "scenario", "input"].iter().filter_map(|name| row[name].as_str());
            names.collect::<Vec<_>>().join(", ")
        })
    }

    pub(super) fn render(&self) -> String {
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n<meta name=\"viewport\" \
             content=\"width=device-width\">\n<title>Consolidation gossip, measured</title>\n\
             <style>{STYLE}</style>\n<h1>Consolidation gossip, measured</h1>\n<table>\n"
        );
        for (what, value) in &self.origin {
            let _ = writeln!(html, "<tr><th>{what}<td>{}", escaped(value));
        }
        html.push_str("</table>\n");
        self.sections.iter().for_each(|section| section.render(&mut html));
        html
    }
}

impl Section {
    fn render(&self, html: &mut String) {
        let _ =
            writeln!(html, "<h2>{}</h2>\n<p><code>$ {}</code>", self.title, escaped(&self.command));
        let columns = self.columns();
        html.push_str("<table>\n<tr>");
        columns
            .iter()
            .for_each(|column| _ = write!(html, "<th>{}", escaped(&column.replace('_', " "))));
        for row in &self.rows {
            html.push_str(if missed(row) { "\n<tr class=\"missed\">" } else { "\n<tr>" });
            for column in &columns {
                let _ = match &row[column.as_str()] {
                    Value::Number(number) => {
                        write!(html, "<td class=\"n\">{}", shown(number.as_f64()))
                    }
                    Value::String(text) => write!(html, "<td>{}", escaped(text)),
                    Value::Bool(yes) => write!(html, "<td>{}", if *yes { "yes" } else { "no" }),
                    _ => write!(html, "<td>"),
                };
            }
            html.extend(meter(row));
        }
        html.push_str("\n</table>\n");
        self.pictures.iter().for_each(|svg| _ = writeln!(html, "<figure>{svg}</figure>"));
    }

    /// The fields of the first row in display order. A field that another row lacks is an empty cell there.
    fn columns(&self) -> Vec<String> {
        let first = self.rows.first().and_then(Value::as_object);
        let mut columns: Vec<_> =
            first.map(|row| row.keys().cloned().collect()).unwrap_or_default();
        columns.sort_by_key(|column| {
            COLUMNS.iter().position(|known| known == column).unwrap_or(COLUMNS.len())
        });
        columns
    }
}

/// Whether the row has a missed budget or a cluster that did not converge.
fn missed(row: &Value) -> bool {
    row["met"] == false || row["converged"] == false
}

/// Draws the ratio on a scale that marks the budget.
fn meter(row: &Value) -> Option<String> {
    let (ratio, budget) = (row["ratio"].as_f64()?, row["budget"].as_f64()?);
    let most = 1.25 * budget.max(ratio);
    Some(format!(
        "<td><meter max=\"{most:.3}\" high=\"{budget:.3}\" optimum=\"0\" value=\"{ratio:.3}\">{ratio:.2} of at most \
         {budget:.2}</meter>"
    ))
}

fn shown(number: Option<f64>) -> String {
    match number {
        Some(whole) if whole.fract() == 0.0 => format!("{whole}"),
        Some(large) if large >= 100.0 => format!("{large:.0}"),
        Some(small) => format!("{small:.3}"),
        None => String::new(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(row: Value) -> Page {
        let section = Section {
            title: "t",
            command: "c <d>".to_owned(),
            rows: vec![row],
            pictures: Vec::new(),
        };
        Page { origin: vec![("commit", "a&b".to_owned())], sections: vec![section] }
    }

    #[test]
    fn missed_budget_is_marked() {
        let row = json!({"name": "n", "input": "i", "ratio": 2.0, "budget": 1.0, "met": false});
        let page = page(row);
        let html = page.render();
        assert_eq!(page.missed().collect::<Vec<_>>(), ["n, i"]);
        assert!(
            html.contains("class=\"missed\"") && html.contains("2.00 of at most 1.00"),
            "{html}"
        );
    }

    #[test]
    fn measured_text_never_becomes_markup() {
        let html = page(json!({"name": "<script>"})).render();
        assert!(
            html.contains("&lt;script&gt;")
                && html.contains("c &lt;d&gt;")
                && html.contains("a&amp;b")
        );
    }
}
