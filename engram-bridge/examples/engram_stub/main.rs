//! Three Engrams, each with its own scheduler, reach equal patterns, also in a space that one of
//! them creates at run time. A stand-in with Engram's paths and signatures replaces Engram; a real
//! Engram needs every other line.
//!
//! `cargo run -p engram-bridge --example engram_stub`

#![allow(dead_code, unreachable_pub, reason = "the modules are those of a library")]

mod engram;

/// The adapter, as shown in the guide.
mod adapter {
    use super::engram::{chrono, engram_core};
    include!("adapter.rs");
}
/// Start, spaces, schedulers, metrics, events and stop, as shown in the guide.
mod cluster {
    use super::engram::engram_core;
    include!("cluster.rs");
}
/// The roots in SWIM's datagrams, as shown in the guide.
mod swim {
    include!("swim.rs");
}

use std::error::Error;
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use engram_bridge::{Node, NodeId, SpaceId};
use engram_gossip_net::{ClusterCa, Validity};
use tokio::sync::watch;

use self::engram::engram_core::completion::SchedulerConfig;
use self::engram::engram_core::{MemorySpaceId, MemoryStore, metrics};

const NAMES: [&str; 3] = ["ada", "ben", "cleo"];
/// Number of patterns that the stand-in's engine finds in a space.
const FOUND: usize = 3;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let folder = tempfile::tempdir()?;
    let files = configure(folder.path())?;
    let stop = watch::Sender::new(false);
    let (mut nodes, mut stores) = (Vec::new(), Vec::new());
    for (name, file) in NAMES.iter().zip(&files) {
        let node = cluster::start(file)?;
        cluster::log_events(&node, move |event| eprintln!("{name}: {event}"));
        stores.push(serve(&node, name, "default", folder.path(), &stop)?);
        nodes.push(node);
    }
    until_equal(&nodes, "default").await;

    // Engram's server creates a space when a request names it.
    stores.push(serve(&nodes[0], "ada", "work", folder.path(), &stop)?);
    until_equal(&nodes, "work").await;

    for (name, node) in NAMES.iter().zip(&nodes) {
        for space in node.store.iter() {
            let (view, runs) = (space.view(), space.run_stats());
            println!(
                "{name} shows {} patterns of {}, root {}; {} runs",
                view.patterns.len(),
                space.id(),
                &space.root().to_string()[..12],
                runs.scheduler_runs,
            );
        }
        let log = fs::read_to_string(log_of(folder.path(), name, "default"))?;
        println!("{name} logged {} changed beliefs, the last one: ", log.lines().count());
        println!("  {}", log.lines().last().unwrap_or_default());
    }
    for (metric, value) in metrics::RECORDED.lock().expect("no holder panics").iter() {
        println!("{metric} {value:.3}");
    }
    piggyback(&nodes)?;
    for store in &stores {
        assert!(store.consolidation_snapshot(0).is_some());
    }
    for node in &nodes {
        cluster::stop(node, &stop).await?;
    }
    Ok(())
}

/// Opens a store and starts its scheduler with one run per second.
fn serve(
    node: &Node,
    name: &str,
    space: &str,
    folder: &Path,
    stop: &watch::Sender<bool>,
) -> Result<Arc<MemoryStore>, Box<dyn Error + Send + Sync>> {
    let store = cluster::open_store(node, &MemorySpaceId::from(space), 100_000)?;
    store.set_consolidation_alert_log_path(log_of(folder, name, space));
    let config = SchedulerConfig { consolidation_interval_secs: 1, ..SchedulerConfig::default() };
    cluster::start_scheduler(&store, stop, config);
    Ok(store)
}

fn log_of(folder: &Path, name: &str, space: &str) -> PathBuf {
    folder.join(name).join(space).join("belief_updates.jsonl")
}

/// Waits until all nodes host the space and show the same patterns in it.
async fn until_equal(nodes: &[Node], space: &str) {
    let space = SpaceId::new(space).expect("a valid name");
    loop {
        let spaces: Vec<_> = nodes.iter().filter_map(|node| node.store.space(&space)).collect();
        let complete = spaces.len() == nodes.len()
            && spaces.iter().all(|space| space.visible_len() == FOUND as u64);
        if complete && spaces.windows(2).all(|pair| pair[0].root() == pair[1].root()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sends the first node's roots behind a SWIM message to the second, which identifies the sender by
/// name.
fn piggyback(nodes: &[Node]) -> Result<(), Box<dyn Error + Send + Sync>> {
    let space = SpaceId::new("default")?;
    let (from, to) = (nodes[0].gossiper(&space)?, nodes[1].gossiper(&space)?);
    let message = b"a ping of ada, encoded by Engram".to_vec();
    let mut datagram = message.clone();
    swim::append_roots(&mut datagram, &from);
    let trailing = &datagram[message.len()..];
    swim::take_roots("ada", trailing, &to)?;
    println!("ben took {} bytes of roots behind a SWIM message of ada", trailing.len());
    Ok(())
}

/// Writes certificates and a `cluster.toml` for each node; returns the paths of the `cluster.toml`
/// files.
fn configure(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error + Send + Sync>> {
    let validity = Validity::days_from(SystemTime::now(), 1);
    let ca = ClusterCa::generate("example", validity)?;
    fs::write(folder.join("ca.pem"), ca.certificate_pem())?;
    let mut members: Vec<(&str, NodeId, u16)> = Vec::new();
    for name in NAMES {
        let issued = ca.issue_node(name, validity)?;
        fs::write(folder.join(format!("{name}.pem")), &issued.certificate_pem)?;
        fs::write(folder.join(format!("{name}.key")), &issued.key_pem)?;
        let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        members.push((name, issued.node_id, port));
    }
    let mut files = Vec::new();
    for (name, _, port) in &members {
        let mut text = format!(
            "[node]\nname = '{name}'\nlisten = '127.0.0.1:{port}'\nspaces = '*'\n\
             [tls]\nca = 'ca.pem'\ncertificate = '{name}.pem'\nkey = '{name}.key'\n"
        );
        for (peer, id, port) in members.iter().filter(|(peer, ..)| peer != name) {
            text += &format!(
                "[[peers]]\nname = '{peer}'\nnode_id = '{id}'\naddress = '127.0.0.1:{port}'\n"
            );
        }
        let file = folder.join(format!("{name}.toml"));
        fs::write(&file, text)?;
        files.push(file);
    }
    Ok(files)
}
