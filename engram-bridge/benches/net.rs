//! Compares a sync of all patterns from one node to another with a bare stream of the same number of bytes.
//!
//! Both run over QUIC on loopback, with the same cipher, on the same tokio runtime. The sync packs,
//! verifies and joins records, and ends with equal roots; the bare stream discards its bytes. Each
//! measurement uses a new connection, which first has to find its sending rate.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bare::Bare;
use common::content_bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use engram_bridge::ConsolidationCacheSource::Scheduler;
use engram_bridge::snapshot_file::SnapshotFile;
use engram_bridge::{
    ConsolidationSnapshot, DEFAULT_SPACE, ENGRAM_DIMENSION, Environment, SemanticPattern, Store,
    StoreConfig,
};
use engram_gossip_net::{
    ClusterCa, ConnectionState, Gossip, Identity, Member, NetConfig, NodeCredentials, Roster,
    SessionReport, Validity,
};
use engram_gossip_proto::SpaceId;
use tokio::runtime::Builder;

#[path = "common/bare.rs"]
mod bare;
mod common;

const COUNT: usize = 1_000;

/// A node whose timers do not fire during a measurement.
struct Node {
    store: Arc<Store>,
    gossip: Gossip,
}

impl Node {
    fn start(ca: &ClusterCa, credentials: &NodeCredentials) -> Self {
        let mut config = NetConfig::new(([127, 0, 0, 1], 0).into());
        config.schedule.interval = Duration::from_secs(3_600);
        config.schedule.advert_interval = Duration::from_secs(3_600);
        config.schedule.advert_fanout = 0;
        config.schedule.dial_spread = Duration::from_millis(1);
        // Delay triggered sessions: otherwise, the adverts that both nodes send when they connect would start one.
        config.schedule.trigger_jitter = Duration::from_secs(10);
        let (certificate, key) = (&credentials.certificate_pem, &credentials.key_pem);
        let identity = Identity::from_pem(ca.certificate_pem(), certificate, key);
        let of_store = StoreConfig::new(credentials.node_id, [space()]);
        let store = Arc::new(Store::new(of_store, Environment::system()));
        let (parameters, replicas) = (store.parameters(), Arc::clone(&store));
        let identity = identity.expect("an identity");
        let gossip = Gossip::bind(config, identity, Roster::default(), parameters, replicas);
        Self { store, gossip: gossip.expect("a free port") }
    }

    fn member(&self, name: &str) -> Member {
        let address = Some(self.gossip.local_addr().to_string());
        Member { id: self.gossip.node_id(), name: name.to_owned(), address }
    }

    async fn meet(&self, other: &Self) {
        let members = [self.member("full"), other.member("empty")];
        let nodes = [self, other];
        let events = nodes.map(|node| node.gossip.events());
        for node in nodes {
            let roster = Roster::new(members.clone()).expect("two members");
            node.gossip.set_roster(roster);
        }
        for (mut events, (at, to)) in events.into_iter().zip([(self, other), (other, self)]) {
            while !at.is_connected_to(to) {
                events.next().await.expect("the node runs");
            }
        }
    }

    fn is_connected_to(&self, other: &Self) -> bool {
        let is_up = |state| matches!(state, ConnectionState::Connected { .. });
        let peers = self.gossip.peers().into_iter();
        let other = other.gossip.node_id();
        peers.filter(|peer| peer.member.id == other).any(|peer| is_up(peer.connection))
    }
}

fn space() -> SpaceId {
    SpaceId::new(DEFAULT_SPACE).expect("a name")
}

/// Returns the patterns of five files of the fixture, each id once, and further patterns, each with the mean of two real
/// embeddings, like those that the engine makes from recalled patterns. No two embeddings are equal, so the
/// patterns compress no better than real ones.
fn snapshot() -> ConsolidationSnapshot {
    let mut real: BTreeMap<String, Arc<SemanticPattern>> = BTreeMap::new();
    let mut like = None;
    for file in ["small/node-a", "small/node-b", "small/node-c", "store/node-a", "store/node-b"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixture/{file}.jsonl"));
        let mut file = SnapshotFile::open(&path, ENGRAM_DIMENSION).expect("the fixture is there");
        for run in file.runs() {
            for read in file.read_run(run).expect("it is readable") {
                real.extend(read.snapshot.patterns.iter().map(|p| (p.id.clone(), p.clone())));
                like = Some(read.snapshot);
            }
        }
    }
    let mut patterns: Vec<_> = real.into_values().collect();
    let reals = patterns.len();
    eprintln!("{reals} patterns are real; each of the others is the mean of two of them");
    for n in 0..COUNT - reals {
        let (a, b) = (&patterns[n % reals], &patterns[(n + 1 + n / reals) % reals]);
        let mean = a.embedding.iter().zip(&*b.embedding).map(|(a, b)| a.midpoint(*b)).collect();
        let id = format!("pattern_{}", 11_400_714_819_323_198_485_u64.wrapping_mul(n as u64 + 1));
        patterns.push(Arc::new(SemanticPattern { id, embedding: mean, ..(**a).clone() }));
    }
    ConsolidationSnapshot { patterns, ..like.expect("the fixture has snapshots") }
}

fn bulk_sync(criterion: &mut Criterion) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let _entered = runtime.enter();
    let validity = Validity::days_from(SystemTime::now(), 1);
    let ca = ClusterCa::generate("bench", validity).expect("a certificate authority");
    let [full, empty] =
        ["full", "empty"].map(|name| ca.issue_node(name, validity).expect("a certificate"));
    let whole = snapshot();
    let content: usize = whole.patterns.iter().map(|pattern| content_bytes(pattern)).sum();
    let full = Node::start(&ca, &full);
    let full_space = full.store.space(&space()).expect("it is hosted");
    full_space.submit(&whole, Scheduler).expect("it is kept in memory");
    let sync_once = || -> (SessionReport, Duration) {
        let empty = Node::start(&ca, &empty);
        runtime.block_on(async {
            full.meet(&empty).await;
            // Sync on a task, as a node does, so that the caller's thread does none of the work.
            let (gossip, peer) = (empty.gossip.clone(), full.gossip.node_id());
            let synced = tokio::spawn(async move {
                let begun = Instant::now();
                let report = gossip.sync_with(peer).await.expect("a session");
                (report, begun.elapsed())
            });
            let synced = synced.await.expect("no panic");
            assert!(synced.0.is_equal() && empty.store.root() == full.store.root());
            empty.gossip.shutdown().await;
            synced
        })
    };
    // Occasionally, the scheduler opens a session first, and the timed session transfers fewer records. In that case,
    // repeat the measurement.
    let moved_all = |synced: &(SessionReport, _)| synced.0.outcome.stats.records_in == COUNT as u64;
    let sync = || std::iter::repeat_with(sync_once).find(moved_all).expect("it is repeated");
    let (report, _) = sync();
    let (up, down) = (report.bytes_sent as usize, report.bytes_received as usize);
    eprintln!("{COUNT} patterns of {content} bytes take {down} bytes down and {up} bytes up");

    let mut group = criterion.benchmark_group("bulk_sync");
    group.sample_size(30);
    group.bench_function(format!("ours/{COUNT}"), |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| sync().1).sum());
    });
    let move_once = || {
        let bare = runtime.block_on(Bare::connect(&ca, validity));
        let connection = bare.connection.clone();
        let exchanged = async move {
            let begun = Instant::now();
            bare::exchange(&connection, up, down).await;
            begun.elapsed()
        };
        runtime.block_on(runtime.spawn(exchanged)).expect("no panic")
    };
    group.bench_function(format!("quinn/{COUNT}"), |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| move_once()).sum());
    });
    group.finish();
}

criterion_group!(benches, bulk_sync);
criterion_main!(benches);
