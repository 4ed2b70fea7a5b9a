//! Delta by clocks: each side sends the records that the other side has not handled.

use crate::common::{self, Contact, Pair, State, Store, content, node_id, parameters, space};
use engram_gossip_proto::{
    Clocks, Delivery, Ending, Intake, Message, SessionConfig, ShortNode, SpaceId, VersionRange,
    View, limits,
};

pub(crate) fn short(node: u8) -> ShortNode {
    *node_id(node).first_chunk().unwrap()
}

/// The configuration of a side that expects a difference, like a node whose peer advertised a
/// different root.
pub(crate) fn expecting(peer: u8) -> SessionConfig {
    let suspects = vec![SpaceId::new("default").unwrap()];
    SessionConfig { suspects, peer: Some(node_id(peer)), ..SessionConfig::default() }
}

/// Runs a session between nodes 1 and 2.
pub(crate) fn meet(a: &Store, b: &Store) -> Contact {
    let spaces = |store: &Store| vec![(space("default"), store.pin())];
    let configs = (expecting(2), SessionConfig { suspects: vec![], ..expecting(1) });
    Pair::new(configs, (parameters(), parameters()), (spaces(a), spaces(b)))
        .run(|_, _, frame| vec![frame])
}

/// Two stores that agree on `count` records of nodes 1, 2 and 3 and on one more record, and keep a
/// base from the session that transferred this record.
pub(crate) fn agreed(count: u64) -> (Store, Store) {
    let mut state = State::default();
    for n in 0..count {
        let node = 1 + (n % 3) as u8;
        state.submit(node, n + 1, content(&format!("pattern_{n}"), n as u32));
    }
    let (a, b) = (Store::clocked(state.clone()), Store::clocked(state));
    a.change().submit(1, count + 1, content("first", 1));
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    (a, b)
}

/// Counts the turns until the first record arrives.
fn turns_to_records(contact: &Contact) -> usize {
    let until = contact.frames.iter().position(|(_, frame)| frame[3] == 6).unwrap();
    let sides: Vec<bool> = contact.frames[..=until].iter().map(|(side, _)| *side).collect();
    sides.chunk_by(|a, b| a == b).count()
}

pub(crate) fn descents(contact: &Contact) -> u64 {
    contact.opener.stats.descents.max(contact.acceptor.stats.descents)
}

/// Counts the bytes of all frames, with the records uncompressed and without contents.
fn bytes_beside_contents(contact: &Contact) -> usize {
    let of = |(_, frame): &(bool, Vec<u8>)| match Message::decode(frame).unwrap().0 {
        Message::PatternSync(mut sync) => {
            sync.contents.clear();
            let compression = engram_gossip_proto::Compression::Off;
            Message::PatternSync(sync).encode(compression, true).len()
        }
        _ => frame.len(),
    };
    contact.frames.iter().map(of).sum()
}

#[test]
fn a_receiver_that_opens_needs_one_round_trip() {
    for (news, budget) in [(1, 410), (10, 800), (100, 4_500)] {
        let (a, b) = agreed(1_000);
        for n in 0..news {
            b.change().submit(2, 5_000 + n, content(&format!("pattern_{}", 7 * n), 77));
        }
        let contact = meet(&a, &b);
        assert_eq!(contact.opener.result, Ending::InSync);
        assert_eq!(contact.acceptor.result, Ending::InSync);
        assert_eq!(contact.opener.stats.applied, news);
        assert_eq!(contact.opener.stats.stale + contact.acceptor.stats.stale, 0);
        assert_eq!(contact.acceptor.stats.records_in, 0);
        assert_eq!(turns_to_records(&contact), 2);
        assert_eq!(descents(&contact), 0);
        let bytes = bytes_beside_contents(&contact);
        assert!(bytes <= budget, "{bytes} bytes for {news} records");
        eprintln!("{bytes} bytes for {news} records");
    }
}

#[test]
fn hundred_nodes_without_base_fit_few_packets() {
    let mut state = State::default();
    for n in 0..1_000 {
        state.submit((n % 100) as u8, n + 1, content(&format!("pattern_{n}"), n as u32));
    }
    let (a, b) = (Store::clocked(state.clone()), Store::clocked(state));
    b.change().submit(2, 5_000, content("pattern_2", 77));
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!((contact.opener.stats.applied, descents(&contact)), (1, 0));
    assert_eq!(turns_to_records(&contact), 2);
    let bytes = bytes_beside_contents(&contact);
    assert!(bytes <= 2_000, "{bytes} bytes");
    eprintln!("{bytes} bytes");
}

#[test]
fn a_sender_that_opens_needs_one_and_a_half() {
    let (a, b) = agreed(1_000);
    a.change().submit(1, 5_000, content("pattern_5", 77));
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(turns_to_records(&contact), 3);
    assert_eq!((contact.acceptor.stats.applied, descents(&contact)), (1, 0));
}

#[test]
fn news_of_both_sides_cross() {
    let (a, b) = agreed(300);
    for n in 0..50 {
        a.change().submit(1, 5_000 + n, content(&format!("pattern_{n}"), 77));
        b.change().submit(2, 6_000 + n, content(&format!("pattern_{}", n + 25), 78));
    }
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(a.state().records, b.state().records);
    assert_eq!(descents(&contact), 0);
    let stats = [contact.opener.stats, contact.acceptor.stats];
    assert_eq!(stats.map(|stats| stats.applied), [50, 50]);
    assert_eq!(stats.map(|stats| stats.contents_in), [50, 50], "no content is sent back");
}

#[test]
fn deletions_travel_by_clocks() {
    let (a, b) = agreed(300);
    (0..20).for_each(|n| b.change().delete(2, 5_000 + n, &format!("pattern_{n}")));
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!((contact.opener.stats.applied, descents(&contact)), (20, 0));
    assert_eq!(a.state().records, b.state().records);
}

/// A deletion names suppressed contents by their tags. A node that never held these contents cannot
/// resolve the tags, so it requests the record.
#[test]
fn unknown_suppressed_digests_are_requested() {
    let (a, b) = agreed(300);
    for n in 0..3 {
        let mut state = b.change();
        let (id, unknown) = (format!("pattern_{n}"), [n + 1; 32]);
        state.delete(2, 5_000 + u64::from(n), &id);
        let record = state.records.get_mut(&common::key_of(&id)).unwrap();
        record.suppressed = if n == 0 { vec![] } else { vec![(unknown, 1)] };
    }
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!((contact.opener.stats.applied, descents(&contact)), (3, 0));
    assert_eq!(contact.acceptor.stats.records_out, 5, "two records are sent twice");
    assert_eq!(a.state().records, b.state().records);
}

#[test]
fn a_part_that_lost_one_of_two_dots_converges() {
    let (a, b) = agreed(300);
    let key = common::key_of("pattern_0");
    let second = content("pattern_0", 88);
    for store in [&a, &b] {
        let mut state = store.change();
        let part = &mut state.records.get_mut(&key).unwrap().parts[0];
        part.entry = common::version(4_000);
        part.dots.push((part.entry, common::content_digest(&second)));
        state.contents.insert(common::content_digest(&second), second.clone());
        drop(state);
        store.clocks().index.restart();
    }
    let mut state = b.change();
    state.records.get_mut(&key).unwrap().parts[0].dots.remove(0);
    state.submit(2, 5_000, content("pattern_0", 77));
    drop(state);
    assert_eq!(meet(&a, &b).opener.result, Ending::InSync);
    assert_eq!(a.state().records, b.state().records);
    assert_eq!(a.state().records[&key].parts[0].dots.len(), 1, "the removal reaches the peer");
}

#[test]
fn confirmations_carry_no_contents() {
    let (a, b) = agreed(300);
    for n in 0..100u32 {
        b.change().submit(4, 5_000 + u64::from(n), content(&format!("pattern_{n}"), n));
    }
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(contact.opener.stats.contents_in, 0);
    assert_eq!(descents(&contact), 0);
}

#[test]
fn a_content_that_only_seems_known_is_asked_for() {
    let (a, b) = agreed(300);
    // The content also belongs to an older dot, which node 1 has handled and now supersedes.
    b.change().submit(2, 5_000, content("pattern_3", 3));
    a.change().submit(1, 6_000, content("pattern_3", 99));
    let digest = common::content_digest(&content("pattern_3", 3));
    a.change().contents.remove(&digest);
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert!(a.state().is_whole() && b.state().is_whole());
    assert_eq!(a.state().records, b.state().records);
}

#[test]
fn unknown_base_adds_one_turn() {
    let (a, b) = agreed(300);
    // The other side forgets its bases, as after a restart.
    let state = b.state();
    let b = Store::clocked(state);
    b.clocks().index.restart();
    b.change().submit(2, 5_000, content("pattern_5", 77));
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!((contact.opener.stats.applied, descents(&contact)), (1, 0));
    assert_eq!(a.state().records, b.state().records);
}

#[test]
fn many_records_are_offered_first() {
    let mut state = State::default();
    for n in 0..2_000u64 {
        state.submit((n % 4) as u8, n + 1, content(&format!("pattern_{n}"), n as u32));
    }
    let (a, b) = (Store::clocked(State::default()), Store::clocked(state));
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(contact.opener.stats.records_in, 2_000);
    assert_eq!(descents(&contact), 0);
    let offer = contact.frames.iter().find_map(|(_, frame)| match Message::decode(frame) {
        Ok((Message::RangeOffer(offer), _)) => Some(offer),
        _ => None,
    });
    let counts: Vec<u64> = offer.unwrap().ranges.iter().map(|(_, _, count)| *count).collect();
    assert_eq!(counts, [500; 4]);
}

#[test]
fn up_to_max_news_nothing_is_offered() {
    for (news, offered) in [(limits::MAX_NEWS, false), (limits::MAX_NEWS + 1, true)] {
        let (a, b) = agreed(10);
        for n in 0..news {
            b.change().submit(2, 5_000 + n, content(&format!("new_{n}"), 1));
        }
        let contact = meet(&a, &b);
        assert_eq!(contact.opener.result, Ending::InSync);
        assert_eq!(contact.opener.stats.applied, news);
        let offers = contact.frames.iter().any(|(_, frame)| frame[3] == 9);
        assert_eq!(offers, offered, "{news} news");
    }
}

/// Runs a session in which node 1 asks node 2 for offers.
fn ask(a: &Store, b: &Store, mut before: impl FnMut(&[u8])) -> Contact {
    let spaces = |store: &Store| vec![(space("default"), store.pin())];
    let asking = SessionConfig { intake: Intake::Offered, ..expecting(2) };
    let configs = (asking, SessionConfig { suspects: vec![], ..expecting(1) });
    Pair::new(configs, (parameters(), parameters()), (spaces(a), spaces(b))).run(|_, _, frame| {
        before(&frame);
        vec![frame]
    })
}

#[test]
fn asked_offers_precede_few_records() {
    let (a, b) = agreed(10);
    b.change().submit(2, 5_000, content("new", 1));
    let contact = ask(&a, &b, |_| ());
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!([contact.opener.stats.applied, contact.opener.stats.came_by_others], [1, 0]);
    let place = |kind| contact.frames.iter().position(|(_, frame)| frame[3] == kind).unwrap();
    assert!(place(9) < place(10) && place(10) < place(6));
}

#[test]
fn records_that_came_meanwhile_are_not_taken() {
    let (a, b) = agreed(10);
    let third = Store::clocked(b.state());
    third.clocks().index.restart();
    third.change().submit(3, 5_000, content("new", 1));
    meet(&b, &third);
    let contact = ask(&a, &b, |frame| {
        if frame[3] == 9 {
            meet(&a, &third);
        }
    });
    let stats = contact.opener.stats;
    assert_eq!([stats.came_by_others, stats.left_to_others, stats.records_in], [1, 0, 0]);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(descents(&contact), 0);
}

#[test]
fn a_side_without_clocks_compares_trees() {
    for clocked in [true, false] {
        let mut state = State::default();
        (0..50).for_each(|n| state.submit(2, n + 1, content(&format!("pattern_{n}"), 1)));
        let with = |clocks: bool, state| {
            if clocks { Store::clocked(state) } else { Store::new(state) }
        };
        let (a, b) = (with(clocked, State::default()), with(!clocked, state));
        let contact = meet(&a, &b);
        assert_eq!(contact.opener.result, Ending::InSync, "opener with clocks: {clocked}");
        assert_eq!(a.state().records, b.state().records);
        assert!(descents(&contact) > 0);
    }
}

#[test]
fn a_summary_that_is_too_high_hides_nothing() {
    let (a, b) = agreed(300);
    b.change().submit(2, 5_000, content("pattern_5", 77));
    b.change().submit(2, 5_001, content("pattern_6", 77));
    a.change().learn(&b.state(), "pattern_6");
    // The summary of node 1 now covers all versions of node 2.
    a.clocks();
    assert_eq!(a.clocks().index.summary().get(&short(2)), common::version(5_001));
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(a.state().records, b.state().records);
    assert_eq!(descents(&contact), 1, "the comparison of the trees finds the record");
}

#[test]
fn a_write_into_a_session_is_left_to_the_next() {
    let (a, b) = agreed(300);
    b.change().submit(2, 5_000, content("pattern_5", 77));
    let spaces = |store: &Store| vec![(space("default"), store.pin())];
    let configs = (expecting(2), expecting(1));
    let contact = Pair::new(configs, (parameters(), parameters()), (spaces(&a), spaces(&b))).run(
        |at, _, frame| {
            if at == 3 {
                b.change().submit(2, 6_000, content("pattern_6", 78));
            }
            vec![frame]
        },
    );
    assert_eq!(contact.opener.result, Ending::Synced);
    assert_eq!(descents(&contact), 0);
    assert!(contact.opener.postponed || contact.acceptor.postponed);
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(descents(&contact), 0);
}

#[test]
fn at_most_max_postponed_sessions_postpone() {
    let (a, b) = agreed(300);
    let postponed = limits::MAX_POSTPONED;
    b.change().submit(2, 5_000, content("pattern_5", 77));
    let spaces = |store: &Store| vec![(space("default"), store.pin())];
    let config = |peer| SessionConfig { postponed, ..expecting(peer) };
    let configs = (config(2), config(1));
    let contact = Pair::new(configs, (parameters(), parameters()), (spaces(&a), spaces(&b))).run(
        |at, _, frame| {
            if at == 3 {
                b.change().submit(2, 6_000, content("pattern_6", 78));
            }
            vec![frame]
        },
    );
    assert!(!contact.opener.postponed && !contact.acceptor.postponed);
    assert_eq!(descents(&contact), 1);
}

#[test]
fn a_range_ends_with_its_node() {
    let (a, _) = agreed(30);
    let clocks = a.clocks();
    let all = |node| VersionRange { node: short(node), above: 0, upper: u64::MAX };
    let counts = [1, 2, 3, 4].map(|node| clocks.index.count(&all(node)));
    assert_eq!(counts, [11, 10, 10, 0]);
}

/// Runs a session that breaks after a number of frames; messages hold at most ten records.
fn broken(a: &Store, b: &Store, frames: usize) -> Contact {
    let spaces = |store: &Store| vec![(space("default"), store.pin())];
    let config = |peer| SessionConfig { max_patterns_per_sync: 10, ..expecting(peer) };
    Pair::new((config(2), config(1)), (parameters(), parameters()), (spaces(a), spaces(b)))
        .run(|at, _, frame| if at < frames { vec![frame] } else { vec![] })
}

#[test]
fn a_broken_session_keeps_what_was_declared() {
    let (a, b) = agreed(30);
    for n in 0..100 {
        b.change().submit(2, 5_000 + n, content(&format!("new_{n}"), 1));
    }
    // The nine frames are two hellos, two summaries, and five messages of ten records each.
    let contact = broken(&a, &b, 9);
    assert_eq!(contact.opener.stats.applied, 50);
    let handled = a.clocks().index.summary().get(&short(2));
    assert!((common::version(5_049)..common::version(5_050)).contains(&handled));
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(contact.opener.stats.records_in, 50, "nothing arrives twice");
}

#[test]
fn agreement_raises_both_summaries() {
    let (a, b) = agreed(30);
    b.change().submit(2, 5_000, content("pattern_5", 77));
    // Node 1 did not receive the record by clocks, so its summary does not cover it.
    let mut view = a.pin();
    let record = b.state().records[&common::key_of("pattern_5")].clone();
    let contents =
        vec![(common::content_digest(&content("pattern_5", 77)), content("pattern_5", 77))];
    let receipt = view.apply(Delivery { records: vec![record], contents });
    assert_eq!(receipt.applied, 1);
    assert!(a.clocks().index.summary().get(&short(2)) < common::version(5_000));
    a.change().submit(1, 6_000, content("pattern_6", 78));
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    let summary = |store: &Store| store.clocks().index.summary();
    assert_eq!(summary(&a), summary(&b));
    assert_eq!(summary(&a).get(&short(2)), common::version(5_000));
}

#[test]
fn records_of_equal_version_are_never_separated() {
    let (a, b) = agreed(30);
    // Three records have the same version, as if the node had been cloned.
    for id in ["one", "two", "three"] {
        b.change().submit(2, 5_000, content(id, 1));
    }
    let spaces = |store: &Store| vec![(space("default"), store.pin())];
    let limited =
        |peer| SessionConfig { max_patterns_per_sync: 1, send_budget: 1, ..expecting(peer) };
    let configs = (limited(2), limited(1));
    let contact = Pair::new(configs, (parameters(), parameters()), (spaces(&a), spaces(&b)))
        .run(|_, _, frame| vec![frame]);
    assert_eq!(contact.opener.stats.applied, 3);
    assert_eq!(a.clocks().index.summary().get(&short(2)), common::version(5_000));
}

#[test]
fn a_record_of_several_ranges_is_sent_once() {
    let (a, b) = agreed(30);
    for node in [2, 3, 7] {
        b.change().submit(node, 5_000 + u64::from(node), content("pattern_5", node.into()));
    }
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(contact.opener.stats.records_in, 1);
    assert_eq!(a.clocks().index.summary(), b.clocks().index.summary());
}

#[test]
fn records_above_a_summary_do_not_come_back() {
    let (a, b) = agreed(30);
    // Node 2 holds records of node 9, but has not handled all versions of node 9.
    let mut other = State::default();
    (0..20).for_each(|n| other.submit(9, 5_000 + n, content(&format!("pattern_{n}"), 1)));
    let records = other.records.values().cloned().collect();
    let contents = other.contents.clone().into_iter().collect();
    b.pin().apply(Delivery { records, contents });
    assert_eq!(b.clocks().index.summary().get(&short(9)), 0);
    for (opener, acceptor) in [(&b, &a), (&a, &b)] {
        let (opener, acceptor) = (opener.fork(), acceptor.fork());
        let contact = meet(&opener, &acceptor);
        assert_eq!(contact.opener.result, Ending::InSync);
        assert_eq!(descents(&contact), 0);
        let stats = [contact.opener.stats, contact.acceptor.stats];
        assert_eq!(stats.map(|stats| stats.records_in).iter().sum::<u64>(), 20);
        assert_eq!(stats.map(|stats| stats.stale), [0, 0]);
    }
}

#[test]
fn trees_are_compared_after_the_delta() {
    let (a, b) = agreed(300);
    b.change().submit(2, 5_000, content("pattern_5", 77));
    b.change().submit(2, 5_001, content("pattern_6", 77));
    a.change().learn(&b.state(), "pattern_6");
    a.clocks();
    for n in 0..100 {
        b.change().submit(3, 6_000 + n, content(&format!("pattern_{}", 100 + n), 78));
        a.change().submit(1, 7_000 + n, content(&format!("pattern_{}", 200 + n), 79));
    }
    let contact = meet(&a, &b);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(descents(&contact), 1);
    let stats = [contact.opener.stats, contact.acceptor.stats];
    assert_eq!(stats.map(|stats| stats.records_in), [101, 100], "no record arrives twice");
    assert!(stats[0].hash_nodes + stats[1].hash_nodes < 40, "{stats:?}");
}
