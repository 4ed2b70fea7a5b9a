//! Budgets for the bytes and turns that it takes to find the differences, so that no change to the
//! code exceeds them unnoticed.

use crate::common::sparse::pair;
use crate::common::{Contact, Pair, parameters, space};
use engram_gossip_proto::SessionConfig;

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
    for (differences, budget) in [(1, 600), (10, 2_500), (100, 13_500)] {
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
    for (differences, budget) in [(1, 750), (10, 3_800), (100, 27_000)] {
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
