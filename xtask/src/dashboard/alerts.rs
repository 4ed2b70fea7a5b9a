//! The alerts, with their entries in the runbook.

use std::fmt::Write as _;

use anyhow::{Result, bail};

use super::Metric;

struct Alert {
    name: &'static str,
    /// The expression that holds during the fault.
    when: &'static str,
    /// The time before the alert fires.
    lasts: &'static str,
    severity: &'static str,
    says: &'static str,
    /// The heading of the runbook.
    runbook: &'static str,
}

const ALERTS: [Alert; 19] = [
    Alert {
        name: "EngramNodeDown",
        when: "up == 0 and on (instance, job) max_over_time(engram_gossip_build_info[1d])",
        lasts: "2m",
        severity: "critical",
        says: "{{ $labels.instance }} does not answer, but answered within the last day.",
        runbook: "a-node-is-down",
    },
    Alert {
        name: "EngramNotReady",
        when: "engram_gossip_ready == 0",
        lasts: "5m",
        severity: "critical",
        says: "{{ $labels.instance }} is not ready; its page and /health/ready say why.",
        runbook: "a-node-is-not-ready",
    },
    Alert {
        name: "EngramCertificateExpires",
        when: "engram_gossip_certificate_expiry_timestamp_seconds - time() < 30 * 86400",
        lasts: "0m",
        severity: "warning",
        says: "The certificate of {{ $labels.instance }} expires within thirty days.",
        runbook: "rotate-a-certificate",
    },
    Alert {
        name: "EngramCertificateExpired",
        when: "engram_gossip_certificate_expiry_timestamp_seconds - time() < 0",
        lasts: "0m",
        severity: "critical",
        says: "The certificate of {{ $labels.instance }} has expired: the node makes no new connections.",
        runbook: "rotate-a-certificate",
    },
    Alert {
        name: "EngramRecordsRejected",
        when: "increase(engram_gossip_patterns_total{result=\"rejected\"}[1h]) > 0",
        lasts: "0m",
        severity: "warning",
        says: "{{ $labels.instance }} refuses records of peers; the event record_rejected names them and the reason.",
        runbook: "roots-are-never-equal",
    },
    Alert {
        name: "EngramStoreErrors",
        when: "increase(engram_gossip_store_errors_total[15m]) > 0",
        lasts: "0m",
        severity: "warning",
        says: "{{ $labels.instance }} could not store some changes; these changes did not happen.",
        runbook: "the-disk-is-full",
    },
    Alert {
        name: "EngramPeerLags",
        when: "engram_gossip_peer_lag_seconds > 600",
        lasts: "5m",
        severity: "warning",
        says: "{{ $labels.instance }} and {{ $labels.peer }} have not been equal for ten minutes.",
        runbook: "a-peer-lags",
    },
    Alert {
        name: "EngramNoContact",
        when: "sum by (instance) (increase(engram_gossip_rounds_total[15m])) == 0 and sum by (instance) (engram_gossip_peers) > 0",
        lasts: "5m",
        severity: "critical",
        says: "{{ $labels.instance }} has had no session for fifteen minutes.",
        runbook: "a-node-is-alone",
    },
    Alert {
        name: "EngramRefused",
        when: "increase(engram_gossip_auth_failures_total[15m]) > 0",
        lasts: "0m",
        severity: "warning",
        says: "A handshake with {{ $labels.instance }} was refused: {{ $labels.reason }}.",
        runbook: "a-handshake-is-refused",
    },
    Alert {
        name: "EngramReissued",
        when: "engram_gossip_recent_reissues > 0",
        lasts: "0m",
        severity: "critical",
        says: "Peers know later versions of {{ $labels.instance }} than it wrote: a second process runs under its key, or its clock or store was set back.",
        runbook: "a-node-runs-twice",
    },
    Alert {
        name: "EngramStorageFailure",
        when: "engram_gossip_storage_failure > 0",
        lasts: "1m",
        severity: "critical",
        says: "{{ $labels.instance }} cannot store changes.",
        runbook: "the-disk-is-full",
    },
    Alert {
        name: "EngramStoreDamaged",
        when: "engram_gossip_store_repaired_rows > 0 or engram_gossip_store_set_aside > 0",
        lasts: "0m",
        severity: "info",
        says: "{{ $labels.instance }} found damaged rows when it started, or set its store aside.",
        runbook: "the-store-is-damaged",
    },
    Alert {
        name: "EngramOverCap",
        when: "increase(engram_gossip_over_cap_total[1h]) > 0",
        lasts: "0m",
        severity: "critical",
        says: "{{ $labels.instance }} refuses records of peers: {{ $labels.cap }} is reached.",
        runbook: "a-cap-is-reached",
    },
    Alert {
        name: "EngramNearCap",
        when: "engram_gossip_cap_used >= 0.8 * engram_gossip_cap_limit",
        lasts: "15m",
        severity: "warning",
        says: "{{ $labels.instance }} has used at least 80 % of {{ $labels.cap }}.",
        runbook: "a-cap-is-reached",
    },
    Alert {
        name: "EngramClockFault",
        when: "engram_gossip_clock_fault > 0",
        lasts: "5m",
        severity: "warning",
        says: "The clock of {{ $labels.instance }} is {{ $labels.kind }}.",
        runbook: "a-clock-is-wrong",
    },
    Alert {
        name: "EngramClockAhead",
        when: "increase(engram_gossip_members_ahead_total[1h]) > 0",
        lasts: "0m",
        severity: "warning",
        says: "A member writes versions ahead of the clock of {{ $labels.instance }}.",
        runbook: "a-clock-is-wrong",
    },
    Alert {
        name: "EngramImplausible",
        when: "increase(engram_gossip_implausible_total[1h]) > 0",
        lasts: "0m",
        severity: "warning",
        says: "{{ $labels.instance }} refuses versions that lie too far in the future.",
        runbook: "a-clock-is-wrong",
    },
    Alert {
        name: "EngramNotUnderstood",
        when: "increase(engram_gossip_decode_errors_total[15m]) > 0",
        lasts: "15m",
        severity: "warning",
        says: "{{ $labels.instance }} receives malformed data: {{ $labels.reason }}.",
        runbook: "upgrade-the-wire-version",
    },
    Alert {
        name: "EngramConflictsPileUp",
        when: "engram_gossip_conflicts > on (instance, space) 0.1 * engram_gossip_visible_patterns",
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
        let Alert { name, when, lasts, severity, says, runbook } = alert;
        let is_known = |name: &&str| metrics.iter().any(|metric| metric.name == *name);
        if let Some(unknown) = names(when).find(|name| !is_known(name)) {
            bail!("{name} uses {unknown}, which no node has");
        }
        write!(
            text,
            "      - alert: {name}\n        expr: {when}\n        for: {lasts}\n        labels:\n          \
             severity: {severity}\n        annotations:\n          summary: '{says}'\n          \
             runbook: engram-bridge/docs/OPERATIONS.md#{runbook}\n",
        )?;
    }
    Ok(text)
}

/// The metrics in an expression.
fn names(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("engram_gossip_"))
}

#[cfg(test)]
mod tests {
    use super::super::metric;
    use super::*;

    #[test]
    fn an_alert_on_a_metric_that_is_gone_is_an_error() {
        let used = ALERTS.iter().flat_map(|alert| names(alert.when));
        let mut all: Vec<_> = used.map(|name| metric(name, "gauge", &[])).collect();
        assert!(rules(&all).unwrap().contains("alert: EngramPeerLags"));
        all.retain(|metric| metric.name != "engram_gossip_cap_limit");
        let error = rules(&all).unwrap_err().to_string();
        assert!(error.contains("EngramNearCap uses engram_gossip_cap_limit"), "{error}");
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
