//! The caps on version summaries and on records above a summary, each reached and exceeded, and
//! ranges that a side does not take.

use crate::clocks::{agreed, descents, expecting, meet, short};
use crate::common::{Pair, State, Store, content, key_of, parameters, space};
use engram_gossip_proto::{Clocks, Delivery, Ending, Part, Record, View, limits};

/// A state whose context entries name this many nodes.
pub(crate) fn of_nodes(nodes: usize) -> State {
    let part = |n: usize| {
        let mut node = [0; 32];
        node[..8].copy_from_slice(&(n as u64).to_be_bytes());
        Part { node, entry: 1, dots: vec![] }
    };
    let mut state = State::default();
    let parts: Vec<Part> = (0..nodes).map(part).collect();
    for (at, parts) in parts.chunks(100).enumerate() {
        let id = format!("pattern_{at}");
        let record = Record { id: id.clone(), parts: parts.to_vec(), suppressed: vec![] };
        state.records.insert(key_of(&id), record);
    }
    state
}

#[test]
fn above_max_summary_nodes_trees_are_compared() {
    for (nodes, descended) in [(limits::MAX_SUMMARY, 0), (limits::MAX_SUMMARY + 1, 1)] {
        let state = of_nodes(nodes);
        let (a, b) = (Store::clocked(state.clone()), Store::clocked(state));
        b.change().records.values_mut().next().unwrap().parts[0].entry = 2;
        let contact = meet(&a, &b);
        assert_eq!(contact.opener.result, Ending::InSync);
        assert_eq!(contact.opener.stats.applied, 1);
        assert_eq!(descents(&contact), descended, "{nodes} nodes");
    }
}

#[test]
fn beyond_max_summaries_trees_are_compared() {
    let fit = limits::MAX_SUMMARIES / limits::MAX_SUMMARY;
    let state = of_nodes(limits::MAX_SUMMARY);
    for (spaces, descended) in [(fit, 0), (fit + 1, 1)] {
        let store = |_| Store::clocked(state.clone());
        let [ours, theirs] = [0, 1].map(|_| (0..spaces).map(store).collect::<Vec<_>>());
        for store in &theirs {
            store.change().records.values_mut().next().unwrap().parts[0].entry = 2;
        }
        let views = |stores: &[Store]| {
            let named = stores.iter().enumerate();
            named.map(|(n, store)| (space(&format!("space-{n}")), store.pin())).collect()
        };
        let configs = (expecting(2), expecting(1));
        let views = (views(&ours), views(&theirs));
        let contact =
            Pair::new(configs, (parameters(), parameters()), views).run(|_, _, frame| vec![frame]);
        assert_eq!(contact.opener.result, Ending::InSync);
        assert_eq!(contact.opener.stats.applied, spaces as u64);
        assert_eq!(descents(&contact), descended, "{spaces} spaces");
    }
}

#[test]
fn up_to_max_news_are_sent_above_a_summary() {
    for (count, descended) in [(limits::MAX_NEWS, 0), (limits::MAX_NEWS + 1, 1)] {
        let (a, b) = agreed(30);
        // Node 2 holds records of node 9, but has not handled all versions of node 9.
        let mut other = State::default();
        (0..count).for_each(|n| other.submit(9, 5_000 + n, content(&format!("new_{n}"), 1)));
        let records = other.records.values().cloned().collect();
        b.pin().apply(Delivery { records, contents: other.contents.into_iter().collect() });
        assert_eq!(b.clocks().index.summary().get(&short(9)), 0);
        let contact = meet(&a, &b);
        assert_eq!(contact.opener.result, Ending::InSync);
        assert_eq!(contact.opener.stats.applied, count);
        assert_eq!(descents(&contact), descended, "{count} records");
    }
}

#[test]
fn a_range_that_is_not_taken_is_left_out() {
    let (a, b) = agreed(30);
    for n in 0..100 {
        b.change().submit(2, 5_000 + n, content(&format!("two_{n}"), 1));
        b.change().submit(3, 6_000 + n, content(&format!("three_{n}"), 1));
    }
    // Another session of node 1 has claimed the records of node 3.
    a.left.borrow_mut().insert(short(3));
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::Synced);
    assert_eq!((contact.opener.stats.applied, contact.opener.stats.left_to_others), (100, 100));
    assert_eq!(descents(&contact), 0);
    assert!(!contact.opener.postponed && !contact.acceptor.postponed);
    assert!(a.state().records.contains_key(&key_of("two_7")));
    assert!(!a.state().records.contains_key(&key_of("three_7")));
    // The other session ended without transferring the records of node 3.
    a.left.borrow_mut().clear();
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!((contact.opener.stats.applied, descents(&contact)), (100, 0));
}
