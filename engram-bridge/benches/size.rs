//! Measures the memory of a node's process and the file of its store, relative to the bytes of its
//! patterns or deletions, and the time that the process takes to start from a store. Prints a line
//! about an empty node, then one JSON object per line.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{content_bytes, snapshot};
use engram_bridge::ConsolidationCacheSource::Scheduler;
use engram_bridge::durable::RedbStateStore;
use engram_bridge::sync::SpaceView;
use engram_bridge::{
    ConsolidationSnapshot, DEFAULT_SPACE, Environment, SemanticPattern, Space, Store, StoreConfig,
};
use engram_gossip_net::{ClusterCa, NodeId, Validity};
use engram_gossip_proto::{Delivery, Entry, Part, Prefix, Record, SpaceId, View};
use report::report;
use serde_json::{Value, json};

mod common;
#[path = "common/report.rs"]
mod report;

/// The request for the state of the comparison across ids.
const GROUPS: &str = r#"{"command":"groups"}"#;
const PAUSE: Duration = Duration::from_millis(50);

/// The maximum memory of a node's process with 10,000 patterns, in bytes, by the precision of its embeddings.
const WHOLE: [(&str, f64); 2] = [("f32", 50e6), ("f16", 35e6)];

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::new(folder.path());
    cluster.prepare("empty", &[]);
    let empty = cluster.start("empty", &[]).until(0);
    println!("# an empty node: a peak of {} bytes of memory", empty.peak);
    for nodes in [3, 100] {
        cluster.measure_confirmed(10_000, nodes, &empty);
    }
    cluster.measure_deletions(100_000, 3, &empty);
    for (count, budget) in [(1_000, None), (10_000, Some(1.35)), (100_000, Some(1.35))] {
        cluster.measure_start(count, &empty, budget);
    }
    for (precision, limit) in WHOLE {
        cluster.measure_feeding_and_sync(10_000, &empty, precision, limit);
    }
}

/// The nodes of a cluster, with one authority and one folder.
struct Cluster<'f> {
    folder: &'f Path,
    ca: ClusterCa,
    validity: Validity,
}

/// A node that a configuration names.
struct Peer {
    name: String,
    id: String,
    port: u16,
}

impl<'f> Cluster<'f> {
    fn new(folder: &'f Path) -> Self {
        let validity = Validity::days_from(SystemTime::now(), 1);
        let ca = ClusterCa::generate("bench", validity).expect("a certificate authority");
        fs::write(folder.join("ca.pem"), ca.certificate_pem()).expect("room in the folder");
        Self { folder, ca, validity }
    }

    /// Measures a node that starts with `count` patterns on its disk, relative to an empty one. Its additional
    /// memory may be at most `budget` times the bytes of the contents.
    fn measure_start(&self, count: usize, empty: &Shown, budget: Option<f64>) {
        let whole = snapshot(count);
        let bare = bytes(&whole);
        let name = format!("full-{count}");
        let stored = self.prepare(&name, &[&whole]);
        drop(whole);
        let full = self.start(&name, &[]).until(count as u64);
        let memory = full.peak - empty.peak;
        let input = format!("{count} patterns of {bare} bytes");
        let contents = ("the contents", bare);
        report("memory after a start", &input, memory as f64, "B", contents, budget);
        report("file of the store", &input, stored as f64, "B", contents, None);
        report("time until the process listens", &input, full.started, "s", ("limit", 1.0), None);
    }

    /// Measures a node that starts with `count` patterns, each of which `nodes` nodes confirm.
    fn measure_confirmed(&self, count: usize, nodes: u64, empty: &Shown) {
        let whole = snapshot(count);
        let bare = bytes(&whole);
        let name = format!("confirmed-{nodes}");
        let (store, space) = self.open(&name);
        space.submit(&whole, Scheduler).expect("room on the disk");
        drop(whole);
        confirm(&space, nodes);
        store.close().expect("room on the disk");
        drop((store, space));
        let shown = self.start(&name, &[]).until(count as u64);
        let input = format!("{count} patterns of {bare} bytes, confirmed by {nodes} nodes");
        let memory = (shown.peak - empty.peak) as f64;
        report("memory after a start", &input, memory, "B", ("the contents", bare), None);
        let whole = shown.peak as f64;
        report("whole node after a start", &input, whole, "B", ("limit", WHOLE[0].1), Some(1.0));
    }

    /// Measures a node that starts with `count` deletions, each by `nodes` nodes and of one content.
    fn measure_deletions(&self, count: usize, nodes: u64, empty: &Shown) {
        let name = "deletions";
        let (store, space) = self.open(name);
        let bare = delete(&space, count, nodes) as f64;
        store.close().expect("room on the disk");
        drop((store, space));
        let stored = self.file_of(name) as f64;
        let memory = (self.start(name, &[]).until(0).peak - empty.peak) as f64;
        let input = format!("{count} deletions of one content, each by {nodes} nodes");
        report("memory after a start", &input, memory, "B", ("the records", bare), None);
        report("file of the store", &input, stored, "B", ("the records", bare), None);
    }

    /// Measures a node after it was fed `count` patterns, and a second node after it received them from the first. Each
    /// process may use at most `limit` bytes of memory.
    fn measure_feeding_and_sync(&self, count: usize, empty: &Shown, precision: &str, limit: f64) {
        let whole = snapshot(count);
        let bare = bytes(&whole);
        let ports = [free_port(), free_port()];
        let [fed, synced] = [("fed", ports[0]), ("synced", ports[1])].map(|(name, port)| {
            let name = format!("{name}-{precision}");
            let id = self.issue(&name);
            Peer { name, id, port }
        });
        self.configure(&fed, &synced, precision);
        self.configure(&synced, &fed, precision);
        let feed = self.folder.join("feed.jsonl");
        write_feed(&feed, &whole);
        drop(whole);
        let feed = feed.display().to_string();
        let input = format!("{count} patterns of {bare} bytes, {precision}");
        let from = self.start(&fed.name, &["--replay-every", "1", "--snapshots", &feed]);
        let to = self.start(&synced.name, &[]);
        for (when, node) in [("a first sync", to), ("feeding", from)] {
            let shown = node.until(count as u64);
            let (memory, whole) = ((shown.peak - empty.peak) as f64, shown.peak as f64);
            let beyond = format!("memory after {when}");
            report(&beyond, &input, memory, "B", ("the contents", bare), Some(1.35));
            let name = format!("whole node after {when}");
            report(&name, &input, whole, "B", ("limit", limit), Some(1.0));
        }
        let stored = self.file_of(&fed.name) as f64;
        report(
            "file of the store after feeding",
            &input,
            stored,
            "B",
            ("the contents", bare),
            None,
        );
    }

    /// Issues a certificate and a key, and returns the id of the node.
    fn issue(&self, name: &str) -> String {
        let node = self.ca.issue_node(name, self.validity).expect("a certificate");
        self.write(name, ".pem", &node.certificate_pem);
        self.write(name, ".key", &node.key_pem);
        node.node_id.to_string()
    }

    fn write(&self, name: &str, ending: &str, text: &str) {
        fs::write(self.folder.join(format!("{name}{ending}")), text).expect("room in the folder");
    }

    fn config(name: &str, port: u16) -> String {
        format!(
            "[node]\nname = '{name}'\nlisten = '127.0.0.1:{port}'\n[store]\npath = '{name}'\n\
             [tls]\nca = 'ca.pem'\ncertificate = '{name}.pem'\nkey = '{name}.key'\n"
        )
    }

    fn configure(&self, node: &Peer, peer: &Peer, precision: &str) {
        let Peer { name, id, port } = peer;
        let peer =
            format!("[[peers]]\nname = '{name}'\nnode_id = '{id}'\naddress = '127.0.0.1:{port}'\n");
        let precision = format!("[merkle_tree]\nprecision = '{precision}'\n");
        let config = Self::config(&node.name, node.port) + &precision + &peer;
        self.write(&node.name, ".toml", &config);
    }

    /// Makes a node's configuration, and a store with these snapshots. Returns the size of the
    /// store's file.
    fn prepare(&self, name: &str, snapshots: &[&ConsolidationSnapshot]) -> u64 {
        let (store, space) = self.open(name);
        for snapshot in snapshots {
            space.submit(snapshot, Scheduler).expect("room on the disk");
        }
        store.close().expect("room on the disk");
        self.file_of(name)
    }

    /// Makes a node's configuration, and opens its store.
    fn open(&self, name: &str) -> (Store, Arc<Space>) {
        let node: NodeId = self.issue(name).parse().expect("a node id");
        self.write(name, ".toml", &Self::config(name, 0));
        let space = SpaceId::new(DEFAULT_SPACE).expect("a name");
        let config = StoreConfig::new(node, [space.clone()]);
        let kept = Arc::new(RedbStateStore::new(self.folder.join(name)));
        let store = Store::open(config, Environment::system(), kept).expect("a new store");
        let space = store.space(&space).expect("it is hosted");
        (store, space)
    }

    /// The size of the file of a node's store.
    fn file_of(&self, name: &str) -> u64 {
        fs::metadata(self.folder.join(name).join("state.redb")).map_or(0, |file| file.len())
    }

    fn start(&self, name: &str, options: &[&str]) -> Running {
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_engram-node"))
            // The shipped systemd unit and container image also set this variable.
            .env("MALLOC_ARENA_MAX", "2")
            .args(["run", "--events", "--control", "--config"])
            .arg(self.folder.join(format!("{name}.toml")))
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the node starts");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, events) = channel();
        // Read all output, because a node drops events if its reader is too slow.
        thread::spawn(move || {
            for line in output.lines() {
                let event: Value = serde_json::from_str(&line.expect("text")).expect("JSON");
                _ = sender.send(event);
            }
        });
        Running { child, events, begun }
    }
}

/// Adds `nodes - 1` other nodes with the same content to every record of a space.
fn confirm(space: &Arc<Space>, nodes: u64) {
    let mut view = SpaceView::pin(space);
    for chunk in view.entries(&Prefix::ROOT).chunks(1_000) {
        let record = |entry: &Entry| {
            let mut record = view.record(&entry.key).expect("a listed record is held");
            let own = record.parts[0].clone();
            record.parts.extend((1..nodes).map(|n| {
                let word = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
                let node = *[word; 4].as_flattened().first_chunk().expect("32 bytes");
                Part { node, ..own.clone() }
            }));
            record.parts.sort_by_key(|part| part.node);
            record
        };
        let records: Vec<Record> = chunk.iter().map(record).collect();
        let receipt = view.apply(Delivery { records, contents: Vec::new() });
        assert_eq!(receipt.applied as usize, chunk.len(), "every record is confirmed");
    }
}

/// Delivers `count` deletions to a space, each by `nodes` nodes and of one content. Returns the size of
/// the encoded records in bytes.
fn delete(space: &Arc<Space>, count: usize, nodes: u64) -> usize {
    let mut view = SpaceView::pin(space);
    let part = |node, n| Part { node: id(node), entry: 1 + n, dots: Vec::new() };
    let record = |n: u64| Record {
        id: format!("pattern_{n:020}"),
        parts: (0..nodes).map(|node| part(node, n)).collect(),
        suppressed: vec![(id(n), 1)],
    };
    let records: Vec<Record> = (0..count as u64).map(record).collect();
    for chunk in records.chunks(1_000) {
        let receipt = view.apply(Delivery { records: chunk.to_vec(), contents: Vec::new() });
        assert_eq!(receipt.applied as usize, chunk.len(), "every record is joined");
    }
    let mut encoded = Vec::new();
    records.iter().for_each(|record| record.encode(&mut encoded));
    encoded.len()
}

/// An id or a digest that depends on `n`, ascending with `n`.
fn id(n: u64) -> [u8; 32] {
    let mut id = [0x5a; 32];
    id[..8].copy_from_slice(&n.to_be_bytes());
    id
}

fn bytes(snapshot: &ConsolidationSnapshot) -> f64 {
    snapshot.patterns.iter().map(|pattern| content_bytes(pattern)).sum::<usize>() as f64
}

/// Returns a UDP port that is currently free.
fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("it is bound").port()
}

/// Writes the patterns of a snapshot as up to a hundred snapshots, one per line.
fn write_feed(path: &Path, whole: &ConsolidationSnapshot) {
    let mut file = BufWriter::new(File::create(path).expect("room in the folder"));
    for (run, part) in whole.patterns.chunks(whole.patterns.len().div_ceil(100)).enumerate() {
        let pattern = |pattern: &Arc<SemanticPattern>| {
            let embedding: Vec<u8> =
                pattern.embedding.iter().flat_map(|x| x.to_le_bytes()).collect();
            json!({
                "id": pattern.id,
                "source_episodes": pattern.source_episodes,
                "strength": pattern.strength,
                "schema_confidence": pattern.schema_confidence.raw(),
                "last_consolidated": "2026-01-01T00:00:00.000000000Z",
                "embedding_b64": STANDARD.encode(embedding),
            })
        };
        let patterns: Vec<Value> = part.iter().map(pattern).collect();
        writeln!(file, "{}", json!({ "snapshot": run, "patterns": patterns })).expect("room");
    }
    file.flush().expect("room in the folder");
}

/// A running node.
struct Running {
    child: Child,
    events: Receiver<Value>,
    begun: Instant,
}

/// The measurements of a process.
struct Shown {
    /// The peak memory in bytes.
    peak: u64,
    /// The time from the start of the process until it listened, in seconds.
    started: f64,
}

impl Running {
    /// Waits until the node shows `patterns` patterns and has compared them across ids, then stops it.
    fn until(mut self, patterns: u64) -> Shown {
        let mut input = self.child.stdin.take().expect("it is piped");
        let (mut started, mut shown) = (0.0, false);
        for event in &self.events {
            match event["event"].as_str() {
                Some("listening") => started = self.begun.elapsed().as_secs_f64(),
                Some("state") if event["patterns"] == patterns && !shown => {
                    shown = true;
                    writeln!(input, "{GROUPS}").expect("it listens");
                }
                Some("groups") if event["spaces"][0]["pending"] == 0 => break,
                Some("groups") => {
                    thread::sleep(PAUSE);
                    writeln!(input, "{GROUPS}").expect("it listens");
                }
                _ => {}
            }
        }
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        // The node stops when its input ends.
        drop(input);
        self.child.wait().expect("the node ends");
        Shown {
            peak: 1_024 * peak.expect("this system reports the peak memory of a process"),
            started,
        }
    }
}
