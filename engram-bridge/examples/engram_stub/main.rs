//! Three Engram instances, each with its own schedulers, converge on the same patterns, including
//! those of a space that one of them creates at run time. A clean stop stores the snapshots that
//! are still queued. A stand-in with Engram's paths and signatures replaces Engram; the real Engram
//! uses `adapter.rs`, `cluster.rs` and `swim.rs` unchanged.
//!
//! `cargo run -p engram-bridge --example engram_stub --features http,redb`

#![allow(dead_code, unreachable_pub, reason = "the modules are those of a library")]

mod engram;

/// The adapter, as shown in the guide.
mod adapter {
    use super::engram::{chrono, engram_core};
    include!("adapter.rs");
}
/// The code for start, spaces, schedulers, metrics, routes, events and stop, as shown in the guide.
mod cluster {
    use super::engram::engram_core;
    include!("cluster.rs");
}
/// The code that carries roots in SWIM's datagrams, as shown in the guide.
mod swim {
    include!("swim.rs");
}

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::routing::get;
use engram_bridge::{NodeId, SpaceId};
use engram_gossip_net::{ClusterCa, Validity};

use self::cluster::{Cluster, Error};
use self::engram::engram_core::completion::SchedulerConfig;
use self::engram::engram_core::consolidation::ConsolidationCacheSource;
use self::engram::engram_core::{
    MemorySpaceError, MemorySpaceId, MemoryStore, SpaceDirectories, metrics,
};

const NAMES: [&str; 3] = ["ada", "ben", "cleo"];
/// The number of patterns submitted right before a stop.
const LATE: usize = 2_000;

/// An Engram instance.
struct Engram {
    name: &'static str,
    cluster: Arc<Cluster>,
    registry: Arc<Registry>,
}

/// The registry of the memory spaces.
struct Registry {
    cluster: Arc<Cluster>,
    folder: PathBuf,
    stores: Mutex<BTreeMap<MemorySpaceId, Arc<MemoryStore>>>,
}

impl Registry {
    /// Returns the store of a space. The first call for the space creates the store.
    fn create_or_get(&self, id: &MemorySpaceId) -> Result<Arc<MemoryStore>, MemorySpaceError> {
        let mut stores = self.stores.lock().expect("no code panics while it holds this lock");
        if let Some(store) = stores.get(id) {
            return Ok(Arc::clone(store));
        }
        let scheduler =
            SchedulerConfig { consolidation_interval_secs: 1, ..SchedulerConfig::default() };
        let directories = SpaceDirectories { root: self.folder.join(id.as_str()) };
        let store = build_memory_space_store(id, &directories, &self.cluster, scheduler)?;
        stores.insert(id.clone(), Arc::clone(&store));
        Ok(store)
    }
}

impl Engram {
    fn start(name: &'static str, folder: &Path) -> Result<Self, Error> {
        let config = cluster::read_section(&folder.join(format!("{name}.toml")))?;
        let config = config.ok_or("the file has no section for the cluster")?;
        let cluster = Arc::new(Cluster::start(&config)?);
        cluster.log_notices(move |line| eprintln!("{name}: {line}"));
        // The real Engram already serves these paths; merging would panic if the cluster's routes overlapped with them.
        let application: Router = Router::new()
            .route("/health/alive", get(async || "engram"))
            .route("/metrics/prometheus", get(async || "engram"));
        let _application = application.merge(cluster.routes());
        let (folder, stores) = (folder.join(name), Mutex::default());
        let registry = Arc::new(Registry { cluster: Arc::clone(&cluster), folder, stores });
        let opened = Arc::clone(&registry);
        cluster.open_spaces(move |space| {
            let registry = Arc::clone(&opened);
            async move {
                if let Err(error) = registry.create_or_get(&space) {
                    eprintln!("{name}: {error}");
                }
            }
        });
        Ok(Self { name, cluster, registry })
    }

    fn create_or_get(&self, space: &str) -> Result<Arc<MemoryStore>, Error> {
        Ok(self.registry.create_or_get(&MemorySpaceId::try_from(space)?)?)
    }

    fn print(&self) {
        for space in self.cluster.node.store.iter() {
            let (patterns, root) = (space.view().patterns.len(), space.root().to_string());
            let runs = space.run_stats().scheduler_runs;
            println!(
                "{} shows {patterns} patterns of {}, root {}; {runs} runs",
                self.name,
                space.id(),
                &root[..12],
            );
            let log = self.registry.folder.join(space.id().as_str()).join("belief_updates.jsonl");
            for line in fs::read_to_string(log).unwrap_or_default().lines() {
                println!("  {line}");
            }
        }
    }
}

/// Builds a store as Engram's store factory does, with only the steps that a cluster changes.
fn build_memory_space_store(
    space_id: &MemorySpaceId,
    directories: &SpaceDirectories,
    cluster: &Cluster,
    scheduler: SchedulerConfig,
) -> Result<Arc<MemoryStore>, MemorySpaceError> {
    let mut store = MemoryStore::for_space(space_id.clone(), 100_000);

    let service = cluster
        .service(space_id, directories.root.join("belief_updates.jsonl"))
        .map_err(|source| MemorySpaceError::StoreInit { id: space_id.clone(), source })?;
    store = store.with_consolidation_service(service);
    let store = Arc::new(store);
    cluster.start_scheduler(&store, scheduler);
    Ok(store)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    configure(folder.path())?;
    let mut engrams = Vec::new();
    for (name, topic) in NAMES.into_iter().zip(["rain", "snow", "wind"]) {
        let engram = Engram::start(name, folder.path())?;
        engram.create_or_get("default")?.remember(topic);
        engrams.push(engram);
    }
    until_equal(&engrams, "default", 3).await;

    // A space that ada creates reaches the others before any request there names it.
    engrams[0].create_or_get("work")?.remember("plan");
    until_equal(&engrams, "work", 1).await;
    // From now on, ben's engine also works on the space.
    engrams[1].create_or_get("work")?.remember("task");
    until_equal(&engrams, "work", 2).await;

    engrams.iter().for_each(Engram::print);
    for (metric, value) in metrics::RECORDED.lock().expect("no holder panics").iter() {
        println!("{metric} {value:.3}");
    }
    piggyback(&engrams)?;
    let mut restarted = Vec::new();
    for engram in engrams {
        restarted.push(restart_late(engram, folder.path()).await?);
    }
    for engram in restarted {
        engram.cluster.stop().await?;
    }
    Ok(())
}

/// Stops an Engram instance right after its engine has submitted many patterns, and starts it
/// again.
async fn restart_late(engram: Engram, folder: &Path) -> Result<Engram, Error> {
    let (name, store) = (engram.name, engram.create_or_get("late")?);
    (0..LATE).for_each(|n| store.remember(&format!("{name}_{n}")));
    let mut snapshot = store.consolidation_snapshot(0);
    snapshot.patterns = store.discover();
    store.consolidation_service().update_cache(&snapshot, ConsolidationCacheSource::OnDemand);
    drop(store);
    engram.cluster.stop().await?;
    drop(engram);

    let again = Engram::start(name, folder)?;
    let store = again.create_or_get("late")?;
    let of_own = format!("pattern_{name}_");
    let patterns = store.consolidation_snapshot(0).patterns;
    let stored = patterns.iter().filter(|pattern| pattern.id.starts_with(&of_own)).count();
    assert_eq!(stored, LATE, "{name}");
    println!(
        "{name} restarted with all {stored} patterns that its engine had submitted before the stop"
    );
    Ok(again)
}

/// Waits until all nodes host the space and show the same `count` patterns in it.
async fn until_equal(engrams: &[Engram], space: &str, count: u64) {
    let space = SpaceId::new(space).expect("a valid name");
    loop {
        let hosted = |engram: &Engram| engram.cluster.node.store.space(&space);
        let spaces: Vec<_> = engrams.iter().filter_map(hosted).collect();
        let complete = spaces.len() == engrams.len()
            && spaces.iter().all(|space| space.visible_len() == count);
        if complete && spaces.windows(2).all(|pair| pair[0].root() == pair[1].root()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Appends the first node's roots to a SWIM message and passes them to the second node, which
/// identifies the sender by name.
fn piggyback(engrams: &[Engram]) -> Result<(), Error> {
    let space = SpaceId::new("default")?;
    let (from, to) = (&engrams[0].cluster.node, &engrams[1].cluster.node);
    let message = b"a ping of ada, encoded by Engram".to_vec();
    let mut datagram = message.clone();
    swim::append_roots(&mut datagram, &from.gossiper(&space)?);
    let trailing = &datagram[message.len()..];
    swim::take_roots("ada", trailing, &to.gossiper(&space)?)?;
    println!("ben received {} bytes of roots after a SWIM message from ada", trailing.len());
    Ok(())
}

/// Writes certificates and a configuration file for each node.
fn configure(folder: &Path) -> Result<(), Error> {
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
    for (name, _, port) in &members {
        let mut text = format!(
            "[consolidation_gossip.node]\nname = '{name}'\nlisten = '127.0.0.1:{port}'\nspaces = '*'\n\
             [consolidation_gossip.tls]\nca = 'ca.pem'\ncertificate = '{name}.pem'\nkey = '{name}.key'\n\
             [consolidation_gossip.store]\npath = '{name}/gossip'\n"
        );
        for (peer, id, port) in members.iter().filter(|(peer, ..)| peer != name) {
            text += &format!(
                "[[consolidation_gossip.peers]]\nname = '{peer}'\nnode_id = '{id}'\n\
                 address = '127.0.0.1:{port}'\n"
            );
        }
        fs::write(folder.join(format!("{name}.toml")), text)?;
    }
    Ok(())
}
