//! Peers that break the rules: the session ends with a reason, and nothing unverified is stored.

use std::time::Duration;

use crate::common::{self, State, Store, content, content_digest, key_of, parameters, space};
use engram_gossip_proto::{
    Clocks, Compression, ContentPart, Delivery, Done, Ending, Event, FinalRoots, Greeting, Hello,
    HelloParameters, Listing, Message, Node, Part, PatternContent, PatternRequest, PatternSync,
    Prefix, ProtocolViolation, RangeAnswer, RangeOffer, Record, Refusal, Session, SessionConfig,
    SessionError, SpaceRoot, Spaces, SubtreeRequest, SubtreeResponse, UnsendableRecord,
    VersionBase, Versions, Want, Wire, limits,
};

const NOW: Duration = Duration::from_secs(5);

/// An acceptor under test, and a peer whose messages are made by hand.
struct Victim {
    session: Session<common::Memory>,
    store: Store,
}

impl Victim {
    fn new(state: State, config: SessionConfig) -> Self {
        Self::of(Store::new(state), config)
    }

    /// Like [`greeted`](Self::greeted), but with clocks: it has sent its summary.
    fn clocked(state: State) -> Self {
        let mut victim = Self::of(Store::clocked(state), SessionConfig::default());
        victim.say(&hello(), true).unwrap();
        assert!(matches!(victim.listen()[..], [_, Message::Versions(_)]));
        victim
    }

    fn of(store: Store, config: SessionConfig) -> Self {
        let spaces = vec![(space("default"), store.pin())];
        let session = Session::accept(config, parameters(), [3; 8], spaces, NOW).unwrap();
        Self { session, store }
    }

    /// A victim after the hello of a peer with another root and after its own turn.
    fn greeted(state: State) -> Self {
        let mut victim = Self::new(state, SessionConfig::default());
        victim.say(&hello(), true).unwrap();
        victim.listen();
        victim
    }

    fn say(&mut self, message: &Message, ends_turn: bool) -> Result<(), SessionError> {
        self.session.handle_frame(&message.encode(Compression::Off, ends_turn), NOW)
    }

    fn listen(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.session.poll_frame(NOW))
            .map(|frame| Message::decode(&frame).unwrap().0)
            .collect()
    }

    /// Checks that the session ended with an error and that nothing was stored; returns the error
    /// and the refusal for the peer.
    fn ended(mut self, before: &State) -> (SessionError, Option<Refusal>) {
        assert_eq!(self.store.state(), *before);
        let refusal = match &self.listen()[..] {
            [Message::Refuse(refusal)] => Some(refusal.clone()),
            [] => None,
            other => panic!("after the end: {other:?}"),
        };
        let Some(Ending::Failed(error)) = self.session.outcome().map(|o| o.result.clone()) else {
            panic!("the session continues");
        };
        assert_eq!(self.say(&hello(), true), Err(SessionError::Over));
        (error, refusal)
    }
}

fn hello() -> Message {
    let root = SpaceRoot { space: space("default"), root: [9; 32], count: 100, generation: 1 };
    Message::MerkleRootExchange(Hello {
        capabilities: 0,
        key: [0; 8],
        receive_budget: 512 << 20,
        greeting: Greeting::default(),
        parameters: HelloParameters::Digest(parameters().digest()),
        spaces: Spaces::Table { buckets: u16::MAX, spaces: vec![root] },
    })
}

fn few() -> State {
    let mut state = State::default();
    (0..5).for_each(|i| state.submit(1, i + 1, content(&format!("pattern_{i}"), i as u32)));
    state
}

fn many() -> State {
    let mut state = State::default();
    (0..500).for_each(|i| state.submit(1, i + 1, content(&format!("pattern_{i}"), i as u32)));
    state
}

fn done() -> Message {
    Message::Done(Done {
        roots: FinalRoots::Differing { digest: [0; 32], roots: vec![] },
        kept_back: false,
        has_news: false,
        unsendable: vec![],
    })
}

fn node(prefix: Prefix) -> Message {
    let nodes = vec![Node { prefix, children: [Some([1; 5]); 16] }];
    Message::SubtreeRequest(SubtreeRequest { space: 0, nodes })
}

fn listing(prefix: Prefix) -> Message {
    let listings = vec![Listing { prefix, lines: vec![] }];
    Message::SubtreeResponse(SubtreeResponse { space: 0, listings })
}

fn sync(records: Vec<Record>, contents: Vec<([u8; 32], PatternContent)>) -> Message {
    let delivery = Delivery { records, contents };
    Message::PatternSync(PatternSync::new(0, delivery, vec![], Compression::Off))
}

fn records(ids: &[&str]) -> Message {
    let mut state = State::default();
    ids.iter().for_each(|id| state.submit(7, 1, content(id, 7)));
    let records: Vec<_> = state.records.into_values().collect();
    let contents = ids.iter().map(|id| content(id, 7)).map(|c| (content_digest(&c), c)).collect();
    sync(records, contents)
}

#[test]
fn first_frame_must_be_a_hello() {
    for message in [done(), node(Prefix::ROOT), records(&["x"])] {
        let mut victim = Victim::new(few(), SessionConfig::default());
        assert!(victim.say(&message, true).is_err());
        let (error, refusal) = victim.ended(&few());
        assert_eq!(error, SessionError::Violation(ProtocolViolation::NoHello));
        assert!(matches!(refusal, Some(Refusal::Violation(_))));
    }
}

#[test]
fn second_hello_is_refused() {
    let mut victim = Victim::greeted(few());
    assert!(victim.say(&hello(), true).is_err());
    assert_eq!(victim.ended(&few()).0, SessionError::Violation(ProtocolViolation::SecondHello));
}

#[test]
fn opening_hello_needs_a_parameter_digest() {
    for parameters in [HelloParameters::Same, HelloParameters::Full(parameters())] {
        let mut victim = Victim::new(few(), SessionConfig::default());
        let Message::MerkleRootExchange(hello) = hello() else { unreachable!() };
        let bare = Message::MerkleRootExchange(Hello { parameters, ..hello });
        assert!(victim.say(&bare, true).is_err());
        let violation = ProtocolViolation::NoParameterDigest;
        assert_eq!(victim.ended(&few()).0, SessionError::Violation(violation));
    }
}

#[test]
fn frame_out_of_turn_is_refused() {
    let mut victim = Victim::new(few(), SessionConfig::default());
    victim.say(&hello(), true).unwrap();
    assert!(victim.say(&done(), true).is_err(), "it is the victim's turn");
    assert_eq!(victim.ended(&few()).0, SessionError::Violation(ProtocolViolation::OutOfTurn));
}

#[test]
fn a_refusal_may_come_at_any_time() {
    let mut victim = Victim::new(few(), SessionConfig::default());
    victim.say(&hello(), true).unwrap();
    assert!(victim.say(&Message::Refuse(Refusal::Busy), true).is_err(), "in the victim's turn");
    assert_eq!(victim.ended(&few()), (SessionError::RefusedByPeer(Refusal::Busy), None));
}

#[test]
fn unrequested_subtree_is_refused() {
    let deep = Prefix::of(&[0x55; 32], 3).unwrap();
    for message in [node(Prefix::ROOT), node(deep), listing(deep)] {
        let mut victim = Victim::greeted(many());
        assert!(victim.say(&message, true).is_err());
        let (error, _) = victim.ended(&many());
        assert_eq!(error, SessionError::Violation(ProtocolViolation::UnsolicitedSubtree));
    }
}

#[test]
fn repeated_subtree_answer_is_refused() {
    let child = Prefix::ROOT.child(3).unwrap();
    let mut victim = Victim::greeted(many());
    victim.say(&node(child), false).unwrap();
    assert!(victim.say(&listing(child), true).is_err());
    let (error, _) = victim.ended(&many());
    assert_eq!(error, SessionError::Violation(ProtocolViolation::UnsolicitedSubtree));
}

#[test]
fn space_outside_the_table_is_refused() {
    let mut victim = Victim::greeted(few());
    let strange = Message::SubtreeRequest(SubtreeRequest { space: 1, nodes: vec![] });
    assert!(victim.say(&strange, true).is_err());
    assert_eq!(victim.ended(&few()).0, SessionError::Violation(ProtocolViolation::UnsharedSpace));
}

#[test]
fn turn_must_end_with_done() {
    let mut victim = Victim::greeted(few());
    assert!(victim.say(&done(), false).is_err());
    let (error, _) = victim.ended(&few());
    assert_eq!(error, SessionError::Violation(ProtocolViolation::TurnAfterEnd));
}

#[test]
fn unrequested_records_are_counted_and_dropped() {
    // The victim sent the digests of its root's children, so it expects only records below an empty
    // child.
    let mut victim = Victim::greeted(many());
    victim.say(&records(&["stranger-1", "stranger-2"]), true).unwrap();
    assert_eq!(victim.store.state(), many());
    assert_eq!(victim.session.stats().unasked, 2);
    let event = Event::Unasked { space: space("default"), records: 2 };
    assert_eq!(victim.session.poll_event(), Some(Event::Greeted(Greeting::default())));
    assert_eq!(victim.session.poll_event(), Some(event));
}

#[test]
fn record_below_a_listing_is_accepted() {
    let mut victim = Victim::greeted(few());
    // Five entries were listed at once, so the peer may send any record missing there.
    victim.say(&records(&["stranger-1"]), true).unwrap();
    assert_eq!(victim.session.stats().applied, 1);
    assert!(victim.store.state().records.contains_key(&key_of("stranger-1")));
}

#[test]
fn content_with_wrong_digest_is_rejected_alone() {
    let mut victim = Victim::greeted(few());
    let Message::PatternSync(good) = records(&["good", "bad"]) else { unreachable!() };
    let mut delivery: Delivery<PatternContent> = good.into_delivery().unwrap();
    for (_, content) in &mut delivery.contents {
        if content.id == "bad" {
            content.strength += 0.5;
        }
    }
    victim.say(&sync(delivery.records, delivery.contents), true).unwrap();
    assert!(victim.store.state().records.contains_key(&key_of("good")));
    assert!(!victim.store.state().records.contains_key(&key_of("bad")));
    assert_eq!(victim.session.stats().rejected, 1);
    let event = std::iter::from_fn(|| victim.session.poll_event()).last();
    assert!(matches!(event, Some(Event::Rejected { id, .. }) if id == "bad"));
}

#[test]
fn keys_that_were_not_listed_are_not_served() {
    let mut victim = Victim::greeted(many());
    let key = *key_of("pattern_1").first_chunk().unwrap();
    let wants = vec![Want { key, holds: vec![], context: vec![] }];
    victim.say(&Message::PatternRequest(PatternRequest { space: 0, wants }), true).unwrap();
    assert_eq!(victim.session.stats().unasked, 1);
    assert!(matches!(&victim.listen()[..], [Message::Done(_)]));
}

#[test]
fn turns_of_a_session_are_limited() {
    let mut victim = Victim::greeted(few());
    let idle = Message::PatternRequest(PatternRequest { space: 0, wants: vec![] });
    let mut turns = 0u32;
    while victim.say(&idle, true).is_ok() {
        victim.listen();
        turns += 2;
        assert!(turns <= limits::MAX_TURNS + 2);
    }
    let (error, refusal) = victim.ended(&few());
    let cap = u64::from(limits::MAX_TURNS);
    assert_eq!(error, SessionError::OverLimit { what: "turns of a session", cap });
    assert_eq!(refusal, Some(Refusal::Limit { what: "turns of a session".into(), cap }));
}

#[test]
fn bytes_of_a_session_are_limited() {
    let cap = 4 << 20;
    let config = SessionConfig { receive_budget: cap, ..SessionConfig::default() };
    let mut victim = Victim::new(many(), config);
    victim.say(&hello(), true).unwrap();
    victim.listen();
    let junk: Vec<String> = (0..1_000).map(|i| format!("junk-{i}")).collect();
    let junk = records(&junk.iter().map(String::as_str).collect::<Vec<_>>());
    let mut sent = 0;
    while victim.say(&junk, false).is_ok() {
        sent += 1;
        assert!(sent < 100);
    }
    let (error, refusal) = victim.ended(&many());
    assert_eq!(error, SessionError::OverLimit { what: "bytes of a session", cap });
    assert_eq!(refusal, Some(Refusal::Limit { what: "bytes of a session".into(), cap }));
}

#[test]
fn contents_ahead_of_their_part_are_limited() {
    let mut victim = Victim::greeted(few());
    let ahead = |seed: u32| {
        let large = PatternContent {
            source_episodes: (0..2_000).map(|i| format!("{seed}-{i:0240}")).collect(),
            ..content("late", seed)
        };
        let contents = vec![(content_digest(&large), large)];
        sync(vec![], contents)
    };
    let mut sent = 0;
    while victim.say(&ahead(sent), false).is_ok() {
        sent += 1;
        assert!(sent < 100, "contents are kept without a limit");
    }
    let (error, refusal) = victim.ended(&few());
    let (what, cap) = ("contents ahead of their part", limits::MAX_NODE_DOTS as u64);
    assert_eq!(error, SessionError::OverLimit { what, cap });
    assert_eq!(refusal, Some(Refusal::Limit { what: what.into(), cap }));
}

#[test]
fn mismatched_space_answers_are_refused() {
    let say = |spaces: Spaces| {
        let mut victim = Victim::new(few(), SessionConfig::default());
        let Message::MerkleRootExchange(hello) = hello() else { unreachable!() };
        let _ = victim.say(&Message::MerkleRootExchange(Hello { spaces, ..hello }), true);
        victim.ended(&few()).0
    };
    let hosts = Spaces::Hosts(vec![1]);
    assert!(matches!(say(hosts), SessionError::Violation(_)));
    assert!(matches!(say(Spaces::Buckets([None; 16])), SessionError::Violation(_)));
    let root = SpaceRoot { space: space("default"), root: [9; 32], count: 1, generation: 1 };
    let table = Spaces::Table { buckets: 0, spaces: vec![root] };
    assert!(matches!(say(table), SessionError::Violation(_)));
}

fn versions(base: VersionBase, changes: Vec<(u32, i64)>) -> Message {
    let others = vec![([9; 8], 5)];
    Message::Versions(Versions { space: 0, base, changes, others, repeat: false })
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
fn version_summary_beyond_its_base_is_refused() {
    let mut victim = Victim::clocked(few());
    assert!(victim.say(&versions(VersionBase::Yours, vec![(7, 1)]), true).is_err());
    let (error, _) = victim.ended(&few());
    assert_eq!(error, SessionError::Violation(ProtocolViolation::SummaryBeyondBase));
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
    // A peer claims to have sent everything of nodes 1 and 7 and sends nothing.
    let mut honest = few();
    honest.submit(7, 50, content("pattern_7", 7));
    honest.submit(7, 60, content("pattern_8", 8));
    let mut state = few();
    state.learn(&honest, "pattern_8");
    let mut victim = Victim::clocked(state);
    let declared = [1, 7].map(|node| (common::node_id(node), u64::MAX)).to_vec();
    let sync =
        PatternSync::new(0, Delivery::<PatternContent>::default(), declared, Compression::Off);
    victim.say(&Message::PatternSync(sync), true).unwrap();
    let summary = victim.store.clocks().index.summary();
    let short = *common::node_id(7).first_chunk().unwrap();
    assert_eq!(summary.get(&short), common::version(60), "the greatest held entry");
    // An honest session brings the records that the lie hides.
    let honest = Store::clocked(honest);
    let contact = common::sync(&honest, &victim.store);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(honest.state().records, victim.store.state().records);
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

#[test]
fn final_report_names_only_known_spaces() {
    let yours =
        Done { roots: FinalRoots::Yours, kept_back: false, has_news: false, unsendable: vec![] };
    let all = Done { roots: FinalRoots::All(vec![]), ..yours.clone() };
    let record = UnsendableRecord { space: 7, id: "id".into(), what: "bytes".into() };
    let elsewhere = Done { unsendable: vec![record], ..yours.clone() };
    for done in [yours, all, elsewhere] {
        let mut victim = Victim::greeted(few());
        assert!(victim.say(&Message::Done(done), true).is_err());
        assert!(matches!(victim.ended(&few()).0, SessionError::Violation(_)));
    }
}

/// A content encoded alone, and its digest.
fn encoded(content: &PatternContent) -> ([u8; 32], Vec<u8>) {
    let mut bytes = Vec::new();
    Wire::encode(&[content], Compression::Off, &mut bytes);
    (content_digest(content), bytes)
}

fn part_of((digest, bytes): &([u8; 32], Vec<u8>), range: std::ops::Range<usize>) -> ContentPart {
    let (total, offset) = (bytes.len() as u32, range.start as u32);
    ContentPart { space: 0, digest: *digest, total, offset, bytes: bytes[range].to_vec() }
}

#[test]
fn parts_of_no_content_are_refused() {
    let whole = encoded(&content("late", 7));
    let other = encoded(&content("other", 8));
    let (len, half) = (whole.1.len(), whole.1.len() / 2);
    let first = part_of(&whole, 0..half);
    let garbage = ContentPart { bytes: vec![0xff; len], ..part_of(&whole, 0..len) };
    let longer = ContentPart { total: first.total + 1, ..part_of(&whole, half..len) };
    let misfits: [(&[ContentPart], &str); 5] = [
        (&[part_of(&whole, 1..half)], "does not follow"),
        (&[first.clone(), first.clone()], "does not follow"),
        (&[first.clone(), part_of(&other, half..other.1.len())], "does not follow"),
        (&[first.clone(), longer], "does not follow"),
        (&[garbage], "cannot be read"),
    ];
    for (parts, why) in misfits {
        let mut victim = Victim::greeted(few());
        let (last, before) = parts.split_last().unwrap();
        for part in before {
            victim.say(&Message::ContentPart(part.clone()), false).unwrap();
        }
        let error = victim.say(&Message::ContentPart(last.clone()), false).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn unfinished_parts_are_refused() {
    let whole = encoded(&content("late", 7));
    let first = Message::ContentPart(part_of(&whole, 0..whole.1.len() - 1));
    let missing = SessionError::Violation(ProtocolViolation::MissingPart);
    // The turn ends, or records follow, before the last part.
    let mut victim = Victim::greeted(few());
    assert_eq!(victim.say(&first, true), Err(missing.clone()));
    let mut victim = Victim::greeted(few());
    victim.say(&first, false).unwrap();
    assert_eq!(victim.say(&records(&["stranger-1"]), true), Err(missing));
    // The maximum number of contents, and one more.
    let mut victim = Victim::greeted(few());
    for _ in 0..limits::MAX_NODE_DOTS {
        let part = part_of(&whole, 0..whole.1.len());
        victim.say(&Message::ContentPart(part), false).unwrap();
    }
    let part = Message::ContentPart(part_of(&whole, 0..whole.1.len()));
    let (what, cap) = ("contents ahead of their part", limits::MAX_NODE_DOTS as u64);
    assert_eq!(victim.say(&part, false), Err(SessionError::OverLimit { what, cap }));
}
