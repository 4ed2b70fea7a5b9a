//! Many spaces, and sides that host only some of them.

use std::collections::BTreeMap;

use crate::common::{Contact, Pair, Store, content, parameters, space};
use engram_gossip_proto::{Ending, SessionConfig};

type Node = BTreeMap<String, Store>;

/// A node that hosts the spaces numbered `names`, with a different pattern in each.
fn node(names: impl IntoIterator<Item = usize>) -> Node {
    let store = |name: &str| {
        let store = Store::default();
        store.change().submit(1, 1, content(&format!("pattern_of_{name}"), 1));
        store
    };
    names
        .into_iter()
        .map(|n| format!("topic-{n:03}"))
        .map(|name| (name.clone(), store(&name)))
        .collect()
}

fn contact(a: &Node, b: &Node) -> Contact {
    contact_with(a, b, SessionConfig::default(), SessionConfig::default())
}

fn contact_with(a: &Node, b: &Node, ours: SessionConfig, theirs: SessionConfig) -> Contact {
    let spaces = |node: &Node| {
        // Engram hosts its spaces in no particular order.
        node.iter().rev().map(|(name, store)| (space(name), store.pin())).collect::<Vec<_>>()
    };
    Pair::new((ours, theirs), (parameters(), parameters()), (spaces(a), spaces(b)))
        .run(|_, _, frame| vec![frame])
}

fn write(node: &Node, name: &str, writer: u8, id: &str) {
    node[name].change().submit(writer, 9, content(id, 5));
}

fn assert_shared_equal(a: &Node, b: &Node) {
    for (name, store) in a {
        if let Some(other) = b.get(name) {
            assert_eq!(store.state().records, other.state().records, "{name}");
        }
    }
}

#[test]
fn hundreds_of_spaces_in_sync_cost_one_digest() {
    let (a, b) = (node(0..300), node(0..300));
    let contact = contact(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(contact.opener.spaces.len(), 300);
    assert!(contact.bytes() <= 200, "{} bytes", contact.bytes());
}

#[test]
fn changed_space_is_found_by_its_bucket() {
    let (a, b) = (node(0..300), node(0..300));
    write(&a, "topic-123", 1, "new");
    let contact = contact(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(contact.acceptor.result, Ending::InSync);
    assert_shared_equal(&a, &b);
    assert!(contact.bytes_to_learn() <= 1_600, "{} bytes", contact.bytes_to_learn());
    let walked: Vec<_> = contact.opener.spaces.iter().filter(|space| space.differed).collect();
    assert_eq!(walked.len(), 1);
    assert_eq!(walked[0].space.as_str(), "topic-123");
    assert_eq!(Some(walked[0].ours), walked[0].theirs);
}

#[test]
fn spaces_of_one_side_stay_there() {
    for (ours, theirs) in
        [(0..1, 0..2), (0..2, 1..30), (0..40, 20..60), (0..10, 5..15), (0..60, 59..61)]
    {
        let shared = ours.clone().filter(|n| theirs.contains(n)).count();
        let (a, b) = (node(ours.clone()), node(theirs.clone()));
        for (at, name) in a.keys().filter(|name| b.contains_key(*name)).enumerate() {
            write(if at % 2 == 0 { &a } else { &b }, name, 1, "new");
        }
        let (names_a, names_b) = (a.len(), b.len());
        let contact = contact(&a, &b);
        assert_eq!(contact.opener.result, Ending::InSync, "{ours:?} and {theirs:?}");
        assert_eq!(contact.acceptor.result, Ending::InSync);
        assert_eq!(contact.opener.spaces.len(), shared, "{ours:?} and {theirs:?}");
        assert_eq!(contact.acceptor.spaces.len(), shared);
        assert_shared_equal(&a, &b);
        assert_eq!((a.len(), b.len()), (names_a, names_b));
    }
}

#[test]
fn sides_without_a_common_space_report_it() {
    for (ours, theirs) in [(0..1, 1..2), (0..30, 30..60), (0..0, 0..1), (0..0, 0..0), (0..0, 0..40)]
    {
        let contact = contact(&node(ours), &node(theirs));
        assert_eq!(contact.opener.result, Ending::NothingShared);
        assert_eq!(contact.acceptor.result, Ending::NothingShared);
    }
}

#[test]
fn equal_ids_of_two_spaces_are_independent() {
    let (a, b) = (node(0..2), node(0..2));
    write(&a, "topic-000", 1, "same");
    write(&a, "topic-001", 2, "same");
    assert_eq!(contact(&a, &b).opener.result, Ending::InSync);
    assert_shared_equal(&a, &b);
    assert_ne!(b["topic-000"].state().records, b["topic-001"].state().records);
}

#[test]
fn all_changed_spaces_sync_in_one_session() {
    let (a, b) = (node(0..250), node(100..400));
    for n in 0..400 {
        let name = format!("topic-{n:03}");
        if a.contains_key(&name) {
            write(&a, &name, 1, "from-a");
        }
        if b.contains_key(&name) {
            write(&b, &name, 2, "from-b");
        }
    }
    let contact = contact(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_shared_equal(&a, &b);
    assert_eq!(contact.opener.spaces.len(), 150);
}

#[test]
fn learning_side_is_told_every_space_it_lacks() {
    let learns = SessionConfig { learn_spaces: true, ..SessionConfig::default() };
    // The table is sent in the hello, in the answer to it, or after the buckets; one side may host
    // nothing.
    for (ours, theirs) in
        [(0..1, 0..2), (0..2, 1..30), (0..40, 20..60), (0..10, 5..15), (0..0, 0..3)]
    {
        let (a, b) = (node(ours), node(theirs));
        let lacks = |one: &Node, other: &Node| -> Vec<String> {
            other.keys().filter(|name| !one.contains_key(*name)).cloned().collect()
        };
        let learned = |outcome: &engram_gossip_proto::Outcome| -> Vec<String> {
            let mut names: Vec<_> =
                outcome.unhosted.iter().map(|space| space.as_str().to_owned()).collect();
            names.sort();
            names
        };
        let both = contact_with(&a, &b, learns.clone(), learns.clone());
        assert_eq!(learned(&both.opener), lacks(&a, &b));
        assert_eq!(learned(&both.acceptor), lacks(&b, &a));
        let one = contact_with(&a, &b, learns.clone(), SessionConfig::default());
        assert_eq!(learned(&one.opener), lacks(&a, &b));
        let one = contact_with(&a, &b, SessionConfig::default(), learns.clone());
        assert_eq!(learned(&one.acceptor), lacks(&b, &a));
    }
}
