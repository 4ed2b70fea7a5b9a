//! The shipped alert rules, evaluated by Prometheus's promtool on the metrics of real nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

use super::machine::Machine;
use crate::common::process::DEADLINE;

/// The numbers of minutes for which the metrics from before a step, and those from after it, are
/// repeated.
const MINUTES: [u64; 2] = [15, 20];

/// The minute at which the alerts are evaluated: the longest `for` of the expected alerts, 5
/// minutes, has passed, and a counter's 15-minute range still begins before the step.
const LOOK: u64 = 23;

/// One scrape of the metrics of some nodes.
#[derive(Clone, Default)]
pub(crate) struct Scrape {
    /// The values by node and series; `None` for a node that is not running.
    nodes: BTreeMap<String, Option<BTreeMap<String, f64>>>,
}

/// The steps so far, each as a test for promtool.
#[derive(Default)]
pub(crate) struct Alerts {
    tests: Vec<Value>,
}

impl Scrape {
    pub(crate) fn of(machines: &[&Machine]) -> Self {
        let nodes = machines.iter().map(|machine| {
            let series = machine.is_running().then(|| series(machine));
            (machine.name.clone(), series)
        });
        Self { nodes: nodes.collect() }
    }

    /// Scrapes until each of `machines` that answered both scrapes has had further sessions.
    /// Returns the last scrape.
    pub(crate) fn next(&self, machines: &[&Machine]) -> Self {
        self.once(machines, |before, after| rounds(after) > rounds(before))
    }

    /// Scrapes until `fits` is true of the earlier and the new metrics of each of `machines` that
    /// answered both scrapes. Returns the last scrape.
    pub(crate) fn once(
        &self,
        machines: &[&Machine],
        fits: impl Fn(&BTreeMap<String, f64>, &BTreeMap<String, f64>) -> bool,
    ) -> Self {
        let begun = Instant::now();
        loop {
            let next = Self::of(machines);
            let moved = |name: &String| match (&self.nodes[name], &next.nodes[name]) {
                (Some(before), Some(after)) => fits(before, after),
                _ => true,
            };
            if next.nodes.keys().all(moved) {
                return next;
            }
            assert!(begun.elapsed() < DEADLINE, "no scrape fits");
        }
    }
}

/// The series of a node, without histogram buckets, which no alert uses. Timestamps are shifted so
/// that the present is the time of the evaluation.
fn series(machine: &Machine) -> BTreeMap<String, f64> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let text = machine.metrics();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.contains("_bucket"));
    let read = lines.map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap();
        let shift = if series.contains("_timestamp_") { now - (60 * LOOK) as f64 } else { 0.0 };
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let comma = if labels == "}" { "" } else { "," };
        let instance = &machine.name;
        (format!("{name}{{instance=\"{instance}\",job=\"engram\"{comma}{labels}"), value - shift)
    });
    read.collect()
}

/// The number of sessions so far, with any outcome.
fn rounds(series: &BTreeMap<String, f64>) -> f64 {
    let rounds = series.iter().filter(|(name, _)| name.starts_with("engram_gossip_sessions_total"));
    rounds.map(|(_, value)| value).sum()
}

impl Alerts {
    /// Adds a test that exactly these alerts fire after the step, each given as `ALERT NODE`.
    pub(crate) fn fire(&mut self, step: &str, [before, after]: [&Scrape; 2], expected: &[&str]) {
        self.add(step, [before, after], "", expected);
    }

    /// Adds a test that this alert fires on `node` alone after the step. Ignores all other alerts.
    pub(crate) fn fires(&mut self, step: &str, scrapes: [&Scrape; 2], alert: &str, node: &str) {
        let only = format!(", alertname=\"{alert}\"");
        self.add(step, scrapes, &only, &[&format!("{alert} {node}")]);
    }

    fn add(&mut self, step: &str, [before, after]: [&Scrape; 2], only: &str, expected: &[&str]) {
        let mut all = Vec::new();
        for (node, now) in &after.nodes {
            let then = before.nodes[node].as_ref();
            let up = [then.is_some(), now.is_some()].map(|up| u8::from(up).to_string());
            all.push(json!({
                "series": format!("up{{instance=\"{node}\",job=\"engram\"}}"), "values": values(up),
            }));
            let (empty, gone) = (BTreeMap::new(), "stale".to_owned());
            let (then, now) = (then.unwrap_or(&empty), now.as_ref().unwrap_or(&empty));
            let names: BTreeSet<_> = then.keys().chain(now.keys()).collect();
            for name in names {
                let value = |of: &BTreeMap<String, f64>| of.get(name).map(f64::to_string);
                let values = match (value(then), value(now)) {
                    (Some(then), None) => format!("{then}x{} {gone}", MINUTES[0]),
                    (then, now) => values([then.unwrap_or_else(|| "_".to_owned()), now.unwrap()]),
                };
                all.push(json!({ "series": name, "values": values }));
            }
        }
        let expected = expected.iter().map(|alert| {
            let (alert, node) = alert.split_once(' ').unwrap();
            json!({ "labels": format!("{{alertname=\"{alert}\", instance=\"{node}\"}}"), "value": 1 })
        });
        self.tests.push(json!({
            "name": step,
            "interval": "1m",
            "input_series": all,
            "promql_expr_test": [{
                "expr": format!("group by (alertname, instance) (ALERTS{{alertstate=\"firing\"{only}}})"),
                "eval_time": format!("{LOOK}m"),
                "exp_samples": expected.collect::<Vec<_>>(),
            }],
        }));
    }

    /// Evaluates all steps with promtool. If promtool is not installed, reports that the check is
    /// skipped.
    pub(crate) fn check(self, folder: &Path) {
        let mut probe = Command::new("promtool");
        probe.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        if !probe.status().is_ok_and(|status| status.success()) {
            eprintln!("skipped the alert check: promtool is not installed");
            return;
        }
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboard/alerts.yml");
        let file = folder.join("alerts.test.yml");
        let tests = json!({
            "rule_files": [rules], "evaluation_interval": "1m", "tests": self.tests,
        });
        // Every JSON text is also YAML.
        fs::write(&file, tests.to_string()).unwrap();
        let tested = Command::new("promtool").args(["test", "rules"]).arg(&file).output().unwrap();
        let said = [tested.stdout, tested.stderr].concat();
        assert!(tested.status.success(), "{}", String::from_utf8_lossy(&said));
    }
}

fn values([before, after]: [String; 2]) -> String {
    let [then, now] = MINUTES;
    format!("{before}x{then} {after}x{now}")
}
