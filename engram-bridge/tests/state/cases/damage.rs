//! Rows that rot.

use engram_bridge::{MemoryStateStore, Recovery, Table};
use engram_gossip_proto::View;

use super::converge;
use crate::support::{everything, only_space, open, pattern, space, store};

/// A node loses a pattern to one damaged row of `table`, which costs it `rows` rows, after deletions.
/// Its peer has to bring the pattern back.
fn damaged(table: Table, rows: u64) {
    let disk = MemoryStateStore::new();
    let (one, peer) = (open(1, &disk), store(2));
    for value in 0..5 {
        only_space(&one).submit_pattern(&pattern(&format!("a{value}"), value)).unwrap();
        only_space(&peer).submit_pattern(&pattern(&format!("b{value}"), value)).unwrap();
    }
    only_space(&one).submit_pattern(&pattern("gone-a", 9)).unwrap();
    only_space(&peer).submit_pattern(&pattern("gone-b", 9)).unwrap();
    converge(&[&one, &peer]);
    only_space(&one).forget("gone-a").unwrap();
    only_space(&peer).forget("gone-b").unwrap();
    converge(&[&one, &peer]);
    drop(one);

    disk.spoil(|of, key, value| {
        let of_pattern = match of {
            Table::Records => key.ends_with(b"b3"),
            _ => value.windows(2).any(|part| part == b"b3"),
        };
        if of == table && of_pattern {
            let middle = value.len() / 2;
            value[middle] ^= 1;
        }
        true
    });
    let one = open(1, &disk);
    let lost = vec![(space(), "b3".to_owned())];
    assert_eq!(*one.recovery(), Recovery::Repaired { records: 11, lost, rows });
    assert_eq!(only_space(&one).visible_len(), 9);
    let receipt = only_space(&one).pin().apply(everything(&only_space(&peer)));
    assert_eq!((receipt.applied, receipt.rejected), (1, vec![]));
    converge(&[&one, &peer]);
    assert_eq!(only_space(&one).visible_len(), 10);
    assert_eq!(*open(1, &disk).recovery(), Recovery::Loaded { records: 12 });
}

#[test]
fn a_damaged_record_comes_back_from_a_peer() {
    damaged(Table::Records, 1);
}

#[test]
fn a_damaged_content_comes_back_from_a_peer() {
    // The record that names the content goes with it.
    damaged(Table::Contents, 2);
}

#[test]
fn a_lost_row_comes_back_from_a_peer() {
    let disk = MemoryStateStore::new();
    let (one, peer) = (open(1, &disk), store(2));
    for value in 0..5 {
        only_space(&one).submit_pattern(&pattern(&format!("a{value}"), value)).unwrap();
    }
    converge(&[&one, &peer]);
    drop(one);
    disk.spoil(|table, key, _| table != Table::Records || !key.ends_with(b"a3"));
    let one = open(1, &disk);
    assert!(matches!(one.recovery(), Recovery::Repaired { records: 4, .. }), "{}", one.recovery());
    converge(&[&one, &peer]);
    assert_eq!(only_space(&one).visible_len(), 5);
}
