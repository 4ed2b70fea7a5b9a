//! Several nodes: their mutual confirmations, and concurrent transfers to one node.

use std::time::Duration;

use engram_gossip_proto::sim::{Host, Latency, Link, Random, World, WorldConfig};
use engram_gossip_proto::{Ending, SessionConfig};

use super::{Weight, copy};
use crate::conversation::Conversation;
use crate::replica::{Replica, default_space, pattern};

/// Content bytes of a hundred records whose contents the learner already has.
pub(super) fn confirmations() -> Weight {
    const COUNT: u32 = 100;
    let space = default_space();
    let mut random = Random::new(7);
    let [left, right, third] =
        [0, 1, 2].map(|n| Replica::new(n, std::slice::from_ref(&space), random.fork()));
    let same = |n: u32| pattern(&format!("pattern_{n}"), n);
    (0..COUNT).for_each(|n| third.submit(&space, &same(n)));
    // Learn through sessions, so that the clocks record that each learner handled the contents.
    for learner in [&left, &right] {
        Conversation::hold(&third, learner, SessionConfig::default());
    }
    (0..COUNT).for_each(|n| right.submit(&space, &same(n)));
    let talk = Conversation::hold(&left, &right, SessionConfig::default());
    assert_eq!(talk.ending, Ending::InSync, "no node writes meanwhile");
    let input = format!("{} confirmations of contents that are held", talk.records());
    let contents = talk.contents() as f64;
    Weight::new("confirm", input, (contents, "contents"), ("one".to_owned(), 1.0), 0.0)
}

/// Records that an empty node receives from eight concurrent peers.
pub(super) fn eight_sessions() -> Weight {
    const PEERS: usize = 8;
    const PATTERNS: u32 = 2_000;
    let space = default_space();
    let mut random = Random::new(8);
    let hosts: Vec<_> =
        (0..=PEERS).map(|n| Replica::new(n, std::slice::from_ref(&space), random.fork())).collect();
    for n in 0..PATTERNS {
        hosts[1].submit(&space, &pattern(&format!("pattern_{n}"), n));
    }
    hosts[2..].iter().for_each(|host| copy(&hosts[1], host));
    let mut world = World::new(WorldConfig::fair(8, Link::perfect(Latency::LAN)), hosts);
    (1..=PEERS).for_each(|peer| world.request(0, peer));
    let agreed = world.run_until_agreed(Duration::from_secs(60));
    assert!(agreed.is_some(), "the empty node learns everything");
    assert_eq!(world.host(0).summary(&space).count, u64::from(PATTERNS));
    let records = world.tally().records as f64;
    let input = format!("an empty node, {PEERS} sessions at once, {PATTERNS} patterns");
    let reference = ("the records".to_owned(), f64::from(PATTERNS));
    Weight::new("eight", input, (records, "records"), reference, 1.2)
}
