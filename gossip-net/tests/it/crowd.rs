//! Many real nodes in one process: adverts alone spread changes, even if nodes stop abruptly in the
//! meantime.
//!
//! `CROWD=100 cargo test --release --all-features --test it -- crowd --nocapture` uses more nodes
//! and prints the measurements.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::common::{Cluster, Node, quiet, until_all};

fn size() -> usize {
    std::env::var("CROWD").map_or(16, |n| n.parse().expect("CROWD is a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_nodes_converge_while_a_tenth_dies() {
    let n = size();
    let mut config = quiet();
    config.schedule.advert_interval = Duration::from_secs(1);
    // All handshakes share one machine's cores here.
    config.schedule.dial_spread = Duration::from_millis(60) * u32::try_from(n).unwrap();
    config.schedule.backoff_max = Duration::from_secs(5);
    let names: Vec<_> = (0..n).map(|i| format!("node-{i}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut nodes = Cluster::new().start(&names, &config);
    let ids: Vec<_> = nodes.iter().map(Node::id).collect();
    let begun = Instant::now();
    for node in &mut nodes {
        for id in &ids {
            if *id != node.id() {
                node.connected_to(*id).await;
            }
        }
    }
    println!("{n} nodes are connected after {:?}", begun.elapsed());

    let begun = Instant::now();
    for node in &nodes {
        node.store.write(&node.name);
        node.gossip.announce();
    }
    // The last tenth of the nodes stops immediately; records that it has not sent are lost.
    let dead = nodes.split_off(n - n / 10);
    let dead: BTreeSet<_> = dead.into_iter().map(|node| node.name).collect();
    let expected: BTreeSet<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let expected: BTreeSet<_> = expected.difference(&dead).cloned().collect();
    let done =
        |node: &Node| node.store.ids().into_iter().collect::<BTreeSet<_>>().is_superset(&expected);
    for node in &mut nodes {
        node.until(done).await;
    }
    println!("the running nodes' records are everywhere after {:?}", begun.elapsed());

    // Records that a stopped node has sent to at least one running node arrive everywhere.
    let agree = |nodes: &[Node]| nodes.windows(2).all(|p| p[0].store.roots() == p[1].store.roots());
    until_all(&mut nodes, agree).await;
    let sessions: u64 =
        nodes.iter().flat_map(|node| node.gossip.peers()).map(|peer| peer.sessions).sum();
    let bytes: u64 = nodes.iter().map(|node| node.gossip.stats().session_bytes_sent).sum();
    println!("{} sessions, {} session bytes per node", sessions / 2, bytes / nodes.len() as u64);
}
