//! Measurements with more than two nodes: confirmations of each other's patterns, and concurrent
//! transfers to one node.

use std::time::Duration;

use engram_gossip_proto::sim::{Host, Latency, Link, Random, World, WorldConfig};
use engram_gossip_proto::{Ending, SessionConfig};

use super::Weight;
use crate::conversation::Conversation;
use crate::replica::{Replica, default_space, pattern};

/// Measures how many contents a session sends for a hundred records whose contents the receiver
/// already has. The budget is zero.
pub(super) fn confirmations() -> Weight {
    const COUNT: u32 = 100;
    let space = default_space();
    let mut random = Random::new(7);
    let [left, right, third] =
        [0, 1, 2].map(|n| Replica::new(n, std::slice::from_ref(&space), random.fork()));
    let same = |n: u32| pattern(&format!("pattern_{n}"), n);
    (0..COUNT).for_each(|n| third.submit(&space, &same(n)));
    // Fill both nodes in sessions, so that their clocks record that they have handled the contents.
    for receiver in [&left, &right] {
        Conversation::hold(&third, receiver, SessionConfig::default());
    }
    (0..COUNT).for_each(|n| right.submit(&space, &same(n)));
    let talk = Conversation::hold(&left, &right, SessionConfig::default());
    assert_eq!(talk.ending, Ending::InSync, "no node writes meanwhile");
    assert_eq!(talk.records, COUNT as usize, "each confirmation is a record");
    let input = format!("{COUNT} confirmations of contents that are held");
    let contents = talk.contents as f64;
    Weight::new("confirm", input, (contents, "contents"), ("one".to_owned(), 1.0), 0.0)
}

/// Measures the bytes of records that an empty node receives in concurrent sessions with eight
/// peers. All peers hold the same records, which sessions have spread among them. The reference is
/// a session with one of them.
pub(super) fn eight_sessions(patterns: usize, writers: usize) -> Weight {
    const PEERS: usize = 8;
    let space = default_space();
    let mut random = Random::new(8);
    let mut node = |n| Replica::new(n, std::slice::from_ref(&space), random.fork());
    let hosts: Vec<_> = (0..=PEERS).map(&mut node).collect();
    let other = node(PEERS + 1);
    for n in 0..patterns {
        let content = pattern(&format!("pattern_{n}"), n as u32);
        hosts[1 + n % writers].submit(&space, &content);
    }
    equalize(&hosts[1..]);
    let data = Conversation::hold(&other, &hosts[1], SessionConfig::default());
    assert_eq!(data.records, patterns, "one session sends everything");
    let mut config = WorldConfig::fair(8, Link::perfect(Latency::LAN));
    config.schedule.outbound_sessions = PEERS;
    let mut world = World::new(config, hosts);
    (1..=PEERS).for_each(|peer| world.request(0, peer));
    let agreed = world.run_until_agreed(Duration::from_secs(60));
    assert!(agreed.is_some(), "the empty node receives everything");
    assert_eq!(world.host(0).summary(&space).count, patterns as u64);
    while world.in_session() > 0 {
        world.run_until(world.now() + Duration::from_millis(10));
    }
    let tally = world.tally();
    assert_eq!(tally.most_at_one_node, PEERS, "all sessions run simultaneously");
    // The tally counts each frame at both ends.
    let bytes = (tally.record_bytes / 2) as f64;
    let by = if writers == 1 { "one node" } else { "all peers" };
    let input = format!("empty node, {PEERS} sessions, {patterns} patterns by {by}");
    let single = data.record_bytes();
    let reference = (format!("the {single} bytes of one session"), single as f64);
    Weight::new("eight", input, (bytes, "bytes"), reference, 1.2)
}

/// Makes these nodes equal with sessions between the first node and each of the others.
fn equalize(nodes: &[Replica]) {
    for _ in 0..2 {
        for other in &nodes[1..] {
            let talk = Conversation::hold(&nodes[0], other, SessionConfig::default());
            assert_eq!(talk.ending, Ending::InSync, "no node writes meanwhile");
        }
    }
}
