//! Measures a session that finds no difference, compared with a bare quinn request and response of
//! the same size and with the same cipher.

#[path = "../tests/it/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::raw::{
    Certificate, RawClient, RawServer, client_config, echo_server, exchange, like_a_node,
    raw_client,
};
use common::{Cluster, Node, quiet, roster};
use criterion::{Criterion, criterion_group, criterion_main};
use engram_gossip_net::{NetConfig, PeerQuota, Roster, SessionReport};
use quinn::Connection;
use tokio::runtime::{Builder, Runtime};

/// The runtimes of the two ends. With one runtime each, as in separate processes, the ends wake
/// each other; on one shared thread, only the sum of their work matters.
fn layouts() -> [(&'static str, [Arc<Runtime>; 2]); 2] {
    let thread = || Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let shared = Arc::new(Builder::new_current_thread().enable_all().build().unwrap());
    [
        ("a_thread_each", [thread(), thread()].map(Arc::new)),
        ("one_thread", [shared.clone(), shared]),
    ]
}

fn silent() -> NetConfig {
    let mut config = quiet();
    config.schedule.advert_fanout = 0;
    // A benchmark uses up the quota of several minutes within seconds.
    config.schedule.limits.peer = PeerQuota::UNLIMITED;
    config
}

/// Starts two nodes with equal state, and connects them.
fn pair(ends: &[Arc<Runtime>; 2]) -> [Node; 2] {
    let cluster = Cluster::new();
    let start = |(name, end): (&str, &Arc<Runtime>)| {
        let _entered = end.enter();
        cluster.issue(name).start(&silent(), Roster::default())
    };
    let [mut a, mut b] = [("a", &ends[0]), ("b", &ends[1])].map(start);
    let both = roster([a.member(), b.member()]);
    for (node, end) in [&a, &b].into_iter().zip(ends) {
        let _entered = end.enter();
        node.gossip.set_roster(both.clone());
    }
    let ids = [a.id(), b.id()];
    ends[0].block_on(async {
        a.connected_to(ids[1]).await;
        b.connected_to(ids[0]).await;
    });
    // Each session would wake a subscriber; the bare server has none.
    [a.unheard(), b.unheard()]
}

/// Opens a connection, with a node's transport settings, to a server that only answers requests.
fn bare([ours, theirs]: &[Arc<Runtime>; 2]) -> (RawClient, Connection, RawServer) {
    let ready = Cluster::new().issue("server");
    let server = {
        let _entered = theirs.enter();
        echo_server(&ready, &[b"bench"])
    };
    let _entered = ours.enter();
    let client = raw_client();
    let config = client_config(Certificate::None, &[b"bench"]);
    let connecting = client.connect_with(config, server.address, like_a_node());
    let connection = ours.block_on(connecting).unwrap();
    (client, connection, server)
}

/// Measures a session between two equal nodes, which is one request and one response, and a bare
/// exchange of as many bytes.
fn in_sync_check(c: &mut Criterion) {
    let mut group = c.benchmark_group("in_sync_check");
    for (layout, ends) in layouts() {
        let runtime = &ends[0];
        let [a, b] = pair(&ends);
        a.store.write("one");
        let peer = b.id();
        runtime.block_on(a.gossip.sync_with(peer)).unwrap();
        let report = runtime.block_on(a.gossip.sync_with(peer)).unwrap();
        assert!(report.is_equal() && report.outcome.stats.turns == 2, "{report:?}");
        group.bench_function(format!("ours/{layout}"), |bencher| {
            bencher.iter_custom(|times| {
                let gossip = a.gossip.clone();
                let once = async move || _ = gossip.sync_with(peer).await.unwrap();
                runtime.block_on(runtime.spawn(repeated(times, once))).unwrap()
            });
        });
        let (_client, connection, _server) = bare(&ends);
        let (up, down) = sizes(&report);
        group.bench_function(format!("quinn/{layout}"), |bencher| {
            bencher.iter_custom(|times| {
                let connection = connection.clone();
                let once = async move || exchange(&connection, up, down).await;
                runtime.block_on(runtime.spawn(repeated(times, once))).unwrap()
            });
        });
    }
    group.finish();
}

/// Returns the duration of `times` sequential calls.
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
