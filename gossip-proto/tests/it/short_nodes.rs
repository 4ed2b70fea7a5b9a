//! Summaries name a node by the first 8 bytes of its id, which do not depend on the session key. A
//! record may name any node, so a peer can invent a junk node whose id begins with the same 8 bytes
//! as a member's id, with an entry that the member never reaches.

use crate::clocks::{agreed, descents, meet, short};
use crate::common::{State, Store, content, key_of, node_id, version};
use engram_gossip_proto::{Clocks, Ending, Part, Record};

/// A record with an entry far in the future, of a node whose id begins with the same 8 bytes as
/// the id of node 2.
fn junk() -> Record {
    let mut node = node_id(2);
    node[8..].fill(0xee);
    let part = Part { node, entry: version(1 << 40), dots: vec![] };
    Record { id: "junk".into(), parts: vec![part], suppressed: vec![] }
}

/// Writes as node 2 at `b`, syncs with `a`, and returns the descents and the bytes of that session.
fn cost(a: &Store, b: &Store, writes: std::ops::Range<u64>) -> (u64, usize) {
    for n in writes.clone() {
        b.change().submit(2, 5_000 + n, content(&format!("pattern_{n}"), 77));
    }
    let contact = meet(a, b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(contact.opener.stats.applied, writes.end - writes.start);
    assert_eq!(a.state().essence(), b.state().essence(), "nothing is lost");
    (descents(&contact), contact.bytes())
}

#[test]
fn a_junk_name_of_a_member_costs_a_descent() {
    let (a, b) = agreed(1_000);
    let (_, usual) = cost(&a, &b, 0..10);
    let insert = |state: &mut State| state.records.insert(key_of("junk"), junk());
    insert(&mut b.change());
    assert_eq!(meet(&a, &b).opener.result, Ending::InSync);
    assert_eq!(a.clocks().index.summary().get(&short(2)), version(1 << 40));
    for round in 1..4 {
        let (descended, bytes) = cost(&a, &b, 10 * round..10 * round + 10);
        assert_eq!(descended, 1, "every session compares the trees");
        eprintln!("10 records: {usual} bytes, {bytes} with the junk name");
        assert!(bytes < usual + 3_000, "{bytes} bytes, {usual} without the junk name");
    }
    // The writes of other members still travel by clocks.
    b.change().submit(3, 9_000, content("pattern_3", 78));
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!((contact.opener.stats.applied, descents(&contact)), (1, 0));
}

/// Instead of node 9, node `a` knows a junk node whose id begins like that of node 9, so the peer
/// expects it to know node 9.
#[test]
fn a_junk_name_is_not_taken_for_the_member() {
    let (a, b) = agreed(100);
    let mut junk = junk();
    junk.parts[0].node[..8].copy_from_slice(&short(9));
    junk.parts[0].entry = version(1);
    for store in [&a, &b] {
        store.change().records.insert(key_of("junk"), junk.clone());
        store.clocks().index.restart();
    }
    b.change().submit(9, 5_000, content("pattern_3", 77));
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(contact.acceptor.stats.records_out, 2, "the record is requested");
    assert_eq!((contact.opener.stats.applied, descents(&contact)), (1, 0));
    assert_eq!(a.state().essence(), b.state().essence());
}
