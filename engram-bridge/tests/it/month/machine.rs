//! A node, started with the arguments of the shipped unit, and its outputs.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::common::process::*;

/// The program's arguments in the shipped unit, for a node in this folder.
fn arguments_of_the_unit(folder: &Path) -> Vec<String> {
    let unit = include_str!("../../../deploy/engram-node.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let config = folder.join("cluster.toml").display().to_string();
    let line = line.replace("/etc/engram-node/cluster.toml", &config);
    line.split(' ').skip(1).map(str::to_owned).collect()
}

/// A node of the cluster, which may be stopped.
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    process: Option<Process>,
    page: String,
}

/// The outputs of a node: its state as JSON, and its metrics.
pub(crate) struct Told {
    pub(crate) node: Value,
    pub(crate) metrics: String,
}

impl Told {
    pub(crate) fn visible(&self) -> u64 {
        self.node["spaces"][0]["visible"].as_u64().unwrap()
    }

    /// The codes of the warnings.
    pub(crate) fn codes(&self) -> Vec<String> {
        codes(&self.node)
    }

    pub(crate) fn is_well(&self) -> bool {
        self.node["unready"].is_null() && self.codes().is_empty()
    }
}

impl Machine {
    /// Creates a node without starting it.
    pub(crate) fn stopped(folder: PathBuf) -> Self {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        Self { name, folder, process: None, page: String::new() }
    }

    pub(crate) fn start(&mut self) {
        // Make writes beyond the file size limit fail, as on a full disk, instead of ending the
        // process.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\" --events"]);
        command.arg(env!("CARGO_BIN_EXE_engram-node")).args(arguments_of_the_unit(&self.folder));
        command.env("ENGRAM_STORE__PATH", self.folder.join("state"));
        let mut process = Process::spawn(command);
        let page = process.event("listening")["page"].as_str().unwrap().to_owned();
        self.page = page.trim_start_matches("http://").trim_end_matches('/').to_owned();
        self.process = Some(process);
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().unwrap()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Stops the node cleanly.
    pub(crate) fn stop(&mut self) {
        self.ctl(&["stop"]);
        let mut process = self.process.take().unwrap();
        process.event("stopped");
        assert!(process.ends());
    }

    pub(crate) fn ctl(&self, arguments: &[&str]) -> Value {
        let state = self.folder.join("state").display().to_string();
        let all = [&["ctl", "--json", "--state-folder", &state], arguments].concat();
        serde_json::from_str(&succeeds(&all, &self.folder)).unwrap()
    }

    /// Submits one pattern for each id.
    pub(crate) fn submit(&self, run: usize, ids: &[&str]) {
        fs::write(self.folder.join("own.jsonl"), line(run, ids)).unwrap();
        self.ctl(&["submit", "own.jsonl"]);
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

    pub(crate) fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).1).unwrap()
    }

    pub(crate) fn metrics(&self) -> String {
        self.get("/metrics/prometheus").1
    }

    /// Waits until `fits` is true for the outputs of the node, and returns them. The state, health
    /// and metrics must agree.
    pub(crate) fn tells(&self, what: &str, fits: impl Fn(&Told) -> bool) -> Told {
        let begun = Instant::now();
        loop {
            let node = self.json("/cluster/consolidation");
            let (status, health) = self.get("/health/ready");
            let metrics = self.metrics();
            // The state may change between two answers.
            let again = self.json("/cluster/consolidation");
            let same = |field: &str| node[field] == again[field];
            if same("unready") && same("warnings") {
                let told = Told { node: node.clone(), metrics };
                agree(&told, status, &health);
                if fits(&told) {
                    return told;
                }
            }
            assert!(begun.elapsed() < DEADLINE, "{}: never {what}: {node}", self.name);
        }
    }

    pub(crate) fn edit(&self, from: &str, to: &str) {
        let path = self.folder.join("cluster.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// Limits the size in bytes of every file that the process writes.
    pub(crate) fn limit_files(&mut self, bytes: &str) {
        let id = self.process().id().to_string();
        let limited = Command::new("prlimit")
            .args(["--pid", &id, &format!("--fsize={bytes}:unlimited")])
            .status();
        assert!(limited.unwrap().success());
    }
}

/// The codes of a node's warnings.
pub(crate) fn codes(node: &Value) -> Vec<String> {
    let warnings = node["warnings"].as_array().unwrap().iter();
    warnings.map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
}

/// Checks that the state, health and metrics of a node agree.
fn agree(told: &Told, status: u16, health: &str) {
    let Told { node, metrics } = told;
    let ready = node["unready"].is_null();
    let health: Value = serde_json::from_str(health).unwrap();
    assert_eq!(status == 200, ready, "{health} {node}");
    assert_eq!(health["ready"], ready);
    assert_eq!(health["warnings"], node["warnings"]);
    let gauge = |name: &str| metrics.contains(&format!("\n{name} 1.0\n"));
    assert_eq!(gauge("engram_gossip_ready"), ready);
    let full = told.codes().contains(&"storage_failure".to_owned());
    assert_eq!(gauge("engram_gossip_storage_failure"), full);
}
