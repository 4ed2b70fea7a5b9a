//! An overview, and one panel for each metric, grouped into rows by topic.

use serde_json::{Value, json};

use super::Metric;

/// The rows in display order, each with parts of the names of its metrics. The last row has all other metrics.
const ROWS: [(&str, &[&str]); 6] = [
    (
        "Convergence",
        &["lag", "divergent", "last_success", "sessions_total", "visibility", "triggers"],
    ),
    ("Patterns", &["patterns", "conflicts", "deletions", "versions", "suppressed", "waiting"]),
    (
        "Versions, clocks and caps",
        &[
            "reissues",
            "given_up",
            "clashes",
            "dropped",
            "implausible",
            "ahead",
            "clock",
            "cap",
            "entries",
        ],
    ),
    ("Traffic", &["bytes_total", "adverts", "duration", "round_trip"]),
    ("Trouble", &["limited", "errors", "failure", "lost", "store", "delayed"]),
    ("Node", &[""]),
];

/// A grid has 24 columns, for three panels in a row.
const WIDTH: usize = 8;
const HEIGHT: usize = 7;

/// The first row: the numbers that an operator looks at first, each with its unit and the value at which it turns red,
/// if there is one.
const OVERVIEW: [Number; 6] = [
    Number { title: "Ready nodes", of: "sum(engram_gossip_ready{N})", unit: "short", bad: None },
    Number {
        title: "Nodes not ready",
        of: "count(engram_gossip_ready{N}) - sum(engram_gossip_ready{N})",
        unit: "short",
        bad: Some(1),
    },
    Number {
        title: "Failing disks",
        of: "sum(engram_gossip_storage_failure{N})",
        unit: "short",
        bad: Some(1),
    },
    Number {
        title: "Longest time without equal roots",
        of: "max(engram_gossip_peer_lag_seconds{N})",
        unit: "s",
        bad: Some(600),
    },
    Number {
        title: "Time until a certificate expires",
        of: "min(engram_gossip_certificate_expiry_timestamp_seconds{N}) - time()",
        unit: "s",
        bad: None,
    },
    Number {
        title: "Reissued writes, last hour",
        of: "sum(engram_gossip_recent_reissues{N})",
        unit: "short",
        bad: Some(1),
    },
];

/// One number of the first row. In its query, `{N}` is replaced by the selected nodes.
struct Number {
    title: &'static str,
    of: &'static str,
    unit: &'static str,
    bad: Option<u32>,
}

/// Adds the first row, and returns the row of the grid at which it ends.
fn overview(panels: &mut Vec<Value>) -> usize {
    panels.push(heading("Overview", panels.len() + 1, 0));
    for (number, Number { title, of, unit, bad }) in OVERVIEW.iter().enumerate() {
        let good = json!({"color": "green", "value": null});
        let bad = bad.map(|bad| json!({"color": "red", "value": bad}));
        let steps: Vec<_> = [good].into_iter().chain(bad).collect();
        panels.push(json!({
            "type": "stat", "id": panels.len() + 1, "title": title, "datasource": source(),
            "gridPos": {"x": number * 4, "y": 1, "w": 4, "h": 4},
            "fieldConfig": {
                "defaults": {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}},
                "overrides": [],
            },
            "options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background"},
            "targets": [{"refId": "A", "expr": of.replace("{N}", r#"{instance=~"$node"}"#)}],
        }));
    }
    5
}

fn heading(title: &str, id: usize, top: usize) -> Value {
    json!({
        "type": "row", "title": title, "collapsed": false, "panels": [],
        "id": id, "gridPos": {"x": 0, "y": top, "w": 24, "h": 1},
    })
}

pub(super) fn dashboard(metrics: &[Metric]) -> Value {
    let mut panels = Vec::new();
    let mut top = overview(&mut panels);
    for (row, (title, _)) in ROWS.iter().enumerate() {
        let members: Vec<_> = metrics.iter().filter(|metric| row_of(&metric.name) == row).collect();
        if members.is_empty() {
            continue;
        }
        panels.push(heading(title, panels.len() + 1, top));
        top += 1;
        for (number, metric) in members.iter().enumerate() {
            let (x, y) = (number % 3 * WIDTH, top + number / 3 * HEIGHT);
            let place = json!({"x": x, "y": y, "w": WIDTH, "h": HEIGHT});
            panels.push(panel(metric, panels.len() + 1, place));
        }
        top += members.len().div_ceil(3) * HEIGHT;
    }
    json!({
        "title": "Engram consolidation gossip",
        "uid": "engram-consolidation-gossip",
        "schemaVersion": 38,
        "tags": ["engram"],
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Source"},
            {
                "name": "node", "type": "query", "label": "Node", "multi": true, "includeAll": true,
                "datasource": source(), "refresh": 2,
                "query": "label_values(engram_gossip_build_info, instance)",
            },
        ]},
        "panels": panels,
    })
}

fn row_of(name: &str) -> usize {
    let answers = |(_, words): &(&str, &[&str])| words.iter().any(|word| name.contains(word));
    ROWS.iter().position(answers).expect("the last row takes everything")
}

fn panel(metric: &Metric, id: usize, place: Value) -> Value {
    let title = metric.name.trim_start_matches("engram_gossip_").trim_end_matches("_total");
    json!({
        "type": "timeseries", "id": id, "gridPos": place,
        "title": title.replace('_', " "), "description": metric.help,
        "datasource": source(),
        "fieldConfig": {"defaults": {"unit": unit(metric), "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": [{"refId": "A", "expr": query(metric), "legendFormat": legend(metric)}],
    })
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

fn query(metric: &Metric) -> String {
    let (name, chosen) = (&metric.name, r#"instance=~"$node""#);
    match metric.kind.as_str() {
        "counter" => format!("rate({name}{{{chosen}}}[$__rate_interval])"),
        "histogram" => format!(
            "histogram_quantile(0.99, sum by (le, instance) (rate({name}_bucket{{{chosen}}}[$__rate_interval])))"
        ),
        _ if metric.unit.as_deref() == Some("seconds") && name.contains("timestamp") => {
            format!("time() - {name}{{{chosen}}}")
        }
        _ => format!("{name}{{{chosen}}}"),
    }
}

fn legend(metric: &Metric) -> String {
    let labels = metric.labels.iter().map(|label| format!(" {{{{{label}}}}}"));
    ["{{instance}}".to_owned()].into_iter().chain(labels).collect()
}

fn unit(metric: &Metric) -> &'static str {
    match (metric.unit.as_deref(), metric.kind.as_str()) {
        (Some("seconds"), _) => "s",
        (Some("bytes"), "counter") => "Bps",
        (Some("bytes"), _) => "bytes",
        (_, "counter") => "cps",
        _ => "short",
    }
}

#[cfg(test)]
mod tests {
    use super::super::metric;
    use super::*;

    #[test]
    fn every_metric_has_a_panel_without_overlap() {
        let names = [
            "a_lag_seconds",
            "a_bytes_total",
            "b_bytes_total",
            "c_bytes_total",
            "d_bytes_total",
            "info",
        ];
        let metrics: Vec<_> = names.iter().map(|name| metric(name, "counter", &["peer"])).collect();
        let dashboard = dashboard(&metrics);
        let panels = dashboard["panels"].as_array().unwrap();
        let drawn = panels.iter().filter(|panel| panel["type"] == "timeseries");
        let mut places: Vec<_> = drawn.map(|panel| panel["gridPos"].to_string()).collect();
        assert_eq!(places.len(), names.len());
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), names.len());
    }

    #[test]
    fn overview_queries_filter_by_node() {
        let mut panels = Vec::new();
        overview(&mut panels);
        assert_eq!(panels.len(), 1 + OVERVIEW.len());
        for panel in &panels[1..] {
            let query = panel["targets"][0]["expr"].as_str().unwrap();
            assert!(query.contains(r#"{instance=~"$node"}"#), "{query}");
        }
    }

    #[test]
    fn a_query_suits_its_kind() {
        assert!(query(&metric("n_total", "counter", &[])).starts_with("rate(n_total{"));
        assert!(query(&metric("n", "histogram", &[])).contains("n_bucket{"));
        assert_eq!(legend(&metric("n", "gauge", &["peer"])), "{{instance}} {{peer}}");
    }
}
