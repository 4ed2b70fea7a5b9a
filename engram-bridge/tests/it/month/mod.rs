//! A month of a cluster, in one script. After each step, the page's JSON, health, metrics, alerts
//! and events report the true state.

mod alerts;
pub(crate) mod machine;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use engram_gossip_net::{ClusterCa, Validity};
use serde_json::json;
use tempfile::TempDir;

use crate::common::process::*;
use alerts::{Alerts, Scrape};
use machine::{Machine, codes};

/// Three nodes, and the recorded steps for the check of the alerts.
struct Month {
    folder: TempDir,
    a: Machine,
    b: Machine,
    c: Machine,
    alerts: Alerts,
}

#[test]
fn a_month_of_a_cluster() {
    let mut month = Month::begin();
    month.full_disk();
    month.certificate();
    month.backup();
    month.configuration();
    month.eviction();
    month.copy();
    month.alerts.check(month.folder.path());
}

/// Checks that all nodes hold `patterns` patterns under one root, and are ready without a warning.
fn all_is_well(machines: &[&Machine], patterns: u64) {
    let well = |machine: &Machine| {
        machine.tells("well", |told| told.visible() == patterns && told.is_well())
    };
    let root = well(machines[0]).node["root"].clone();
    for machine in &machines[1..] {
        machine.tells("equal", |told| told.node["root"] == root && told.is_well());
    }
}

impl Month {
    fn nodes(&self) -> [&Machine; 3] {
        [&self.a, &self.b, &self.c]
    }

    /// Checks that all nodes report that they are healthy, and records a test that no alert fires
    /// some time later. Returns the last scrape.
    fn all_is_well(&mut self, step: &str, patterns: u64) -> Scrape {
        all_is_well(&self.nodes(), patterns);
        let well = Scrape::of(&self.nodes());
        let later = well.next(&self.nodes());
        self.alerts.fire(step, [&well, &later], &[]);
        later
    }

    /// Starts the cluster on the first day.
    fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [a, b, c] = <[_; 3]>::try_from(init(folder.path(), 3)).unwrap().map(Machine::stopped);
        let mut month = Self { folder, a, b, c, alerts: Alerts::default() };
        for node in [&mut month.a, &mut month.b, &mut month.c] {
            // Rounds every second, so that a first snapshot waits only briefly for a peer that
            // starts later.
            node.edit("[store]\n", "[gossip]\ninterval_seconds = 1\n\n[store]\n");
            node.start();
        }
        month.a.submit(0, &["p", "q", "r"]);
        month.all_is_well("the first day", 3);
        month
    }

    /// The disk of node-b becomes full, and then has room again.
    fn full_disk(&mut self) {
        let before = Scrape::of(&self.nodes());
        let size = fs::metadata(self.b.folder.join("state/state.redb")).unwrap().len();
        self.b.limit_files(&size.to_string());
        let ids: Vec<_> = (0..300).map(|n| format!("big-{n}")).collect();
        self.a.submit(1, &ids.iter().map(String::as_str).collect::<Vec<_>>());
        let told = self.b.tells("full", |told| told.codes() == ["storage_failure"]);
        assert!(told.node["unready"].as_str().unwrap().contains("cannot be stored"));
        assert!(told.metrics.contains("engram_gossip_storage_failure 1.0"));
        self.b.process().event("storage_failure");
        let unstored = r#"engram_gossip_patterns_total{instance="node-b",job="engram",direction="received",result="unstored"}"#;
        before.once(&self.nodes(), |before, after| {
            before.get(unstored).is_none_or(|before| after[unstored] > *before)
        });
        let full = before.next(&self.nodes());
        // No alert about rejected records fires, because the storage failure has its own alert.
        let alerts = ["EngramNotReady", "EngramStorageFailure", "EngramStoreErrors"];
        let alerts = alerts.map(|alert| format!("{alert} node-b"));
        self.alerts.fire("a full disk", [&before, &full], &alerts.each_ref().map(String::as_str));

        self.b.limit_files("unlimited");
        self.all_is_well("a disk with room again", 303);
        self.b.process().event("storage_recovered");
        let seen = &self.b.process().seen;
        let lines = seen.iter().filter(|event| event["event"] == "storage_failure").count();
        assert_eq!(lines, 1, "one event for each failure");
    }

    /// The certificate of node-c nears its expiry, expires, and is rotated.
    fn certificate(&mut self) {
        let before = Scrape::of(&self.nodes());
        self.rotate("7");
        let checked = succeeds(&["check", "--config", "cluster.toml"], &self.c.folder);
        assert!(checked.contains("warning: the certificate expires soon"), "{checked}");
        assert_eq!(self.c.ctl(&["reload"])["changed"], json!(["tls.certificate"]));
        self.c.tells("warned", |told| told.codes() == ["certificate_expires"]);
        self.c.process().event("certificate_expires");
        let soon = before.next(&self.nodes());
        let alerts = ["EngramCertificateExpires node-c"];
        self.alerts.fire("a certificate expires soon", [&before, &soon], &alerts);

        self.let_certificate_expire();
        self.c.tells("expired", |told| told.codes() == ["certificate_expired"]);
        self.c.process().event("certificate_expired");
        self.check_refuses("expired");
        let expired = soon.next(&self.nodes());
        let alerts = ["EngramCertificateExpired node-c", "EngramCertificateExpires node-c"];
        self.alerts.fire("a certificate has expired", [&soon, &expired], &alerts);

        self.rotate("365");
        self.c.ctl(&["reload"]);
        self.all_is_well("a new certificate", 303);
    }

    /// Waits until `check` refuses node-c: a certificate is valid to the end of its last second.
    fn check_refuses(&self, reason: &str) {
        let begun = Instant::now();
        loop {
            let checked = engram_node(&["check", "--config", "cluster.toml"], &self.c.folder);
            let complaint = String::from_utf8_lossy(&checked.stderr).into_owned();
            if !checked.status.success() {
                assert!(complaint.contains(reason), "{complaint}");
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "never {reason}");
        }
    }

    fn rotate(&self, days: &str) {
        let (ca, node) = (self.folder.path().join("cluster"), self.c.folder.join("node.pem"));
        let (ca, node) = (ca.display().to_string(), node.display().to_string());
        let arguments = ["certs", "rotate", &node, "--ca", &ca];
        succeeds(&[&arguments[..], &["--days", days]].concat(), self.folder.path());
    }

    /// Gives node-c a certificate that is valid for a few seconds, retrying with more seconds until
    /// the node reads it in time.
    fn let_certificate_expire(&self) {
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        let ca = self.folder.path().join("cluster");
        let ca = ClusterCa::from_pem(&read(ca.join("ca.pem")), &read(ca.join("ca.key"))).unwrap();
        let key = read(self.c.folder.join("node.key"));
        let state = self.c.folder.join("state").display().to_string();
        for seconds in (1..8).map(|doublings| 1 << doublings) {
            let until = SystemTime::now() + Duration::from_secs(seconds);
            let validity = Validity { until, ..Validity::days_from(SystemTime::now(), 1) };
            let issued = ca.renew_node("node", &key, validity).unwrap();
            fs::write(self.c.folder.join("node.pem"), issued.certificate_pem).unwrap();
            let reload = ["ctl", "--state-folder", &state, "reload"];
            if engram_node(&reload, &self.c.folder).status.success() {
                return;
            }
        }
        panic!("each certificate had expired before the node read it");
    }

    /// A backup of node-b is restored after a pattern has been forgotten.
    fn backup(&mut self) {
        self.b.ctl(&["backup", "copy"]);
        self.a.ctl(&["forget", "default", "p"]);
        let before = self.all_is_well("a deletion", 302);
        self.b.stop();
        let stopped = before.next(&self.nodes());
        self.alerts.fire("a node is down", [&before, &stopped], &["EngramNodeDown node-b"]);
        fs::remove_dir_all(self.b.folder.join("state")).unwrap();
        fs::rename(self.b.folder.join("copy"), self.b.folder.join("state")).unwrap();
        self.b.start();
        self.all_is_well("a backup that was restored", 302);
    }

    /// The configuration changes: some keys take effect immediately, others at the next start,
    /// and an invalid file changes nothing.
    fn configuration(&mut self) {
        let a = &self.a;
        a.edit(
            "interval_seconds = 1\n",
            "interval_seconds = 1\nfanout = 2\n\n[limits]\npeer_mib_per_second = 64\n",
        );
        let reloaded = a.ctl(&["reload"]);
        assert_eq!(reloaded["changed"], json!(["limits.peer_mib_per_second"]));
        assert_eq!(reloaded["waiting"], json!(["gossip.fanout"]));
        a.edit("fanout = 2", "fanout = 0");
        let complaint = fails(&["ctl", "--state-folder", "state", "reload"], &a.folder);
        assert!(complaint.contains("gossip.fanout (line"), "{complaint}");
        let checked = fails(&["check", "--config", "cluster.toml"], &a.folder);
        assert!(checked.contains("gossip.fanout"), "{checked}");
        a.edit("fanout = 0", "fanout = 2");
        self.a.stop();
        self.a.start();
        self.all_is_well("another configuration", 302);
    }

    /// node-c is evicted, and its versions are withdrawn.
    fn eviction(&mut self) {
        self.c.submit(0, &["of-c"]);
        self.all_is_well("a pattern of node-c", 303);
        let id = succeeds(&["certs", "show", "node.pem"], &self.c.folder);
        let id = id.lines().next().unwrap();
        for machine in [&self.a, &self.b] {
            let path = machine.folder.join("cluster.toml");
            let text = fs::read_to_string(&path).unwrap();
            let kept = text.split("[[peers]]").filter(|peer| !peer.contains(id));
            fs::write(path, kept.collect::<Vec<_>>().join("[[peers]]")).unwrap();
            assert_eq!(machine.ctl(&["reload"])["changed"], json!(["peers"]));
        }
        self.c.tells("evicted", |told| {
            told.node["unready"].as_str().is_some_and(|reason| reason.contains("roster"))
        });
        self.c.process().event("unreachable");
        let before = Scrape::of(&self.nodes());
        let refused = |series: &BTreeMap<String, f64>| {
            let refused = series.iter().filter(|(name, _)| name.contains("_auth_failures_total"));
            refused.map(|(_, count)| count).sum::<f64>()
        };
        let after = before.once(&self.nodes(), |before, after| refused(after) > refused(before));
        let alerts = [
            "EngramNoContact node-c",
            "EngramNotReady node-c",
            "EngramRefused node-a",
            "EngramRefused node-b",
            "EngramRefused node-c",
        ];
        self.alerts.fire("an evicted node", [&before, &after], &alerts);
        assert_eq!(self.a.ctl(&["forget", "--node", id])["patterns"], 1);
        all_is_well(&[&self.a, &self.b], 302);
    }

    /// Starts a second node on a copy of node-a's folder, key included.
    fn copy(&mut self) {
        self.a.stop();
        let copied = self.folder.path().join("copied");
        let copy = Command::new("cp").arg("-r").args([&self.a.folder, &copied]).status();
        assert!(copy.unwrap().success());
        self.a.start();
        let mut copy = Machine::stopped(copied);
        let text = fs::read_to_string(copy.folder.join("cluster.toml")).unwrap();
        let listen = text.lines().find(|line| line.starts_with("listen")).unwrap();
        copy.edit(listen, "listen = \"127.0.0.1:0\"");
        copy.start();
        let before = Scrape::of(&[&self.a, &copy]);
        self.a.submit(7, &["q"]);
        copy.submit(8, &["q"]);
        // At least one of the two learns of the other's write, whatever the order of connections.
        let begun = Instant::now();
        let noticed = |machine: &Machine| {
            let node = machine.json("/cluster/consolidation");
            codes(&node).contains(&"reissued".to_owned())
        };
        while !noticed(&self.a) && !noticed(&copy) {
            assert!(begun.elapsed() < DEADLINE, "the clone is not detected");
        }
        let of = if noticed(&self.a) { &mut self.a } else { &mut copy };
        let told = of.tells("cloned", |told| told.codes() == ["reissued"]);
        assert!(!told.metrics.contains("engram_gossip_recent_reissues 0.0"));
        of.process().event("reissued");
        let name = of.name.clone();
        let cloned = Scrape::of(&[&self.a, &copy]);
        self.alerts.fires("a clone", [&before, &cloned], "EngramReissued", &name);
    }
}
