//! A month of a cluster, in one script: what page, health, metrics and events say is compared after
//! each step.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::common::process::*;

/// The arguments of the program in the unit that ships, for a node in this folder.
fn arguments_of_the_unit(folder: &Path) -> Vec<String> {
    let unit = include_str!("../../deploy/engram-node.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let config = folder.join("cluster.toml").display().to_string();
    let line = line.replace("/etc/engram-node/cluster.toml", &config);
    line.split(' ').skip(1).map(str::to_owned).collect()
}

/// A node of the cluster, which may be stopped.
struct Machine {
    name: String,
    folder: PathBuf,
    process: Option<Process>,
    page: String,
}

/// What a node tells in every way.
struct Told {
    node: Value,
    metrics: String,
}

impl Machine {
    fn new(folder: PathBuf) -> Self {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let mut machine = Self { name, folder, process: None, page: String::new() };
        machine.start();
        machine
    }

    fn start(&mut self) {
        // Writes beyond a limit of the file size fail, as on a full disk, instead of ending the process.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\" --events"]);
        command.arg(env!("CARGO_BIN_EXE_engram-node")).args(arguments_of_the_unit(&self.folder));
        command.env("ENGRAM_STORE__PATH", self.folder.join("state"));
        let mut process = Process::spawn(command);
        let page = process.event("listening")["page"].as_str().unwrap().to_owned();
        self.page = page.trim_start_matches("http://").trim_end_matches('/').to_owned();
        self.process = Some(process);
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().unwrap()
    }

    /// Stops the node in order.
    fn stop(&mut self) {
        self.ctl(&["stop"]);
        let mut process = self.process.take().unwrap();
        process.event("stopped");
        assert!(process.ends());
    }

    fn ctl(&self, arguments: &[&str]) -> Value {
        let state = self.folder.join("state").display().to_string();
        let all = [&["ctl", "--json", "--state-folder", &state], arguments].concat();
        serde_json::from_str(&succeeds(&all, &self.folder)).unwrap()
    }

    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.page).unwrap();
        let host = &self.page;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).1).unwrap()
    }

    /// What the node tells, once that fits. Page, health and metrics must agree.
    fn tells(&self, what: &str, fits: impl Fn(&Told) -> bool) -> Told {
        let begun = Instant::now();
        loop {
            let node = self.json("/cluster/consolidation");
            let (status, health) = self.get("/health/ready");
            let metrics = self.get("/metrics/prometheus").1;
            // The state may change between two answers.
            let again = self.json("/cluster/consolidation");
            let same = |field: &str| node[field] == again[field];
            if same("unready") && same("warnings") {
                let ready = node["unready"].is_null();
                let health: Value = serde_json::from_str(&health).unwrap();
                assert_eq!(status == 200, ready, "{health} {node}");
                assert_eq!(health["ready"], ready);
                assert_eq!(health["warnings"], node["warnings"]);
                let gauge = |name: &str| metrics.contains(&format!("\n{name} 1.0\n"));
                assert_eq!(gauge("engram_gossip_ready"), ready);
                let codes = codes(&node);
                let full = codes.contains(&"storage_failure".to_owned());
                assert_eq!(gauge("engram_gossip_storage_failure"), full);
                let told = Told { node: node.clone(), metrics };
                if fits(&told) {
                    return told;
                }
            }
            assert!(begun.elapsed() < DEADLINE, "{}: never {what}: {node}", self.name);
        }
    }

    fn edit(&self, from: &str, to: &str) {
        let path = self.folder.join("cluster.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// Limits the size of every file of the process, in bytes.
    fn limit_files(&mut self, bytes: &str) {
        let id = self.process().id().to_string();
        let limited = Command::new("prlimit")
            .args(["--pid", &id, &format!("--fsize={bytes}:unlimited")])
            .status();
        assert!(limited.unwrap().success());
    }
}

fn codes(node: &Value) -> Vec<String> {
    let warnings = node["warnings"].as_array().unwrap().iter();
    warnings.map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
}

/// All nodes hold as many patterns, under one root, and are ready without a warning.
fn all_is_well(machines: &[&Machine], patterns: u64) {
    let root = machines[0].tells("well", |told| visible(told) == patterns && is_well(told));
    for machine in &machines[1..] {
        machine.tells("equal", |told| told.node["root"] == root.node["root"] && is_well(told));
    }
}

fn visible(told: &Told) -> u64 {
    told.node["spaces"][0]["visible"].as_u64().unwrap()
}

fn is_well(told: &Told) -> bool {
    told.node["unready"].is_null() && codes(&told.node).is_empty()
}

#[test]
fn a_month_of_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let folders = init(folder.path(), 3);
    for node in &folders {
        // A first snapshot need not wait for a peer that starts a second later.
        let path = node.join("cluster.toml");
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("[store]\n", "[gossip]\ninterval_seconds = 1\n\n[store]\n");
        fs::write(path, text).unwrap();
    }
    let [mut a, mut b, mut c] = <[_; 3]>::try_from(folders).unwrap().map(Machine::new);

    // The first day.
    fs::write(a.folder.join("own.jsonl"), line(0, &["p", "q", "r"])).unwrap();
    a.ctl(&["submit", "own.jsonl"]);
    all_is_well(&[&a, &b, &c], 3);

    // The disk of node-b is full, and is mended.
    let size = fs::metadata(b.folder.join("state/state.redb")).unwrap().len();
    b.limit_files(&size.to_string());
    let ids: Vec<_> = (0..300).map(|n| format!("big-{n}")).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    fs::write(a.folder.join("own.jsonl"), line(1, &ids)).unwrap();
    a.ctl(&["submit", "own.jsonl"]);
    let told = b.tells("full", |told| codes(&told.node) == ["storage_failure"]);
    assert!(told.node["unready"].as_str().unwrap().contains("cannot be stored"));
    assert!(told.metrics.contains("engram_gossip_storage_failure 1.0"));
    b.process().event("storage_failure");
    b.limit_files("unlimited");
    all_is_well(&[&a, &b, &c], 303);
    b.process().event("storage_recovered");
    let seen = &b.process().seen;
    let lines = seen.iter().filter(|event| event["event"] == "storage_failure").count();
    assert_eq!(lines, 1, "one event for each episode");

    // The certificate of node-c runs out, and is rotated.
    let (ca, out) = (folder.path().join("cluster"), c.folder.clone());
    let rotate = |days: &str| {
        let (ca, out) = (ca.display().to_string(), out.display().to_string());
        let arguments = ["certs", "rotate", "--name", "node", "--ca", &ca, "--out", &out];
        succeeds(&[&arguments[..], &["--days", days]].concat(), folder.path());
    };
    rotate("7");
    let checked = succeeds(&["check", "--config", "cluster.toml"], &c.folder);
    assert!(checked.contains("warning: the certificate expires soon"), "{checked}");
    c.ctl(&["reload"]);
    c.tells("warned", |told| codes(&told.node) == ["certificate_expires"]);
    c.process().event("certificate_expires");
    rotate("365");
    c.ctl(&["reload"]);
    all_is_well(&[&a, &b, &c], 303);

    // A backup of node-b comes back after a week.
    b.ctl(&["backup", "copy"]);
    a.ctl(&["forget", "default", "p"]);
    all_is_well(&[&a, &b, &c], 302);
    b.stop();
    fs::remove_dir_all(b.folder.join("state")).unwrap();
    fs::rename(b.folder.join("copy"), b.folder.join("state")).unwrap();
    b.start();
    all_is_well(&[&a, &b, &c], 302);

    // A change of the configuration: some at once, some at the next start.
    a.edit(
        "interval_seconds = 1\n",
        "interval_seconds = 1\nfanout = 2\n\n[limits]\npeer_mib_per_second = 64\n",
    );
    let reloaded = a.ctl(&["reload"]);
    assert_eq!(reloaded["changed"], serde_json::json!(["limits.peer_mib_per_second"]));
    assert_eq!(reloaded["waiting"], serde_json::json!(["gossip.fanout"]));
    // A mistake changes nothing.
    a.edit("fanout = 2", "fanout = 0");
    let complaint = fails(&["ctl", "--state-folder", "state", "reload"], &a.folder);
    assert!(complaint.contains("gossip.fanout (line"), "{complaint}");
    assert!(fails(&["check", "--config", "cluster.toml"], &a.folder).contains("gossip.fanout"));
    a.edit("fanout = 0", "fanout = 2");
    a.stop();
    a.start();
    all_is_well(&[&a, &b, &c], 302);

    // node-c is evicted, and its versions are withdrawn.
    fs::write(c.folder.join("own.jsonl"), line(0, &["of-c"])).unwrap();
    c.ctl(&["submit", "own.jsonl"]);
    all_is_well(&[&a, &b, &c], 303);
    let id = succeeds(&["certs", "show", "node.pem"], &c.folder);
    let id = id.lines().next().unwrap();
    for machine in [&a, &b] {
        let path = machine.folder.join("cluster.toml");
        let text = fs::read_to_string(&path).unwrap();
        let kept = text.split("[[peers]]").filter(|peer| !peer.contains(id));
        fs::write(path, kept.collect::<Vec<_>>().join("[[peers]]")).unwrap();
        assert_eq!(machine.ctl(&["reload"])["changed"], serde_json::json!(["peers"]));
    }
    c.tells("evicted", |told| {
        told.node["unready"].as_str().is_some_and(|reason| reason.contains("roster"))
    });
    c.process().event("unreachable");
    assert_eq!(a.ctl(&["forget", "--node", id])["patterns"], 1);
    all_is_well(&[&a, &b], 302);

    // A copy of node-a's folder and key runs beside it.
    a.stop();
    let copied =
        Command::new("cp").arg("-r").args([&a.folder, &folder.path().join("copied")]).status();
    assert!(copied.unwrap().success());
    a.start();
    let mut copy = Machine {
        name: "copied".to_owned(),
        folder: folder.path().join("copied"),
        process: None,
        page: String::new(),
    };
    let listen = fs::read_to_string(copy.folder.join("cluster.toml")).unwrap();
    let listen = listen.lines().find(|line| line.starts_with("listen")).unwrap().to_owned();
    copy.edit(&listen, "listen = \"127.0.0.1:0\"");
    copy.start();
    for (at, machine) in [&a, &copy].into_iter().enumerate() {
        fs::write(machine.folder.join("own.jsonl"), line(7 + at, &["q"])).unwrap();
        machine.ctl(&["submit", "own.jsonl"]);
    }
    // At least one of the two learns of the other's write, in whichever order they connect.
    let begun = Instant::now();
    let noticed = |machine: &Machine| {
        let node = machine.json("/cluster/consolidation");
        codes(&node).contains(&"reissued".to_owned())
    };
    while !noticed(&a) && !noticed(&copy) {
        assert!(begun.elapsed() < DEADLINE, "the clone is not noticed");
    }
    let of = if noticed(&a) { &mut a } else { &mut copy };
    let told = of.tells("cloned", |told| codes(&told.node) == ["reissued"]);
    assert!(!told.metrics.contains("engram_gossip_recent_reissues 0.0"));
    of.process().event("reissued");
}
