//! Measures traffic and virtual time on the in-memory network, so the results do not depend on the
//! machine: `cargo bench --all-features --bench size` prints one JSON object per line.

#[path = "../tests/it/common/mod.rs"]
mod common;

use std::time::Duration;

use common::in_memory::{cluster, converges, handshakes, idle, static_seeds, swim};
use engram_gossip_net::{Conditions, MemoryNetwork};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

/// Maximum number of payload bytes per second that an idle node may send, on average over a hundred
/// nodes.
const OWN: f64 = 160.0;
/// The corresponding limit including the headers of QUIC, UDP and IP.
const ON_THE_WIRE: f64 = 600.0;
/// Maximum number of seconds until all surviving nodes are equal and hold each other's records.
const NEWS: f64 = 10.0;

fn main() {
    idle_hour();
    idle_traffic();
    news();
}

/// Creates a runtime whose paused clock advances to the next timer.
fn virtual_time() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

fn print(name: &str, input: &str, value: f64, unit: &str, reference: (&str, f64)) {
    let (text, limit) = reference;
    let ratio = value / limit;
    println!(
        r#"{{"name":"{name}","input":"{input}","value":{value:.2},"unit":"{unit}","reference":"{text}","ratio":{ratio:.4},"budget":1.0,"met":{}}}"#,
        ratio <= 1.0
    );
}

fn idle_hour() {
    let [first, all] = virtual_time().block_on(async {
        let nodes = cluster(&MemoryNetwork::new(1), 3, static_seeds).await;
        let first = handshakes(&nodes);
        sleep(Duration::from_secs(3_600)).await;
        [first, handshakes(&nodes)].map(|handshakes| handshakes as f64)
    });
    let input = "an hour of 3 idle nodes";
    print("handshakes", input, all, "handshakes", ("the first ones", first));
}

/// Measures the traffic of idle nodes: root adverts, one per second or within the membership's
/// packets.
fn idle_traffic() {
    for (input, membership) in
        [("100 nodes, static seeds", static_seeds as fn(usize) -> _), ("100 nodes, SWIM", swim)]
    {
        let [own, wire] = virtual_time().block_on(async {
            let network = MemoryNetwork::new(2);
            let nodes = cluster(&network, 100, membership).await;
            idle(&network, &nodes).await
        });
        rates(input, own, wire);
    }
}

fn rates(input: &str, own: f64, wire: f64) {
    print("idle traffic, our own", input, own, "B/s", ("160 B/s", OWN));
    print("idle traffic, all headers", input, wire, "B/s", ("600 B/s", ON_THE_WIRE));
}

/// Measures how long a hundred nodes that each wrote a record, or the survivors among them, take to
/// hold each other's records and become equal.
fn news() {
    for (input, dying) in [("100 nodes", 0), ("100 nodes, 10 die", 10)] {
        let took = virtual_time().block_on(async {
            let network = MemoryNetwork::new(3);
            let nodes = cluster(&network, 100, static_seeds).await;
            converges(&network, nodes, dying, Conditions::default()).await
        });
        print("news of all with all", input, took.as_secs_f64(), "s", ("10 s", NEWS));
    }
}
