//! Kills real processes at any moment and, between runs, damages or removes their files or replaces
//! them with older copies. No acknowledged write is lost, and no version is used twice.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engram_bridge::durable::RedbStateStore;
use engram_bridge::{ENGRAM_DIMENSION, Environment, Store, StoreConfig, Timestamp};
use engram_gossip_net::{ClusterCa, NodeId, Validity};
use engram_vclock::Dot;
use serde_json::{Value, json};

use crate::common::*;

const NAMES: [&str; 3] = ["node-a", "node-b", "node-c"];
/// A wait that takes this long fails the test.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);
/// The number of snapshots that a process replays: more than it acknowledges before it is killed.
const SNAPSHOTS: usize = 400;
/// The pattern that all nodes write repeatedly.
const SHARED: &str = "shared";

/// A seeded generator, so that a failure can be reproduced as far as the timing of the processes
/// allows.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// A running node.
pub(crate) struct Process {
    pub(crate) child: Child,
    stdin: ChildStdin,
    pub(crate) events: Receiver<Value>,
    root: String,
}

pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    ids: [NodeId; 3],
    pub(crate) running: [Option<Process>; 3],
    /// For each node, the cycles and numbers of the acknowledged snapshots.
    pub(crate) acknowledged: [Vec<(usize, usize)>; 3],
    /// For each node, the number of acknowledged snapshots that its damaged store may have lost; 0
    /// once all nodes are equal again.
    spoilt: [usize; 3],
    /// For each node, an id above all ids that it wrote before the last damage to its store.
    lost: [String; 3],
    /// For each node, older copies of its file.
    copies: [Vec<Vec<u8>>; 3],
    /// The id and the digest of the content of every dot seen on a disk.
    dots: BTreeMap<Dot, (String, [u8; 32])>,
}

impl Cluster {
    /// Creates the files of three nodes with this value of `store.settle_seconds`.
    pub(crate) fn new(settle_seconds: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: String| folder.path().join(name);
        let validity = Validity::days_from(SystemTime::now(), 1);
        let ca = ClusterCa::generate("test", validity).unwrap();
        fs::write(path("ca.pem".into()), ca.certificate_pem()).unwrap();
        let sockets = NAMES.map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        let addresses = sockets.each_ref().map(|socket| socket.local_addr().unwrap());
        let ids = NAMES.map(|name| {
            let issued = ca.issue_node(name, validity).unwrap();
            fs::write(path(format!("{name}.pem")), &issued.certificate_pem).unwrap();
            fs::write(path(format!("{name}.key")), &issued.key_pem).unwrap();
            issued.node_id
        });
        for (at, name) in NAMES.iter().enumerate() {
            let mut config = format!(
                "[node]\nname = '{name}'\nlisten = '{}'\n\
                 [store]\npath = '{name}'\nsettle_seconds = {settle_seconds}\n\
                 [gossip]\ninterval_seconds = 1\n\
                 [tls]\nca = 'ca.pem'\ncertificate = '{name}.pem'\nkey = '{name}.key'\n",
                addresses[at]
            );
            for peer in (0..3).filter(|peer| *peer != at) {
                let (name, id, address) = (NAMES[peer], ids[peer], addresses[peer]);
                config += &format!(
                    "[[peers]]\nname = '{name}'\nnode_id = '{id}'\naddress = '{address}'\n"
                );
            }
            fs::write(path(format!("{name}.toml")), config).unwrap();
        }
        let (running, acknowledged) = ([const { None }; 3], [const { Vec::new() }; 3]);
        let (spoilt, lost, dots) = ([0; 3], [const { String::new() }; 3], BTreeMap::new());
        let copies = [const { Vec::new() }; 3];
        Self { folder, ids, running, acknowledged, spoilt, lost, copies, dots }
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a node; with a cycle, it replays the snapshots of that cycle.
    pub(crate) fn start(&mut self, node: usize, cycle: Option<usize>) {
        self.start_by(Command::new(env!("CARGO_BIN_EXE_engram-node")), node, cycle);
    }

    pub(crate) fn start_by(&mut self, mut command: Command, node: usize, cycle: Option<usize>) {
        command.args(["run", "--events", "--control", "--replay-every", "1", "--config"]);
        command.arg(self.path(format!("{}.toml", NAMES[node])));
        if let Some(cycle) = cycle {
            let file = self.path("snapshots.jsonl");
            write_snapshots(&file, node, cycle);
            command.arg("--snapshots").arg(file);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, events) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // A killed node may leave half a line.
                let Ok(event) = serde_json::from_str(&line) else { return };
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        self.running[node] = Some(Process { child, stdin, events, root: String::new() });
    }

    /// Kills the node after it has accepted `after` snapshots, and records its acknowledgements.
    pub(crate) fn kill(&mut self, node: usize, cycle: usize, after: usize) {
        let mut process = self.running[node].take().unwrap();
        let mut seen = 0;
        while seen < after {
            let event =
                process.events.recv_timeout(DEADLINE).expect("a running node reports events");
            seen += self.note(node, cycle, &event);
        }
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        for event in process.events.iter() {
            self.note(node, cycle, &event);
        }
    }

    pub(crate) fn note(&mut self, node: usize, cycle: usize, event: &Value) -> usize {
        assert_ne!(event["event"], "failed", "{event}");
        assert_ne!(event["event"], "rejected", "{event}");
        if event["event"] != "snapshot" {
            return 0;
        }
        // A submission that waits for a first contact has not been acknowledged yet.
        if event["waiting"] == 0 {
            let number = usize::try_from(event["snapshot"].as_u64().unwrap()).unwrap();
            self.acknowledged[node].push((cycle, number));
        }
        1
    }

    /// Opens a copy of the killed node's file, and keeps another copy. Every acknowledged snapshot
    /// that earlier damage cannot have destroyed must be in the file, and no dot may name two
    /// contents.
    pub(crate) fn inspect(&mut self, node: usize) {
        let (source, copy) = (self.path(NAMES[node]), self.path("copy"));
        if !source.join("state.redb").exists() {
            // The file was removed, and the node was killed before it created a new one.
            assert!(self.acknowledged[node][self.spoilt[node]..].is_empty());
            return;
        }
        fs::create_dir(&copy).unwrap();
        fs::copy(source.join("state.redb"), copy.join("state.redb")).unwrap();
        self.copies[node].push(fs::read(source.join("state.redb")).unwrap());
        let config = StoreConfig::new(self.ids[node], [space()]);
        let environment = Environment::new(|| Timestamp::EPOCH, || 7);
        let kept = Arc::new(RedbStateStore::new(&copy));
        let store = Store::open(config, environment, kept).unwrap();
        let held = records(&only_space(&store));
        for (cycle, number) in &self.acknowledged[node][self.spoilt[node]..] {
            let id = id(node, *cycle, *number);
            assert!(held.contains_key(&id), "{id} was acknowledged, but is not on the disk");
        }
        for (id, record) in held {
            for (dot, content) in dots(&record) {
                let written = (id.clone(), content);
                let known = self.dots.entry(dot).or_insert_with(|| written.clone());
                assert_eq!(*known, written, "{dot:?} was used twice");
            }
        }
        fs::remove_dir_all(copy).unwrap();
    }

    /// Starts all stopped nodes, and waits until all nodes have the same root and at least as many
    /// patterns as there are acknowledged snapshots.
    fn converge(&mut self) {
        for node in 0..3 {
            if self.running[node].is_none() {
                self.start(node, None);
            }
        }
        let least: usize = self.acknowledged.iter().map(Vec::len).sum();
        let mut patterns = [0; 3];
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < DEADLINE, "no convergence");
            for (process, patterns) in self.running.iter_mut().flatten().zip(&mut patterns) {
                let mut wait = Duration::from_millis(50);
                while let Ok(event) = process.events.recv_timeout(wait) {
                    wait = Duration::ZERO;
                    if event["event"] == "state" {
                        process.root = event["root"].as_str().unwrap().to_owned();
                        *patterns = event["patterns"].as_u64().unwrap();
                    }
                }
            }
            let root = |node: usize| &self.running[node].as_ref().unwrap().root;
            if root(0) == root(1) && root(1) == root(2) && patterns[0] >= least as u64 {
                self.spoilt = [0; 3];
                return;
            }
        }
    }

    /// Returns the visible patterns of a node, by id.
    fn export(&mut self, node: usize) -> BTreeMap<String, Value> {
        let path = self.path(format!("{}.jsonl", NAMES[node]));
        let process = self.running[node].as_mut().unwrap();
        let request = json!({ "command": "export", "path": path });
        writeln!(process.stdin, "{request}").unwrap();
        while process.events.recv_timeout(DEADLINE).unwrap()["event"] != "exported" {}
        let lines = BufReader::new(File::open(path).unwrap()).lines();
        let patterns = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        patterns.map(|pattern| (pattern["id"].as_str().unwrap().to_owned(), pattern)).collect()
    }

    /// Checks that every acknowledged pattern is on every node, and that all nodes show the same
    /// patterns.
    fn check(&mut self) {
        let shown = [0, 1, 2].map(|node| self.export(node));
        assert!(
            shown.iter().all(|other| *other == shown[0]),
            "equal roots, but different patterns"
        );
        for (node, acknowledged) in self.acknowledged.iter().enumerate() {
            for (cycle, number) in acknowledged {
                let id = id(node, *cycle, *number);
                let pattern = shown[0].get(&id).unwrap_or_else(|| panic!("{id} is lost"));
                assert_eq!(pattern["source_episodes"], json!([id]));
            }
            // Of the versions of the shared pattern that a node wrote after the last damage to its
            // store, at most one is live. If any of them was acknowledged, the latest acknowledged
            // one or a later one is live.
            let Some((cycle, number)) = acknowledged.last() else { continue };
            let cited = shown[0][SHARED]["source_episodes"].as_array().unwrap();
            let least = id(node, *cycle, *number);
            let of_node: Vec<&str> = cited
                .iter()
                .map(|id| id.as_str().unwrap())
                .filter(|id| id.starts_with(NAMES[node]) && **id > *self.lost[node])
                .collect();
            let latest = of_node.first().is_some_and(|id| **id >= *least);
            assert!(
                of_node.len() <= 1 && (latest || least <= self.lost[node]),
                "{of_node:?}, acknowledged {least}"
            );
        }
    }

    /// Truncates, alters or removes the file of a stopped node, or replaces it with an older copy.
    fn spoil(&mut self, node: usize, cycle: usize, random: &mut Random) {
        self.spoilt[node] = self.acknowledged[node].len();
        // This id is above all ids of the cycle, because the process may have written more than it
        // acknowledged.
        self.lost[node] = id(node, cycle, SNAPSHOTS);
        let file = self.path(NAMES[node]).join("state.redb");
        let mut bytes = fs::read(&file).unwrap();
        match random.below(4) {
            0 => bytes.truncate(random.below(bytes.len())),
            1 => {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            2 => return fs::remove_file(file).unwrap(),
            _ => {
                let copies = &self.copies[node];
                bytes.clone_from(&copies[random.below(copies.len())]);
            }
        }
        fs::write(file, bytes).unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in self.running.iter_mut().flatten() {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

/// The id of the pattern unique to a snapshot; a node's later snapshots have greater ids.
fn id(node: usize, cycle: usize, number: usize) -> String {
    format!("{}-{cycle:04}-{number:04}", NAMES[node])
}

/// Writes snapshots, each with a unique pattern and a version of the shared one.
fn write_snapshots(path: &Path, node: usize, cycle: usize) {
    let mut file = File::create(path).unwrap();
    let embedding = STANDARD.encode(0.5_f32.to_le_bytes().repeat(ENGRAM_DIMENSION));
    for number in 0..SNAPSHOTS {
        let id = id(node, cycle, number);
        let pattern = |name: &str| {
            json!({
                "id": name, "source_episodes": [id], "strength": 0.5, "schema_confidence": 0.5,
                "last_consolidated": "2026-01-01T00:00:00.000000000Z", "embedding_b64": embedding,
            })
        };
        let line = json!({ "snapshot": number, "patterns": [pattern(&id), pattern(SHARED)] });
        writeln!(file, "{line}").unwrap();
    }
}

/// Kills nodes `cycles` times. After one kill in five, also damages or removes a store, or restores
/// an older copy.
fn torture(cycles: usize, seed: u64, settle_seconds: u32) {
    let (mut cluster, mut random) = (Cluster::new(settle_seconds), Random(seed));
    let (mut spoilt, mut seen) = (0, 0);
    for cycle in 0..cycles {
        let node = random.below(3);
        if let Some(mut process) = cluster.running[node].take() {
            process.child.kill().unwrap();
            process.child.wait().unwrap();
        }
        cluster.start(node, Some(cycle));
        let after = random.below(24);
        cluster.kill(node, cycle, after);
        seen += after;
        cluster.inspect(node);
        if cycle % 5 == 3 {
            // A write that is on a single disk is lost with that disk, so first wait until the
            // other nodes have received it.
            cluster.converge();
            let mut process = cluster.running[node].take().unwrap();
            process.child.kill().unwrap();
            process.child.wait().unwrap();
            cluster.spoil(node, cycle, &mut random);
            spoilt += 1;
        }
    }
    cluster.converge();
    cluster.check();
    for node in 0..3 {
        let mut process = cluster.running[node].take().unwrap();
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        cluster.inspect(node);
    }
    let acknowledged: usize = cluster.acknowledged.iter().map(Vec::len).sum();
    println!(
        "{cycles} kills and {spoilt} damaged, removed or older stores: {acknowledged} acknowledged \
         snapshots are on all nodes, {} dots, each used once",
        cluster.dots.len()
    );
    // Without a wait for a first contact, every snapshot that a node accepted before it was killed
    // is acknowledged.
    assert!(settle_seconds > 0 || acknowledged >= seen && seen > 0, "{acknowledged} of {seen}");
}

/// Limits every file of the node to half a megabyte: to the node, the disk is then full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_refuses_writes_and_serves_reads() {
    // Submissions do not wait for a peer, so they reach the disk while it is full.
    let mut cluster = Cluster::new(0);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\""]);
    command.arg(env!("CARGO_BIN_EXE_engram-node"));
    cluster.start_by(command, 0, Some(0));
    let (mut refused, begun) = (false, Instant::now());
    while !refused {
        assert!(begun.elapsed() < DEADLINE, "nothing was refused");
        let process = cluster.running[0].as_ref().unwrap();
        let event = process.events.recv_timeout(DEADLINE).expect("the node keeps running");
        if event["event"] == "snapshot_failed" {
            let reason = event["reason"].as_str().unwrap();
            assert!(
                reason.contains("no room to write") && reason.contains("free some space"),
                "{reason}"
            );
            // A small snapshot is a single commit.
            assert!(reason.contains("; nothing was changed; "), "{reason}");
            refused = true;
        } else {
            cluster.note(0, 0, &event);
        }
    }
    assert!(!cluster.acknowledged[0].is_empty());
    // The node still serves its patterns to operators and to peers.
    let shown = cluster.export(0);
    for (cycle, number) in &cluster.acknowledged[0] {
        assert!(shown.contains_key(&id(0, *cycle, *number)));
    }
    cluster.start(1, None);
    let peer = cluster.running[1].as_ref().unwrap();
    let has = |event: &Value| event["patterns"].as_u64().is_some_and(|n| n >= shown.len() as u64);
    while !has(&peer.events.recv_timeout(DEADLINE).unwrap()) {}
    let mut process = cluster.running[0].take().unwrap();
    process.child.kill().unwrap();
    process.child.wait().unwrap();
    cluster.inspect(0);
}

#[test]
fn kills_lose_no_acknowledged_write() {
    torture(6, 1, 0);
}

/// For the deep check: `cargo test -p engram-bridge --features node --test it kill -- --ignored`.
/// `ENGRAM_KILLS` sets the number of kills in each of the two runs, and `ENGRAM_SEED` sets the
/// seed.
#[test]
#[ignore = "takes minutes"]
fn many_kills_lose_no_acknowledged_write() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    for settle_seconds in [0, 1] {
        torture(number("ENGRAM_KILLS", 60) as usize, number("ENGRAM_SEED", 7), settle_seconds);
    }
}
