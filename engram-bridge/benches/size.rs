//! Memory of a node's process beside the bare bytes of its patterns, and how long it takes to start
//! on a store: one JSON object a line.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use common::{content_bytes, snapshot};
use engram_bridge::{
    ConsolidationCacheSource::Scheduler, DEFAULT_SPACE, Environment, RedbStateStore, Store,
    StoreConfig,
};
use engram_gossip_net::{ClusterCa, Validity};
use engram_gossip_proto::SpaceId;
use serde_json::{Value, json};

mod common;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    prepare(folder.path(), "empty", &[]);
    let empty = run(folder.path(), "empty");
    println!("# an empty node: {} bytes of memory at most", empty.peak);
    measure(folder.path(), 1_000, &empty, None);
    measure(folder.path(), 10_000, &empty, Some(1.35));
}

/// What a node takes that holds `count` patterns, beside an empty one. The memory may be so many times
/// the bytes of the contents.
fn measure(folder: &Path, count: usize, empty: &Shown, budget: Option<f64>) {
    let whole = snapshot(count);
    let bare: usize = whole.patterns.iter().map(|pattern| content_bytes(pattern)).sum();
    let name = format!("full-{count}");
    let stored = prepare(folder, &name, &[&whole]);
    drop(whole);
    let full = run(folder, &name);
    assert_eq!(full.patterns, count as u64);
    let memory = full.peak - empty.peak;
    let input = format!("{count} patterns of {bare} bytes");
    report("node_memory", &input, memory as f64, "B", bare as f64, budget);
    report("node_store", &input, stored as f64, "B", bare as f64, None);
    report("node_warm_start", &input, full.started, "s", 1.0, Some(1.0));
}

/// Makes a node's configuration, and a store with these snapshots. Returns the size of its file.
fn prepare(folder: &Path, name: &str, snapshots: &[&engram_bridge::ConsolidationSnapshot]) -> u64 {
    let validity = Validity::days_from(SystemTime::now(), 1);
    let ca = ClusterCa::generate("bench", validity).expect("a certificate authority");
    let node = ca.issue_node(name, validity).expect("a certificate");
    let write = |ending: &str, text: &str| {
        fs::write(folder.join(format!("{name}{ending}")), text).expect("room in the folder");
    };
    write("-ca.pem", ca.certificate_pem());
    write(".pem", &node.certificate_pem);
    write(".key", &node.key_pem);
    let config = format!(
        "[node]\nname = '{name}'\nlisten = '127.0.0.1:0'\n[store]\npath = '{name}'\n\
         [tls]\nca = '{name}-ca.pem'\ncertificate = '{name}.pem'\nkey = '{name}.key'\n"
    );
    write(".toml", &config);
    let space = SpaceId::new(DEFAULT_SPACE).expect("a name");
    let config = StoreConfig::new(node.node_id, [space.clone()]);
    let kept = Arc::new(RedbStateStore::new(folder.join(name)));
    let store = Store::open(config, Environment::system(), kept).expect("a new store");
    for snapshot in snapshots {
        let space = store.space(&space).expect("it is hosted");
        space.submit(snapshot, Scheduler).expect("room on the disk");
    }
    store.close().expect("room on the disk");
    fs::metadata(folder.join(name).join("state.redb")).map_or(0, |file| file.len())
}

/// What a process showed.
struct Shown {
    /// Bytes of memory at most.
    peak: u64,
    /// Seconds from its start until it listens.
    started: f64,
    patterns: u64,
}

fn run(folder: &Path, name: &str) -> Shown {
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_engram-node"))
        .args(["run", "--events", "--control", "--config"])
        .arg(folder.join(format!("{name}.toml")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the node starts");
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut started = 0.0;
    let mut patterns = 0;
    for line in output.lines() {
        let event: Value = serde_json::from_str(&line.expect("text")).expect("JSON");
        match event["event"].as_str() {
            Some("listening") => started = begun.elapsed().as_secs_f64(),
            Some("state") => {
                patterns = event["patterns"].as_u64().expect("a number");
                break;
            }
            _ => {}
        }
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    // The node ends at the end of its input.
    drop(child.stdin.take());
    child.wait().expect("the node ends");
    Shown {
        peak: 1_024 * peak.expect("this system tells the peak of a process"),
        started,
        patterns,
    }
}

fn report(name: &str, input: &str, value: f64, unit: &str, reference: f64, budget: Option<f64>) {
    let ratio = value / reference;
    let line = json!({
        "name": name,
        "input": input,
        "value": value,
        "unit": unit,
        "reference": format!("{reference:.0} {unit}"),
        "ratio": ratio,
        "budget": budget,
        "met": budget.map(|budget| ratio <= budget),
    });
    println!("{line}");
}
