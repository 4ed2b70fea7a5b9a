//! A node without a store that restarts repeatedly.

use std::sync::Arc;

use engram_bridge::Store;
use engram_gossip_proto::{Compression, SessionConfig};

use crate::session::Handover;
use crate::support::{only_space, pattern, store};

const STARTS: u32 = 10_000;

/// Starts node 1 without a state: its engine submits, the node meets its peer, writes the waiting
/// submission, and meets its peer again. Returns the number of bytes of each session.
fn start(peer: &Arc<Store>, value: u8) -> [usize; 2] {
    let one = store(1);
    let config = SessionConfig { compression: Compression::Off, ..SessionConfig::default() };
    let meet = || Handover::new(&one, peer, config.clone()).finish().bytes;
    assert!(only_space(&one).await_contact());
    only_space(&one).submit_pattern(&pattern("p", value)).unwrap();
    let first = meet();
    only_space(&one).take_in().unwrap();
    [first, meet()]
}

fn starts(value: impl Fn(u32) -> u8) {
    let peer = store(2);
    only_space(&peer).submit_pattern(&pattern("p", 250)).unwrap();
    // At the first start, the peer does not hold a write of node 1 yet.
    (0..2).for_each(|number| _ = start(&peer, value(number)));
    let second = start(&peer, value(2));
    for number in 3..STARTS {
        let bytes = start(&peer, value(number));
        let differ = bytes.iter().zip(second).map(|(now, then)| now.abs_diff(then)).sum::<usize>();
        assert!(differ <= 4, "start {number}: {bytes:?}, but {second:?} at start 2");
    }
    let explanation = only_space(&peer).explain("p").unwrap();
    assert_eq!(explanation.context.len(), 2);
    assert_eq!(explanation.versions.len(), 2);
    let writes = explanation.versions.iter().map(|version| version.writes.len()).sum::<usize>();
    assert_eq!(writes, 2);
    assert_eq!(only_space(&peer).stats().context_entries, 2);
}

#[test]
fn restarts_with_equal_content_add_no_entry() {
    starts(|_| 1);
}

#[test]
fn restarts_with_new_contents_add_no_entry() {
    starts(|number| 100 + (number % 100) as u8);
}
