//! Budgets for the bytes and turns that it takes to find the differences, and for the bytes of
//! records that several sessions receive at once, so that no change to the code exceeds them
//! unnoticed.

#[cfg(feature = "sim")]
use std::time::Duration;

use crate::common::sparse::pair;
use crate::common::{Contact, Pair, parameters, space};
#[cfg(feature = "sim")]
use crate::common::{node_id, sync_with};
#[cfg(feature = "sim")]
use crate::schedule::replica::Replica;
use engram_gossip_proto::SessionConfig;
#[cfg(feature = "sim")]
use engram_gossip_proto::sim::{Latency, Link, World, WorldConfig};

fn contact(entries: usize, differences: usize, seed: u64) -> Contact {
    let (a, b) = pair(entries, differences, seed);
    Pair::keyed(
        [seed.to_le_bytes(), [2; 8]],
        (SessionConfig::default(), SessionConfig::default()),
        (parameters(), parameters()),
        (vec![(space("default"), a)], vec![(space("default"), b)]),
    )
    .run(|_, _, frame| vec![frame])
}

/// Counts the pairs of turns until both sides know which records to send.
fn round_trips(contact: &Contact) -> f64 {
    let learning: Vec<bool> = (contact.frames.iter())
        .filter(|(_, frame)| ![6, 7].contains(&frame[3]))
        .map(|(from_opener, _)| *from_opener)
        .collect();
    learning.chunk_by(|a, b| a == b).count() as f64 / 2.0
}

#[test]
fn ten_thousand_entries() {
    for (differences, budget) in [(1, 470), (10, 1_700), (100, 9_600)] {
        for seed in 0..5 {
            let contact = contact(10_000, differences, seed);
            let bytes = contact.bytes_to_learn();
            assert!(bytes <= budget, "{differences} differences, seed {seed}: {bytes} bytes");
            assert!(round_trips(&contact) <= 3.0, "{differences} differences, seed {seed}");
        }
    }
}

#[test]
fn a_million_entries() {
    for (differences, budget) in [(1, 590), (100, 18_300)] {
        let contact = contact(1_000_000, differences, 0);
        let bytes = contact.bytes_to_learn();
        assert!(bytes <= budget, "{differences} differences: {bytes} bytes");
        assert!(round_trips(&contact) <= 4.0, "{differences} differences");
    }
}

#[test]
fn a_contact_in_sync() {
    let contact = contact(10_000, 0, 0);
    assert_eq!(contact.frames.len(), 2);
    assert!(contact.bytes() <= 200, "{} bytes", contact.bytes());
}

/// The bytes of records that an empty node receives when it requests sessions with `peers` peers at
/// once, all of which hold the same `records` new records.
#[cfg(feature = "sim")]
fn bytes_of_records(peers: usize, records: usize) -> u64 {
    let mut nodes: Vec<_> = (0..=peers).map(Replica::new).collect();
    (0..records).for_each(|n| nodes[1].submit(&format!("pattern_{n}")));
    for _ in 0..2 {
        // After the second round, each peer has handled all records.
        (2..=peers).for_each(|peer| {
            let ends = [1, peer].map(|node| SessionConfig {
                peer: Some(node_id(node as u8)),
                ..SessionConfig::default()
            });
            let [ours, theirs] = ends;
            sync_with(&nodes[1].store, &nodes[peer].store, theirs, ours);
        });
    }
    let mut config = WorldConfig::fair(8, Link::perfect(Latency::LAN));
    config.schedule.outbound_sessions = peers;
    let mut world = World::new(config, nodes);
    (1..=peers).for_each(|peer| world.request(0, peer));
    world.run_until(Duration::from_secs(5));
    assert_eq!(world.host(0).store.state().records.len(), records);
    let tally = world.tally();
    assert_eq!((tally.most_at_one_node, world.in_session()), (peers, 0));
    // The tally counts each frame at both ends.
    tally.record_bytes / 2
}

#[test]
#[cfg(feature = "sim")]
fn eight_sessions_at_once() {
    for records in [1, 100, 128, 129, 1_000] {
        let (one, eight) = (bytes_of_records(1, records), bytes_of_records(8, records));
        assert!(
            eight * 10 <= one * 12,
            "{records} records: {eight} bytes in eight sessions, {one} in one"
        );
    }
}
