//! What a session costs beside the bytes that it moves: ours against bare quinn streams that carry
//! as many bytes in as many turns, over the same transport settings.

#[path = "../tests/it/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::raw::{Certificate, RawClient, client_config, echo_server, raw_client};
use common::{Cluster, Node, quiet, take};
use criterion::{Criterion, criterion_group, criterion_main};
use engram_gossip_net::{Allowance, NetConfig, SessionReport};
use quinn::Connection;
use tokio::runtime::{Builder, Runtime};

/// One thread for both ends, so that no scheduler decides the result.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn silent() -> NetConfig {
    let mut config = quiet();
    config.advert_fanout = 0;
    // A benchmark moves in seconds what a peer may move in minutes.
    config.transfer.peer = Allowance::UNLIMITED;
    config
}

async fn pair() -> [Node; 2] {
    let [mut a, mut b] = take(Cluster::new().start(&["a", "b"], &silent()));
    a.connected_to(b.id()).await;
    b.connected_to(a.id()).await;
    [a, b]
}

/// A connection to a server that answers each request with as many bytes as it asks for.
async fn bare() -> (RawClient, Connection, common::raw::RawServer) {
    let ready = Cluster::new().issue("server");
    let server = echo_server(&ready, &[b"bench"]);
    let client = raw_client();
    let config = client_config(Certificate::None, &[b"bench"]);
    let connection = client.connect(config, server.address).await.unwrap();
    (client, connection, server)
}

/// Sends `up` bytes on a fresh stream and receives `down` bytes.
async fn exchange(connection: &Connection, up: usize, down: usize) {
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    let mut request = u32::try_from(down).unwrap().to_le_bytes().to_vec();
    request.resize(up.max(4), 0);
    send.write_all(&request).await.unwrap();
    send.finish().unwrap();
    let answer = recv.read_to_end(down).await.unwrap();
    assert_eq!(answer.len(), down);
}

/// An equal pair looks whether it is equal: one request, one answer.
fn in_sync_check(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("in_sync_check");
    let [a, b] = runtime.block_on(pair());
    a.store.write("one");
    runtime.block_on(a.gossip.sync_with(b.id())).unwrap();
    let report = runtime.block_on(a.gossip.sync_with(b.id())).unwrap();
    assert!(report.is_equal() && report.outcome.stats.turns == 2, "{report:?}");
    group.bench_function("ours/one_space", |bencher| {
        bencher.iter(|| runtime.block_on(a.gossip.sync_with(b.id())).unwrap());
    });
    let (_client, connection, _server) = runtime.block_on(bare());
    let (up, down) = sizes(&report);
    group.bench_function("quinn/one_space", |bencher| {
        bencher.iter(|| runtime.block_on(exchange(&connection, up, down)));
    });
    group.finish();
}

/// A pair of which one has everything and the other nothing.
fn bulk_sync(c: &mut Criterion) {
    const PATTERNS: usize = 1000;
    let runtime = runtime();
    let mut group = c.benchmark_group("bulk_sync");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    let fresh = || {
        let [a, b] = runtime.block_on(pair());
        (0..PATTERNS).for_each(|n| b.store.write(&format!("pattern_{n:016x}")));
        [a, b]
    };
    let [a, b] = fresh();
    let report = runtime.block_on(a.gossip.sync_with(b.id())).unwrap();
    assert!(report.is_equal() && a.store.ids().len() == PATTERNS);
    group.bench_function("ours/1000_patterns", |bencher| {
        bencher.iter_custom(|times| {
            let once = |_| {
                let [a, b] = fresh();
                let begun = Instant::now();
                runtime.block_on(a.gossip.sync_with(b.id())).unwrap();
                begun.elapsed()
            };
            (0..times).map(once).sum()
        });
    });
    let (_client, connection, _server) = runtime.block_on(bare());
    let (up, down) = sizes(&report);
    group.bench_function("quinn/1000_patterns", |bencher| {
        bencher.iter(|| runtime.block_on(exchange(&connection, up, down)));
    });
    group.finish();
}

fn sizes(report: &SessionReport) -> (usize, usize) {
    let size = |bytes: u64| usize::try_from(bytes).unwrap();
    (size(report.bytes_sent), size(report.bytes_received))
}

criterion_group!(benches, in_sync_check, bulk_sync);
criterion_main!(benches);
