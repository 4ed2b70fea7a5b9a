//! Version summaries, ranges and declarations that break the rules.

use super::{NOW, Victim, done, few, hello, idle, many, sync};
use crate::common::{self, Store, content, parameters, space};
use engram_gossip_proto::{
    Clocks, Compression, DecodeError, Delivery, Ending, Hello, Message, Part, PatternContent,
    PatternSync, ProtocolViolation, RangeAnswer, RangeOffer, Record, Session, SessionConfig,
    SessionError, SpaceRoot, Spaces, Tag, VersionBase, Versions, limits,
};

fn versions(base: VersionBase, changes: Vec<(u32, i64)>) -> Message {
    let others = vec![([9; 8], 5)];
    Message::Versions(Versions { space: 0, base, changes, others, repeat: false })
}

/// The tag of a node in a session with a victim.
fn tag_of(node: u8) -> Tag {
    common::tag_of(&common::node_id(node), [0; 8], [3; 8])
}

#[test]
fn second_version_summary_is_refused() {
    let mut victim = Victim::clocked(few());
    let told = versions(VersionBase::Yours, vec![]);
    victim.say(&told, false).unwrap();
    assert!(victim.say(&told, true).is_err());
    assert_eq!(victim.ended(&few()).0, SessionError::Violation(ProtocolViolation::SecondSummary));
}

#[test]
fn a_whole_summary_is_requested_once() {
    let unknown = || versions(VersionBase::Kept([5; 8]), vec![]);
    let mut victim = Victim::clocked(few());
    victim.say(&unknown(), true).unwrap();
    assert!(victim.listen().iter().any(|m| matches!(m, Message::Versions(v) if v.repeat)));
    assert!(victim.say(&unknown(), true).is_err());
    assert_eq!(victim.ended(&few()).0, SessionError::Violation(ProtocolViolation::SecondSummary));
    let mut victim = Victim::clocked(few());
    victim.say(&unknown(), true).unwrap();
    victim.listen();
    victim.say(&versions(VersionBase::Whole, vec![]), true).unwrap();
}

#[test]
fn version_summary_beyond_its_base_is_refused() {
    let mut victim = Victim::clocked(few());
    assert!(victim.say(&versions(VersionBase::Yours, vec![(7, 1)]), true).is_err());
    let (error, _) = victim.ended(&few());
    assert_eq!(error, SessionError::Violation(ProtocolViolation::SummaryBeyondBase));
}

#[test]
fn a_summary_repeats_no_node_of_its_base() {
    let mut victim = Victim::clocked(few());
    let others = vec![(*common::node_id(1).first_chunk().unwrap(), common::version(9))];
    let told =
        Versions { space: 0, base: VersionBase::Yours, changes: vec![], others, repeat: false };
    assert!(victim.say(&Message::Versions(told), true).is_err());
    let (error, _) = victim.ended(&few());
    assert_eq!(error, SessionError::Violation(ProtocolViolation::SummaryRepeatsBase));
}

#[test]
fn an_answer_has_one_bit_for_each_range() {
    // The victim offers two ranges: 500 records of node 1 and one of node 2.
    let mut state = many();
    state.submit(2, 600, content("other", 1));
    let answer = |taken: Vec<u8>| {
        let mut victim = Victim::clocked(state.clone());
        victim.say(&versions(VersionBase::Whole, vec![]), true).unwrap();
        assert!(matches!(&victim.listen()[..], [Message::RangeOffer(o)] if o.ranges.len() == 2));
        let answer = Message::RangeAnswer(RangeAnswer { space: 0, taken });
        victim.say(&answer, true).map_err(|_| victim.ended(&state).0)
    };
    let refused = |violation| Err(SessionError::Violation(violation));
    assert_eq!(answer(vec![0b11]), Ok(()));
    assert_eq!(answer(vec![]), refused(ProtocolViolation::TakenCount));
    assert_eq!(answer(vec![0b11, 0]), refused(ProtocolViolation::TakenCount));
    assert_eq!(answer(vec![0b111]), refused(ProtocolViolation::TakenBeyondOffer));
}

#[test]
fn an_offer_of_nothing_is_refused() {
    for range in [([9; 8], 0, 1), ([9; 8], 1, 0)] {
        let offer = Message::RangeOffer(RangeOffer { space: 0, ranges: vec![range] });
        let refused = Message::decode(&offer.encode(Compression::Off, true));
        assert_eq!(refused, Err(DecodeError::Invalid("a range")));
    }
}

#[test]
fn unrequested_ranges_are_refused() {
    let offer = Message::RangeOffer(RangeOffer { space: 0, ranges: vec![([9; 8], 5, 1_000)] });
    let answer = Message::RangeAnswer(RangeAnswer { space: 0, taken: vec![1] });
    for (message, twice) in [(&offer, true), (&answer, false)] {
        let mut victim = Victim::clocked(few());
        if twice {
            victim.say(message, false).unwrap();
        }
        assert!(victim.say(message, true).is_err());
        let (error, _) = victim.ended(&few());
        let violations = [ProtocolViolation::UnexpectedOffer, ProtocolViolation::UnexpectedAnswer];
        assert!(violations.map(SessionError::Violation).contains(&error), "{error}");
        assert!(Victim::greeted(few()).say(message, true).is_err(), "without clocks");
    }
}

#[test]
fn a_second_offer_is_refused_in_later_turns_too() {
    let offer = Message::RangeOffer(RangeOffer { space: 0, ranges: vec![([9; 8], 5, 1_000)] });
    let mut victim = Victim::clocked(few());
    victim.say(&offer, true).unwrap();
    assert!(matches!(victim.listen()[..], [Message::RangeAnswer(_)]));
    assert!(victim.say(&offer, true).is_err());
    let (error, _) = victim.ended(&few());
    assert_eq!(error, SessionError::Violation(ProtocolViolation::UnexpectedOffer));
}

/// A victim with clocks, which starts nothing new because few turns are left.
fn in_the_last_turns() -> Victim {
    let mut victim = Victim::clocked(few());
    while victim.session.stats().turns < limits::MAX_TURNS - 16 {
        victim.say(&idle(), true).unwrap();
        victim.listen();
    }
    victim
}

/// A victim with clocks, which starts nothing new because the peer accepts few bytes.
fn below_the_reserve() -> Victim {
    let mut victim = Victim::of(Store::clocked(few()), SessionConfig::default());
    let Message::MerkleRootExchange(hello) = hello() else { unreachable!() };
    let hello = Message::MerkleRootExchange(Hello { receive_budget: 1 << 19, ..hello });
    victim.say(&hello, true).unwrap();
    assert!(matches!(victim.listen()[..], [_, Message::Versions(_)]));
    victim
}

#[test]
fn a_side_that_winds_down_compares_no_trees() {
    let compares = |mut victim: Victim| {
        victim.say(&idle(), false).unwrap();
        victim.say(&done(), true).unwrap();
        match &victim.listen()[..] {
            [Message::SubtreeResponse(_)] => true,
            [Message::Done(done)] => {
                assert!(done.kept_back, "the difference is left to the next session");
                false
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(compares(Victim::clocked(few())));
    assert!(!compares(in_the_last_turns()));
    assert!(!compares(below_the_reserve()));
}

#[test]
fn a_side_that_winds_down_begins_no_stream() {
    let sends = |mut victim: Victim| {
        let told = versions(VersionBase::Whole, vec![]);
        victim.say(&told, true).unwrap();
        match &victim.listen()[..] {
            [Message::PatternSync(sync), ..] => sync.short.len(),
            [Message::Done(done)] => {
                assert!(done.kept_back, "the records are left to the next session");
                0
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(sends(Victim::clocked(few())), 5);
    assert_eq!(sends(in_the_last_turns()), 0);
    assert_eq!(sends(below_the_reserve()), 0);
}

#[test]
fn records_within_the_told_summary_are_unasked() {
    let mut victim = Victim::clocked(few());
    let part = Part { node: common::node_id(1), entry: common::version(1), dots: vec![] };
    let old = Record { id: "old".into(), parts: vec![part], suppressed: vec![] };
    let Message::PatternSync(sync) = sync(vec![old], vec![]) else { unreachable!() };
    victim.say(&Message::PatternSync(sync), true).unwrap();
    assert_eq!(victim.session.stats().unasked, 1);
    assert_eq!(victim.store.state(), few());
}

#[test]
fn empty_declared_range_hides_no_record() {
    // A peer claims to have sent all records of nodes 1 and 7, but sends none.
    let mut honest = few();
    honest.submit(7, 50, content("pattern_7", 7));
    honest.submit(7, 60, content("pattern_8", 8));
    let mut state = few();
    state.learn(&honest, "pattern_8");
    let mut victim = Victim::clocked(state);
    let mut declared = [1, 7].map(|node| (tag_of(node), u64::MAX)).to_vec();
    declared.sort_unstable();
    let sync =
        PatternSync::new(0, Delivery::<PatternContent>::default(), declared, Compression::Off);
    let introduced = vec![common::node_id(7)];
    victim.say(&Message::PatternSync(PatternSync { introduced, ..sync }), true).unwrap();
    let summary = victim.store.clocks().index.summary();
    let short = *common::node_id(7).first_chunk().unwrap();
    assert_eq!(summary.get(&short), common::version(60), "the greatest held entry");
    // A session with an honest peer transfers the record that the false claim hides.
    let honest = Store::clocked(honest);
    let contact = common::sync(&honest, &victim.store);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(honest.state().records, victim.store.state().records);
}

#[test]
fn a_record_above_the_declared_version_is_taken() {
    // A peer sends the last of two records, and declares only the versions before both.
    let mut honest = few();
    honest.submit(7, 50, content("pattern_7", 7));
    honest.submit(7, 60, content("pattern_8", 8));
    let mut victim = Victim::clocked(few());
    let last = honest.records[&common::key_of("pattern_8")].clone();
    let known = content("pattern_8", 8);
    let contents = vec![(common::content_digest(&known), known)];
    let delivery = Delivery { records: vec![last], contents };
    let declared = vec![(tag_of(7), common::version(40))];
    let sync = PatternSync::new(0, delivery, declared, Compression::Off);
    let introduced = vec![common::node_id(7)];
    victim.say(&Message::PatternSync(PatternSync { introduced, ..sync }), true).unwrap();
    assert_eq!((victim.session.stats().applied, victim.session.stats().unasked), (1, 0));
    let short = *common::node_id(7).first_chunk().unwrap();
    let handled = || victim.store.clocks().index.summary().get(&short);
    assert_eq!(handled(), common::version(40), "no more than was declared");
    // A session with an honest peer transfers the other record by clocks.
    let honest = Store::clocked(honest);
    let contact = common::sync(&victim.store, &honest);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(contact.opener.stats.descents, 0);
    assert_eq!(handled(), common::version(60));
}

#[test]
fn a_tag_of_an_unknown_node_is_requested() {
    // The record of nodes 1 and 7 names node 7, which the victim does not know, by its tag alone.
    let mut honest = few();
    honest.submit(1, 50, content("pattern_7", 7));
    honest.submit(7, 60, content("pattern_7", 7));
    let whole = &honest.records[&common::key_of("pattern_7")];
    let known = content("pattern_7", 7);
    let digest = common::content_digest(&known);
    let part = |part: &Part| {
        let tag = common::tag_of(&digest, [0; 8], [3; 8]);
        let dots = part.dots.iter().map(|(version, _)| (*version, tag)).collect();
        Part { node: common::tag_of(&part.node, [0; 8], [3; 8]), entry: part.entry, dots }
    };
    let mut parts: Vec<_> = whole.parts.iter().map(part).collect();
    parts.sort_by_key(|part| part.node);
    let short = vec![Record { id: whole.id.clone(), parts, suppressed: vec![] }];
    let mut victim = Victim::clocked(few());
    let delivery = Delivery { records: vec![], contents: vec![(digest, known)] };
    let declared = vec![(tag_of(7), common::version(60))];
    let sync = PatternSync::new(0, delivery, declared, Compression::Off);
    victim.say(&Message::PatternSync(PatternSync { short, ..sync }), true).unwrap();
    assert_eq!(victim.store.state(), few(), "nothing is joined");
    let asked = victim.listen();
    assert!(
        asked.iter().any(|message| matches!(
            message,
            Message::PatternRequest(request) if request.wants.len() == 1
        )),
        "{asked:?}"
    );
}

#[test]
fn too_many_summaries_are_refused_by_their_cap() {
    let stores: Vec<Store> = (0..9).map(|_| Store::clocked(few())).collect();
    let name = |n: usize| space(&format!("space-{n}"));
    let spaces = stores.iter().enumerate().map(|(n, store)| (name(n), store.pin())).collect();
    let config = SessionConfig::default();
    let mut session = Session::accept(config, parameters(), [3; 8], spaces, NOW).unwrap();
    let Message::MerkleRootExchange(hello) = hello() else { unreachable!() };
    let root = |n| SpaceRoot { space: name(n), root: [9; 32], count: 1, generation: 1 };
    let table = Spaces::Table { buckets: u16::MAX, spaces: (0..9).map(root).collect() };
    let hello = Message::MerkleRootExchange(Hello { spaces: table, ..hello });
    session.handle_frame(&hello.encode(Compression::Off, true), NOW).unwrap();
    while session.poll_frame(NOW).is_some() {}
    let node = |n: usize| (n as u64 + 1).to_be_bytes();
    let others: Vec<_> = (0..limits::MAX_SUMMARY).map(|n| (node(n), 1)).collect();
    let told = |space| {
        let (base, changes, others) = (VersionBase::Whole, vec![], others.clone());
        Message::Versions(Versions { space, base, changes, others, repeat: false })
    };
    let mut say = |space| session.handle_frame(&told(space).encode(Compression::Off, false), NOW);
    assert!((0..8).all(|space| say(space).is_ok()), "a peer may send summaries up to the cap");
    let (what, cap) = ("entries of version summaries", limits::MAX_SUMMARIES as u64);
    assert_eq!(say(8), Err(SessionError::OverLimit { what, cap }));
}
