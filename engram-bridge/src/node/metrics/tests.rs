use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engram_gossip_net::Stats;
use engram_vclock::ClockFault;
use prometheus_client::metrics::histogram::Histogram;

use super::*;
use crate::engram::ports::ConsolidationCacheSource;
use crate::engram::timestamp::Timestamp;
use crate::node::metrics::Totals;
use crate::replica::across_ids::AcrossIdsStats;
use crate::replica::caps::{Cap, CapUsage};
use crate::replica::stats::SpaceStats;
use crate::spaces::observer::RunInput;
use crate::spaces::observer::{ConsolidationRun, RunStats};
use crate::spaces::stats::WriteStats;

fn reading() -> Reading {
    let mut net = Stats::default();
    net.sessions.insert("in_sync", 3);
    net.sessions.insert("unsendable", 2);
    net.sessions_failed.insert("lost", 1);
    net.connections_failed.insert("expired", 2);
    net.connections_failed.insert("timed_out", 4);
    net.sessions_over_allowance.insert("peer_bytes", 6);
    net.sessions_delayed.insert("send_rate", 7);
    let session_seconds = Histogram::new([0.001, 0.1]);
    session_seconds.observe(0.01);
    Reading {
        net,
        totals: Totals::default(),
        compare_seconds: session_seconds.clone(),
        session_seconds,
        peers: Vec::new(),
        spaces: vec![SpaceReading {
            name: "notes".to_owned(),
            stats: SpaceStats {
                root: [0; 32].into(),
                generation: 3,
                records: 9,
                visible: 7,
                conflicting: 1,
                crowded: 0,
                deletions: 2,
                suppressed: 4,
                context_entries: 11,
                unlisted_entries: 1,
            },
            waiting: 6,
            across_ids: AcrossIdsStats {
                groups: 14,
                members: 15,
                disputed: 16,
                pending: 17,
                ..AcrossIdsStats::default()
            },
            refused: 18,
            conflicts_met: 20,
            runs: runs(),
        }],
        strategy: "confidence-voting/1".to_owned(),
        writes: WriteStats {
            written: 5,
            commits: 3,
            commit_time: Duration::from_millis(1_500),
            stored_bytes: Some(4_096),
            stored_records: Some(17),
            reissued: 8,
            over_cap: BTreeMap::from([(Cap::Deletions, 13)]),
            clock_fault: Some(ClockFault::Ahead { now: 2, told: 1 }),
            ..WriteStats::default()
        },
        recent_reissues: 2,
        caps: Cap::ALL.map(|cap| CapUsage { cap, used: 1, limit: 5 }),
        repaired_rows: 12,
        set_aside: false,
        certificate_until: 1_900_000_000.0,
        ready: true,
        now: Duration::from_secs(1_000_000_000).as_secs_f64(),
    }
}

fn runs() -> RunStats {
    let mut runs = RunStats::default();
    runs.add(ConsolidationRun::new(&RunInput {
        source: ConsolidationCacheSource::Scheduler,
        generated_at: Timestamp::from_nanoseconds(999_999_990_000_000_000),
        now: Timestamp::EPOCH,
        patterns: 7,
        citations: 19,
        updates: &[],
        refused: 18,
        stored: true,
    }));
    runs
}

#[test]
fn exposition_has_exactly_the_metrics_table() {
    let text = encode(reading());
    let described: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    let table: BTreeSet<_> = METRICS
        .iter()
        .map(|m| m.name.strip_suffix("_total").unwrap_or(m.name).to_owned())
        .collect();
    assert_eq!(described, table);
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn samples_carry_their_labels_and_values() {
    let text = encode(reading());
    for line in [
        r#"engram_gossip_sessions_total{outcome="in_sync"} 3"#,
        r#"engram_gossip_sessions_total{outcome="unsendable"} 2"#,
        r#"engram_gossip_sessions_total{outcome="failed"} 1"#,
        r#"engram_gossip_auth_failures_total{reason="expired"} 2"#,
        r#"engram_gossip_connection_failures_total{reason="timed_out"} 4"#,
        r#"engram_gossip_limited_total{reason="peer_bytes"} 6"#,
        r#"engram_gossip_sessions_delayed_total{reason="send_rate"} 7"#,
        r#"engram_gossip_conflicts{space="notes",strategy="confidence-voting/1"} 1.0"#,
        r#"engram_gossip_deletions{space="notes"} 2.0"#,
        r#"engram_gossip_suppressed_digests{space="notes"} 4.0"#,
        r#"engram_gossip_context_entries{space="notes"} 11.0"#,
        r#"engram_gossip_unlisted_entries{space="notes"} 1.0"#,
        r#"engram_gossip_waiting_submissions{space="notes"} 6.0"#,
        r#"engram_gossip_id_groups{space="notes"} 14.0"#,
        r#"engram_gossip_id_group_members{space="notes"} 15.0"#,
        r#"engram_gossip_disputed_patterns{space="notes"} 16.0"#,
        r#"engram_gossip_uncompared_patterns{space="notes"} 17.0"#,
        r#"engram_gossip_refused_patterns{space="notes"} 18.0"#,
        r#"engram_consolidation_runs_total{space="notes",source="scheduler"} 1"#,
        r#"engram_consolidation_runs_total{space="notes",source="on_demand"} 0"#,
        r#"engram_consolidation_freshness_seconds{space="notes"} 10.0"#,
        r#"engram_consolidation_citations_current{space="notes"} 19.0"#,
        "engram_consolidation_gossip_rounds_total 6",
        r#"engram_consolidation_conflicts_total{space="notes",type="concurrent_update"} 20"#,
        "engram_consolidation_merkle_compare_seconds_count 1",
        "engram_consolidation_deltas_transferred_bytes 0.0",
        "engram_gossip_reissues_total 8",
        "engram_gossip_recent_reissues 2.0",
        r#"engram_gossip_clock_fault{kind="ahead"} 1.0"#,
        r#"engram_gossip_clock_fault{kind="behind"} 0.0"#,
        r#"engram_gossip_over_cap_total{cap="store.max_deletions"} 13"#,
        r#"engram_gossip_cap_used{cap="store.max_live_records"} 1.0"#,
        r#"engram_gossip_cap_limit{cap="store.max_content_mib"} 5.0"#,
        "engram_gossip_versions_written_total 5",
        "engram_gossip_store_commits_total 3",
        "engram_gossip_store_commit_seconds_total 1.5",
        "engram_gossip_store_size_bytes 4096.0",
        "engram_gossip_store_records 17.0",
        "engram_gossip_storage_failure 0.0",
        "engram_gossip_store_repaired_rows 12.0",
        "engram_gossip_store_set_aside 0.0",
        "engram_gossip_certificate_expiry_timestamp_seconds 1900000000.0",
        "engram_gossip_ready 1.0",
        r#"engram_gossip_session_duration_seconds_bucket{le="0.1"} 1"#,
        "engram_gossip_session_duration_seconds_count 1",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
    }
}

#[test]
fn every_series_is_there_from_the_start() {
    let text =
        encode(Reading { net: Stats::default(), writes: WriteStats::default(), ..reading() });
    for line in [
        r#"engram_gossip_auth_failures_total{reason="not_in_roster"} 0"#,
        r#"engram_gossip_connection_failures_total{reason="timed_out"} 0"#,
        r#"engram_gossip_limited_total{reason="peer_bytes"} 0"#,
        r#"engram_gossip_sessions_delayed_total{reason="send_rate"} 0"#,
        r#"engram_gossip_over_cap_total{cap="store.max_unlisted_entries"} 0"#,
        r#"engram_gossip_clock_fault{kind="ahead"} 0.0"#,
        "engram_gossip_reissues_total 0",
        "engram_gossip_implausible_total 0",
        "engram_gossip_store_errors_total 0",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
    }
}

#[test]
fn names_follow_the_rules_of_prometheus() {
    let mut names = BTreeSet::new();
    for metric in METRICS {
        let Metric { name, kind, unit, help, .. } = metric;
        assert!(names.insert(name), "{name} is listed twice");
        let known = ["engram_gossip_", "engram_consolidation_"];
        assert!(known.iter().any(|prefix| name.starts_with(prefix)), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == MetricKind::Counter, "{name}");
        let stem = name.strip_suffix("_total").unwrap_or(name);
        assert!(unit.is_none_or(|unit| stem.ends_with(unit)), "{name} hides its unit");
        assert!(help.ends_with(['.', '?']), "{name}: {help}");
    }
}
