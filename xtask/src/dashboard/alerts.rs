//! When somebody should be woken, and what to do then.

use std::fmt::Write as _;

use anyhow::{Result, bail};

use super::Metric;

struct Alert {
    name: &'static str,
    /// The metric that it looks at.
    metric: &'static str,
    /// What of it is wrong; `METRIC` stands for its name.
    when: &'static str,
    /// How long before anybody is told.
    lasts: &'static str,
    severity: &'static str,
    says: &'static str,
    /// The heading of the runbook.
    runbook: &'static str,
}

const ALERTS: [Alert; 6] = [
    Alert {
        name: "EngramPeerLags",
        metric: "engram_gossip_peer_lag_seconds",
        when: "METRIC > 600",
        lasts: "5m",
        severity: "warning",
        says: "{{ $labels.instance }} and {{ $labels.peer }} were not equal for ten minutes.",
        runbook: "a-peer-lags",
    },
    Alert {
        name: "EngramNoContact",
        metric: "engram_gossip_rounds_total",
        when: "sum by (instance) (increase(METRIC[15m])) == 0",
        lasts: "5m",
        severity: "critical",
        says: "{{ $labels.instance }} had no session for fifteen minutes.",
        runbook: "a-node-is-alone",
    },
    Alert {
        name: "EngramRefused",
        metric: "engram_gossip_auth_failures_total",
        when: "increase(METRIC[15m]) > 0",
        lasts: "0m",
        severity: "warning",
        says: "A handshake with {{ $labels.instance }} was refused: {{ $labels.reason }}.",
        runbook: "a-handshake-is-refused",
    },
    Alert {
        name: "EngramNodeRunsTwice",
        metric: "engram_gossip_incarnations_rolled_total",
        when: "increase(METRIC[1h]) > 0",
        lasts: "0m",
        severity: "critical",
        says: "{{ $labels.instance }} met writes of its own that it had not made.",
        runbook: "a-node-runs-twice",
    },
    Alert {
        name: "EngramNotUnderstood",
        metric: "engram_gossip_decode_errors_total",
        when: "increase(METRIC[15m]) > 0",
        lasts: "15m",
        severity: "warning",
        says: "{{ $labels.instance }} gets bytes that it does not understand: {{ $labels.reason }}.",
        runbook: "upgrade-the-wire-version",
    },
    Alert {
        name: "EngramConflictsPileUp",
        metric: "engram_gossip_conflicts",
        when: "METRIC > 0.1 * on (instance, space) group_left engram_gossip_visible_patterns",
        lasts: "1h",
        severity: "info",
        says: "More than a tenth of the patterns of {{ $labels.space }} have several versions.",
        runbook: "patterns-have-many-versions",
    },
];

/// A file of Prometheus alert rules.
pub(super) fn rules(metrics: &[Metric]) -> Result<String> {
    let mut text = String::from(
        "# Written by cargo xtask dashboard; edit xtask/src/dashboard/alerts.rs instead.\n\
         groups:\n  - name: engram-consolidation-gossip\n    rules:\n",
    );
    for alert in &ALERTS {
        if !metrics.iter().any(|metric| metric.name == alert.metric) {
            bail!("{} looks at {}, which no node has", alert.name, alert.metric);
        }
        let Alert { name, lasts, severity, says, runbook, .. } = alert;
        let when = alert.when.replace("METRIC", alert.metric);
        write!(
            text,
            "      - alert: {name}\n        expr: {when}\n        for: {lasts}\n        labels:\n          \
             severity: {severity}\n        annotations:\n          summary: '{says}'\n          \
             runbook: engram-bridge/docs/OPERATIONS.md#{runbook}\n",
        )?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::metric;
    use super::*;

    #[test]
    fn an_alert_on_a_metric_that_is_gone_is_an_error() {
        let all: Vec<_> = ALERTS.iter().map(|alert| metric(alert.metric, "gauge", &[])).collect();
        assert!(rules(&all).unwrap().contains("alert: EngramPeerLags"));
        let error = rules(&all[1..]).unwrap_err().to_string();
        assert!(error.contains("engram_gossip_peer_lag_seconds"), "{error}");
    }

    #[test]
    fn every_alert_leads_to_a_heading_of_the_runbook() {
        let runbook = crate::command::root().join("engram-bridge/docs/OPERATIONS.md");
        let text = std::fs::read_to_string(runbook).unwrap();
        for alert in &ALERTS {
            let heading = alert.runbook.replace('-', " ");
            let mut headings = text.lines().filter(|line| line.starts_with('#'));
            assert!(headings.any(|line| line.to_lowercase().ends_with(&heading)), "{heading}");
        }
    }
}
