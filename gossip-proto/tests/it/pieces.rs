//! Records too large for one message arrive whole, in pieces.

use crate::common::{Contact, State, Store, content, content_digest, key_of, sync, sync_with};
use engram_gossip_proto::{
    Ending, Event, Holder, Message, Part, PatternContent, Record, SessionConfig, check_content,
    limits,
};
use proptest::prelude::*;

/// A node id; ids sort by `number`.
fn node(number: u32) -> [u8; 32] {
    let mut id = [7; 32];
    id[..4].copy_from_slice(&number.to_be_bytes());
    id
}

/// A content whose episodes take about `kilobytes` kB.
fn large(id: &str, seed: u32, kilobytes: usize) -> PatternContent {
    let episode = |n| format!("{seed:06}-{n:0242}");
    PatternContent {
        source_episodes: (0..4 * kilobytes).map(episode).collect(),
        ..content(id, seed)
    }
}

/// A content with the maximum number and length of episodes, and the longest embedding.
fn largest(id: &str, seed: u32) -> PatternContent {
    let episode = |n| format!("{seed:06}-{n:0249}");
    let content = PatternContent {
        source_episodes: (0..PatternContent::MAX_EPISODES).map(episode).collect(),
        embedding: vec![seed as f32; PatternContent::MAX_DIMENSION as usize].into(),
        ..content(id, seed)
    };
    check_content(&content).unwrap();
    content
}

/// A state of one record, with one part for each list of contents.
fn state(id: &str, contents: Vec<Vec<PatternContent>>, suppressed: Vec<([u8; 32], u32)>) -> State {
    let mut state = State::default();
    let mut part = |(number, contents): (usize, Vec<PatternContent>)| {
        let mut dots: Vec<_> = (1..).zip(contents.iter().map(content_digest)).collect();
        dots.sort_unstable();
        state.contents.extend(contents.into_iter().map(|c| (content_digest(&c), c)));
        Part { node: node(number as u32), entry: 1 << 60, dots }
    };
    let parts = contents.into_iter().enumerate().map(&mut part).collect();
    state.records.insert(key_of(id), Record { id: id.into(), parts, suppressed });
    state
}

fn digest(number: u32) -> [u8; 32] {
    node(number)
}

/// Number of records in all messages; each piece of a record counts.
fn pieces(contact: &Contact) -> usize {
    let messages = contact.frames.iter().map(|(_, frame)| Message::decode(frame).unwrap().0);
    let of = |message| match message {
        Message::PatternSync(sync) => sync.records.len(),
        _ => 0,
    };
    messages.map(of).sum()
}

fn arrives(state: State) -> Contact {
    let (a, b) = (Store::new(state), Store::default());
    let contact = sync(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(a.state().essence(), b.state().essence());
    assert!(contact.frames.iter().all(|(_, frame)| frame.len() <= limits::MAX_FRAME));
    assert_eq!(contact.events, []);
    contact
}

#[test]
fn a_part_of_the_largest_contents_arrives() {
    let contents = (0..limits::MAX_NODE_DOTS as u32).map(|seed| largest("id", seed)).collect();
    let contact = arrives(state("id", vec![contents], vec![(digest(1), 1)]));
    assert!(contact.frames.len() > 10);
}

#[test]
fn a_record_of_many_nodes_arrives() {
    let nodes = 2 * limits::MAX_PARTS + 100;
    let mut contents = vec![vec![]; nodes];
    contents[5] = vec![content("id", 5)];
    contents[nodes - 1] = vec![content("id", 6)];
    let suppressed = (0..limits::MAX_SUPPRESSED as u32).map(|n| (digest(n), n + 1)).collect();
    let contact = arrives(state("id", contents, suppressed));
    assert_eq!(pieces(&contact), 3);
    let first =
        contact.frames.iter().find_map(|(_, frame)| match Message::decode(frame).unwrap().0 {
            Message::PatternSync(sync) => sync.records.into_iter().next(),
            _ => None,
        });
    let first = first.unwrap();
    assert_eq!(first.suppressed.len(), limits::MAX_SUPPRESSED, "suppressed digests are sent first");
    let live = first.parts.iter().filter(|part| !part.dots.is_empty());
    assert_eq!(live.count(), 2, "the parts with live dots are sent first");
}

#[test]
fn a_hundred_nodes_that_disagree_converge() {
    let contents = (0..100).map(|seed| vec![large("id", seed, 40)]).collect();
    assert!(pieces(&arrives(state("id", contents, vec![]))) > 3);
}

#[test]
fn equal_contents_of_many_nodes_travel_once() {
    let contents = (0..200).map(|seed| vec![large("id", seed % 4, 400)]).collect();
    let contact = arrives(state("id", contents, vec![]));
    assert_eq!(contact.opener.stats.contents_out, 4);
}

#[test]
fn a_requested_record_in_pieces_is_not_echoed() {
    let all: Vec<_> = (0..40).map(|seed| vec![large("id", seed, 100)]).collect();
    let (a, mut b) = (state("id", all.clone(), vec![]), State::default());
    b.records = state("id", all[..3].to_vec(), vec![]).records;
    b.contents = a.contents.clone();
    // The opener holds three of the parts, so it requests the record.
    let (a, b) = (Store::new(a), Store::new(b));
    b.change().contents.retain(|_, content| content.source_episodes[0] < "000003".into());
    let contact = sync(&b, &a);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(contact.opener.stats.records_out, 0);
    assert!(contact.opener.stats.records_in > 2);
    assert_eq!(a.state().essence(), b.state().essence());
}

#[test]
fn a_budget_leaves_pieces_to_later_sessions() {
    let contents = (0..8).map(|seed| vec![largest("id", seed), largest("id", seed + 100)]);
    let (a, b) = (Store::new(state("id", contents.collect(), vec![])), Store::default());
    let config = SessionConfig { send_budget: 1, ..SessionConfig::default() };
    let mut held = 0;
    for _ in 0..8 {
        let contact = sync_with(&a, &b, config.clone(), config.clone());
        let now = b.state().contents.len();
        assert!(now > held, "each session transfers a part");
        assert!(b.state().is_whole());
        held = now;
        if contact.opener.result == Ending::InSync {
            break;
        }
    }
    assert_eq!(a.state().essence(), b.state().essence());
}

#[test]
fn unsendable_part_is_left_out_and_named() {
    let mut oversized = largest("id", 2);
    oversized.source_episodes.push("e".repeat(200));
    let cap = PatternContent::MAX_EPISODES.to_string();
    let contents = vec![vec![content("id", 1)], vec![oversized], vec![content("id", 3)]];
    let (a, b) = (Store::new(state("id", contents, vec![])), Store::default());
    let contact = sync(&a, &b);
    assert_eq!(contact.opener.result, Ending::Unsendable);
    let nodes: Vec<_> = b.state().records[&key_of("id")].parts.iter().map(|p| p.node).collect();
    assert_eq!(nodes, [node(0), node(2)]);
    let named = |event: &_| {
        matches!(event, Event::Unsendable(record)
            if record.id == "id" && record.what.contains(&cap))
    };
    assert_eq!(contact.events.iter().filter(|event| named(event)).count(), 2, "once on each side");
    for (outcome, holder) in [(&contact.opener, Holder::Us), (&contact.acceptor, Holder::Peer)] {
        assert_eq!(outcome.result, Ending::Unsendable);
        let [record] = &outcome.unsendable[..] else { panic!("{:?}", outcome.unsendable) };
        assert_eq!((&*record.id, record.holder), ("id", holder));
        let counts = [outcome.stats.unsendable, outcome.stats.peer_unsendable];
        assert_eq!(counts, if holder == Holder::Us { [1, 0] } else { [0, 1] });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// The peer joins the pieces into the whole record.
    #[test]
    fn prop_pieces_are_the_whole(
        parts in proptest::collection::vec(
            proptest::collection::vec((0..40u32, 1..300usize), 0..4), 1..30),
        known in proptest::collection::vec(any::<bool>(), 30),
        opens in any::<bool>(),
    ) {
        let contents: Vec<Vec<_>> = parts
            .into_iter()
            .map(|dots| dots.into_iter().map(|(seed, size)| large("id", seed, size)).collect())
            .collect();
        let a = state("id", contents, vec![(digest(3), 3)]);
        let mut b = a.clone();
        let record = b.records.get_mut(&key_of("id")).unwrap();
        let mut known = known.into_iter();
        record.parts.retain(|_| known.next().unwrap());
        let (a, b) = (Store::new(a), Store::new(b));
        let contact = if opens { sync(&a, &b) } else { sync(&b, &a) };
        prop_assert_eq!(&contact.opener.result, &Ending::InSync);
        prop_assert_eq!(a.state().records, b.state().records);
    }
}
