//! The explanation of a pattern as text.

use serde_json::Value;

use crate::status::text;
use crate::words::counted;
use engram_bridge::notices::printable;

/// Returns the lines for the JSON of `/cluster/consolidation/explain`. Names and ids from peers are
/// made printable.
pub(crate) fn lines(known: &Value) -> Vec<String> {
    let mut lines = vec![headline(known)];
    lines.extend(list(known, "versions").map(version));
    lines.extend(left_out(known, "versions", "more version", "more versions"));
    let suppressed = list(known, "suppressed").filter_map(Value::as_str);
    lines.extend(suppressed.map(|digest| format!("  forgotten content {digest:.12}")));
    lines.extend(left_out(
        known,
        "suppressed",
        "more forgotten content",
        "more forgotten contents",
    ));
    lines.extend(list(known, "context").map(|write| format!("  covers {}", written(write))));
    lines.extend(left_out(known, "context", "more node", "more nodes"));
    if let Some(reason) = known["across_ids"]["reason"].as_str() {
        let mut reason = reason.lines().map(|line| printable(line.trim()));
        lines.extend(reason.next().map(|first| format!("  across ids: {first}")));
        lines.extend(reason.map(|line| format!("    {line}")));
    }
    lines
}

fn headline(known: &Value) -> String {
    let (id, space) = (text(known, "id"), text(known, "space"));
    let pattern = format!("pattern {id:?} of {space}");
    if known["visible"].is_null() {
        return format!("{pattern}: not visible");
    }
    let shown = numbers(&known["visible"]);
    let (strategy, reason) = (text(known, "strategy"), printable(&text(known, "reason")));
    format!("{pattern}: {shown}; {strategy}: {reason}")
}

fn version(version: &Value) -> String {
    let mut facts = vec![numbers(version)];
    if version["suppressed"] == true {
        facts.push("forgotten".to_owned());
    } else {
        let share = 100.0 * version["share"].as_f64().unwrap_or_default();
        let kept = if version["kept"] == true { "kept" } else { "not kept" };
        facts.push(format!("{kept}, {share:.0} % of the visible embedding"));
    }
    let writes: Vec<_> = list(version, "writes").map(written).collect();
    facts.push(format!("written by {}", writes.join(", ")));
    if version["submitted_here"] == true {
        facts.push("the last submission of this node".to_owned());
    }
    if let Some(peer) = version["introduced_by"].as_str() {
        facts.push(format!("sent by {}", printable(peer)));
    }
    format!("  version {:.12}: {}", text(version, "digest"), facts.join("; "))
}

fn numbers(of: &Value) -> String {
    let citations = counted(of["citations"].as_u64().unwrap_or_default(), "citation", "citations");
    format!(
        "confidence {}, strength {}, {citations}, last consolidated {}",
        text(of, "confidence"),
        text(of, "strength"),
        text(of, "last_consolidated")
    )
}

fn written(write: &Value) -> String {
    format!("{} (version {})", printable(&text(write, "node")), text(write, "version"))
}

/// Returns the line that counts the entries that a list leaves out.
fn left_out(known: &Value, field: &str, one: &str, many: &str) -> Option<String> {
    let total = known[format!("{field}_total")].as_u64()?;
    let left = total.saturating_sub(list(known, field).count() as u64);
    (left > 0).then(|| format!("  {}", counted(left, one, many)))
}

fn list<'v>(of: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    of[field].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_explanation_is_lines_for_people() {
        let numbers = |confidence: f64| {
            json!({
                "confidence": confidence, "strength": 0.5, "citations": 1,
                "last_consolidated": "2026-01-01T00:00:00Z", "digest": "ab".repeat(32),
                "share": 1.0, "kept": true, "suppressed": false, "submitted_here": true,
                "introduced_by": "node\u{1b}b", "writes": [{"node": "node-a", "version": "7"}],
            })
        };
        let known = json!({
            "id": "p\n", "space": "notes", "visible": numbers(0.75), "strategy": "voting",
            "reason": "the only version", "versions": [numbers(0.75)], "versions_total": 3,
            "suppressed": [], "context": [{"node": "node-a", "version": "7"}],
            "across_ids": {"reason": "same memory\n as q"},
        });
        let expected = [
            "pattern \"p\\n\" of notes: confidence 0.75, strength 0.5, 1 citation, last consolidated \
             2026-01-01T00:00:00Z; voting: the only version",
            "  version abababababab: confidence 0.75, strength 0.5, 1 citation, last consolidated \
             2026-01-01T00:00:00Z; kept, 100 % of the visible embedding; written by node-a \
             (version 7); the last submission of this node; sent by node\\u{1b}b",
            "  2 more versions",
            "  covers node-a (version 7)",
            "  across ids: same memory",
            "    as q",
        ];
        assert_eq!(lines(&known), expected);
        let gone = lines(&json!({"id": "p", "space": "notes", "visible": null}));
        assert_eq!(gone, ["pattern \"p\" of notes: not visible"]);
    }
}
