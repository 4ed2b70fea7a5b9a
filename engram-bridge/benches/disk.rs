//! Compares the work of a node's store on disk with the same work done without a node, in the same
//! run. Prints one JSON object per line.
//!
//! The floors are the times to write the same bytes to one file with a single sync, to read and
//! hash them, and to put the same updates into a bare redb database; sizes are compared with the
//! size of the contents. The filling and the reading of the bare database are also timed. During a
//! first submission and during a backup, the benchmark also times readers, writers of another space,
//! and HTTP requests. Readers and requests have absolute limits.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use common::{content_bytes, snapshot};
use engram_bridge::ConsolidationCacheSource::Scheduler;
use engram_bridge::durable::RedbStateStore;
use engram_bridge::http::Server;
use engram_bridge::telemetry::Telemetry;
use engram_bridge::{
    ConsolidationSnapshot, DEFAULT_SPACE, Environment, SemanticPattern, Space, Store, StoreConfig,
};
use engram_gossip_net::{ClusterCa, Gossip, Identity, NetConfig, Roster, Validity};
use engram_gossip_proto::SpaceId;
use engram_merkle::{AnyHasher, HEADER_LEN, Hasher as _};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use report::report;
use tokio::runtime::Runtime;

mod common;
#[path = "common/report.rs"]
mod report;

const SINGLE_UPDATES: usize = 300;
const GROUP: usize = 64;
const GROUPS: usize = 16;
/// The maximum time that a reader may wait for a lock, in seconds.
const LOCK: f64 = 0.05;
/// The maximum time that a request may wait for its response, in seconds.
const ANSWER: f64 = 0.1;
const BARE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("bare");

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    for count in [10_000, 100_000] {
        measure(count, &runtime);
    }
}

fn measure(count: usize, runtime: &Runtime) {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = snapshot(count);
    let bytes: usize = whole.patterns.iter().map(|pattern| content_bytes(pattern)).sum();
    let input = format!("{count} patterns of {bytes} bytes");
    let show = |name: &str, value: f64, unit: &str, floor: (&str, f64), budget: Option<f64>| {
        report(name, &input, value, unit, floor, budget);
    };
    let plain = folder.path().join("plain");
    let written = write_plain(&plain, &whole);

    let store = folder.path().join("store");
    let node = Node::start(&store, runtime);
    let (space, other) = (node.space(DEFAULT_SPACE), node.space("other"));
    let submitted = Arc::clone(&space);
    let feed = whole.clone();
    let first = node.beside(&other, move || _ = submitted.submit(&feed, Scheduler).expect("room"));
    let written = written.midpoint(write_plain(&plain, &whole));
    show("first submission", first.took, "s", ("the same bytes, one sync", written), Some(3.0));
    show("  a reader waits at most", first.reader, "s", ("limit", LOCK), Some(1.0));
    show("  an answer takes at most", first.answer, "s", ("limit", ANSWER), Some(1.0));
    show("  other spaces wait at most", first.writer, "s", ("the submission", first.took), None);

    let bare = Bare::create(&folder.path().join("bare.redb"), &whole);
    show("bare redb, first filling", bare.filled, "s", ("the same bytes, one sync", written), None);
    let updates: Vec<_> = (0..SINGLE_UPDATES).map(|n| changed(&whole, n, 1)).collect();
    let (mut single, mut floor) = (0.0, 0.0);
    // Alternate the two measurements: the duration of a sync varies from one minute to the next.
    for pattern in &updates {
        single += seconds(|| _ = space.submit_pattern(pattern).expect("room"));
        floor += seconds(|| bare.put(std::slice::from_ref(pattern)));
    }
    show("300 single updates", single, "s", ("bare redb", floor), Some(1.3));

    let before = disk_bytes();
    let mut content = 0;
    for group in 0..GROUPS {
        let patterns: Vec<_> = (0..GROUP).map(|n| changed(&whole, group * GROUP + n, 2)).collect();
        content += patterns.iter().map(|pattern| content_bytes(pattern)).sum::<usize>();
        let group = ConsolidationSnapshot { patterns, ..ConsolidationSnapshot::default() };
        space.submit(&group, Scheduler).expect("room");
    }
    let grouped = (disk_bytes() - before) as f64;
    show("updates in groups of 64", grouped, "B", ("their contents", content as f64), Some(4.0));

    let (backed_up, to) = (Arc::clone(&node.store), folder.path().join("backup"));
    let backup = node.beside(&other, move || backed_up.backup(&to).expect("room"));
    show("backup", backup.took, "s", ("the same bytes, one sync", written), None);
    show("  a reader waits at most", backup.reader, "s", ("limit", LOCK), Some(1.0));
    show("  an answer takes at most", backup.answer, "s", ("limit", ANSWER), Some(1.0));
    show("  writers wait at most", backup.writer, "s", ("the backup", backup.took), None);
    let size = node.store.write_stats().stored_bytes.unwrap_or(0) as f64;
    show("file of the store", size, "B", ("the contents", bytes as f64), None);
    drop((space, other));
    node.stop(runtime);

    let read = read_and_hash(&plain, &whole);
    let begun = Instant::now();
    let again = open(&store);
    let start = begun.elapsed().as_secs_f64();
    assert!(again.visible_len() >= count as u64, "the state is back");
    let read = read.midpoint(read_and_hash(&plain, &whole));
    show("start from the disk", start, "s", ("reading and hashing", read), Some(2.0));
    let bare = bare.read_again(&folder.path().join("bare.redb"));
    show("bare redb, checked and read", bare, "s", ("reading and hashing", read), None);
}

fn space_id(name: &str) -> SpaceId {
    SpaceId::new(name).expect("a name")
}

fn open(folder: &Path) -> Arc<Store> {
    let config = StoreConfig::new([7; 32].into(), [space_id(DEFAULT_SPACE), space_id("other")]);
    let kept = Arc::new(RedbStateStore::new(folder));
    Arc::new(Store::open(config, Environment::system(), kept).expect("a store"))
}

/// A node without peers, and its HTTP server.
struct Node {
    store: Arc<Store>,
    gossip: Gossip,
    server: Server,
}

/// The duration of some work, and the longest waits of the readers, writers and requests that ran
/// at the same time, in seconds.
struct Beside {
    took: f64,
    reader: f64,
    writer: f64,
    answer: f64,
}

impl Node {
    fn start(folder: &Path, runtime: &Runtime) -> Self {
        let _entered = runtime.enter();
        let validity = Validity::days_from(SystemTime::now(), 1);
        let ca = ClusterCa::generate("bench", validity).expect("a certificate authority");
        let node = ca.issue_node("node", validity).expect("a certificate");
        let identity =
            Identity::from_pem(ca.certificate_pem(), &node.certificate_pem, &node.key_pem);
        let store = open(folder);
        let network = NetConfig::new(([127, 0, 0, 1], 0).into());
        let (parameters, replicas) = (store.parameters(), Arc::clone(&store));
        let identity = identity.expect("an identity");
        let gossip = Gossip::bind(network, identity, Roster::default(), parameters, replicas);
        let gossip = gossip.expect("a free port");
        let telemetry = Telemetry::new("node", Arc::clone(&store), gossip.clone());
        let server = runtime.block_on(Server::start(([127, 0, 0, 1], 0).into(), &telemetry));
        Self { store, gossip, server: server.expect("a free port") }
    }

    fn space(&self, name: &str) -> Arc<Space> {
        self.store.space(&space_id(name)).expect("it is hosted")
    }

    /// Times `work`, and the readers, the writers of the space `other`, and the requests that run
    /// at the same time.
    fn beside(&self, other: &Arc<Space>, work: impl FnOnce() + Send + 'static) -> Beside {
        let done = AtomicBool::new(false);
        let at = self.server.local_addr();
        let default = self.space(DEFAULT_SPACE);
        let like = snapshot(1).patterns.remove(0);
        let until_done = |mut call: Box<dyn FnMut(u32) + Send>| {
            let (mut worst, mut calls) = (Duration::ZERO, 0);
            while !done.load(Ordering::Relaxed) {
                let begun = Instant::now();
                call(calls);
                worst = worst.max(begun.elapsed());
                calls += 1;
                thread::sleep(Duration::from_millis(5));
            }
            worst.as_secs_f64()
        };
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let default = Arc::clone(&default);
                until_done(Box::new(move |_| _ = (default.summary(), default.explain("none"))))
            });
            let writer = scope.spawn(|| {
                let (other, like) = (Arc::clone(other), Arc::clone(&like));
                until_done(Box::new(move |n| {
                    let pattern = SemanticPattern { strength: n as f32, ..(*like).clone() };
                    other.submit_pattern(&Arc::new(pattern)).expect("room");
                }))
            });
            let answer = scope
                .spawn(|| until_done(Box::new(move |n| ask(at, PATHS[n as usize % PATHS.len()]))));
            let begun = Instant::now();
            work();
            let took = begun.elapsed().as_secs_f64();
            done.store(true, Ordering::Relaxed);
            let [reader, writer, answer] =
                [reader, writer, answer].map(|waited| waited.join().expect("no panic"));
            Beside { took, reader, writer, answer }
        })
    }

    /// Stops the node, and waits until nothing uses its store.
    fn stop(self, runtime: &Runtime) {
        let Self { store, gossip, server } = self;
        runtime.block_on(gossip.shutdown());
        drop((gossip, server));
        while Arc::strong_count(&store) > 1 {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The paths that Prometheus, a supervisor and a load balancer request.
const PATHS: [&str; 3] = ["/metrics/prometheus", "/health/alive", "/health/ready"];

fn ask(at: SocketAddr, path: &str) {
    let mut stream = TcpStream::connect(at).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    // `/health/ready` answers with 503 if the node is not ready.
    let answered = ["HTTP/1.1 200", "HTTP/1.1 503"].iter().any(|status| answer.starts_with(status));
    assert!(answered && (path != PATHS[0] || answer.ends_with("# EOF\n")), "{answer}");
}

/// Returns the pattern at position `n` of a scattered order, with a strength that depends on
/// `version`.
fn changed(whole: &ConsolidationSnapshot, n: usize, version: u16) -> Arc<SemanticPattern> {
    let pattern = &whole.patterns[n * 97 % whole.patterns.len()];
    Arc::new(SemanticPattern { strength: f32::from(version) * 0.01, ..(**pattern).clone() })
}

fn encoded(pattern: &SemanticPattern) -> Vec<u8> {
    let mut bytes = pattern.id.as_bytes().to_vec();
    bytes.extend(pattern.embedding.iter().flat_map(|x| x.to_le_bytes()));
    bytes.extend(pattern.source_episodes.iter().flat_map(|episode| episode.bytes()));
    bytes.extend([0; 16]);
    bytes
}

/// Writes all contents to one file, and syncs it. Returns the duration in seconds.
fn write_plain(path: &Path, whole: &ConsolidationSnapshot) -> f64 {
    let begun = Instant::now();
    let mut file = File::create(path).expect("room");
    whole.patterns.iter().for_each(|pattern| file.write_all(&encoded(pattern)).expect("room"));
    file.sync_all().expect("room");
    begun.elapsed().as_secs_f64()
}

/// Reads the contents from the file of [`write_plain`], and hashes each. Returns the duration in
/// seconds.
fn read_and_hash(path: &Path, whole: &ConsolidationSnapshot) -> f64 {
    let begun = Instant::now();
    let mut file = File::open(path).expect("it was written");
    for pattern in &whole.patterns {
        let mut bytes = vec![0; content_bytes(pattern)];
        file.read_exact(&mut bytes).expect("it was written");
        std::hint::black_box(AnyHasher::Sha256.hash(&[0; HEADER_LEN], &bytes));
    }
    begun.elapsed().as_secs_f64()
}

/// Returns the duration of `work` in seconds.
fn seconds(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64()
}

/// A bare database that holds the contents, and the time that filling it took, in seconds.
struct Bare {
    database: Database,
    filled: f64,
}

impl Bare {
    fn create(path: &Path, whole: &ConsolidationSnapshot) -> Self {
        let mut builder = Database::builder();
        builder.set_cache_size(RedbStateStore::DEFAULT_CACHE);
        let database = builder.create(path).expect("room");
        let mut bare = Self { database, filled: 0.0 };
        bare.filled = seconds(|| whole.patterns.chunks(1_000).for_each(|part| bare.put(part)));
        bare
    }

    /// Closes the database, opens and checks its file, and reads and hashes all rows. Returns the duration in seconds,
    /// without the closing.
    fn read_again(self, path: &Path) -> f64 {
        drop(self.database);
        seconds(|| {
            let mut builder = Database::builder();
            builder.set_cache_size(RedbStateStore::DEFAULT_CACHE).set_check_integrity_on_open(true);
            let database = builder.create(path).expect("it was written");
            let rows = database.begin_read().expect("it is open").open_table(BARE);
            for row in rows.expect("it was written").iter().expect("it is sound") {
                let row = row.expect("it is sound").1;
                std::hint::black_box(AnyHasher::Sha256.hash(&[0; HEADER_LEN], row.value()));
            }
        })
    }

    /// Writes patterns in one commit.
    fn put(&self, patterns: &[Arc<SemanticPattern>]) {
        let transaction = self.database.begin_write().expect("room");
        {
            let mut rows = transaction.open_table(BARE).expect("room");
            for pattern in patterns {
                rows.insert(pattern.id.as_bytes(), &*encoded(pattern)).expect("room");
            }
        }
        transaction.commit().expect("room");
    }
}

/// Returns the number of bytes that this process has written to the disk so far.
fn disk_bytes() -> u64 {
    let io = fs::read_to_string("/proc/self/io").expect("this system counts them");
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).expect("this system counts them")
}
