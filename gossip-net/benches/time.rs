//! What it costs to find out that nothing differs: ours against a bare quinn request and response of
//! as many bytes, with the same cipher.
//!
//! On one thread no scheduler decides the result; a node has several.

#[path = "../tests/it/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::raw::{
    Certificate, RawClient, RawServer, client_config, echo_server, exchange, like_a_node,
    raw_client,
};
use common::{Cluster, Node, quiet, take};
use criterion::{Criterion, criterion_group, criterion_main};
use engram_gossip_net::{Allowance, NetConfig, SessionReport};
use quinn::Connection;
use tokio::runtime::{Builder, Runtime};

/// The runtimes on which both are measured.
fn runtimes() -> [(&'static str, Runtime); 2] {
    let one = Builder::new_current_thread().enable_all().build().unwrap();
    let two = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    [("one_thread", one), ("two_threads", two)]
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

/// A connection as nodes keep theirs, to a server that answers requests and does nothing else.
async fn bare() -> (RawClient, Connection, RawServer) {
    let ready = Cluster::new().issue("server");
    let server = echo_server(&ready, &[b"bench"]);
    let client = raw_client();
    let config = client_config(Certificate::None, &[b"bench"]);
    let connection = client.connect_with(config, server.address, like_a_node()).await.unwrap();
    (client, connection, server)
}

/// An equal pair looks whether it is equal: one request, one answer.
fn in_sync_check(c: &mut Criterion) {
    let mut group = c.benchmark_group("in_sync_check");
    for (input, runtime) in runtimes() {
        let [a, b] = runtime.block_on(pair());
        a.store.write("one");
        let peer = b.id();
        runtime.block_on(a.gossip.sync_with(peer)).unwrap();
        let report = runtime.block_on(a.gossip.sync_with(peer)).unwrap();
        assert!(report.is_equal() && report.outcome.stats.turns == 2, "{report:?}");
        group.bench_function(format!("ours/{input}"), |bencher| {
            bencher.iter_custom(|times| {
                let gossip = a.gossip.clone();
                let once = async move || _ = gossip.sync_with(peer).await.unwrap();
                runtime.block_on(runtime.spawn(repeated(times, once))).unwrap()
            });
        });
        let (_client, connection, _server) = runtime.block_on(bare());
        let (up, down) = sizes(&report);
        group.bench_function(format!("quinn/{input}"), |bencher| {
            bencher.iter_custom(|times| {
                let connection = connection.clone();
                let once = async move || exchange(&connection, up, down).await;
                runtime.block_on(runtime.spawn(repeated(times, once))).unwrap()
            });
        });
    }
    group.finish();
}

/// How long `times` calls take, one after the other.
async fn repeated(times: u64, call: impl AsyncFn()) -> Duration {
    let begun = Instant::now();
    for _ in 0..times {
        call().await;
    }
    begun.elapsed()
}

fn sizes(report: &SessionReport) -> (usize, usize) {
    let size = |bytes: u64| usize::try_from(bytes).unwrap();
    (size(report.bytes_sent), size(report.bytes_received))
}

criterion_group!(benches, in_sync_check);
criterion_main!(benches);
