//! Peers that break the rules: the session ends with a reason, or goes on without the faulty data;
//! nothing unverified is stored.

mod clocks;
mod contents;

use std::time::Duration;

use crate::common::{self, State, Store, content, content_digest, key_of, parameters, space};
use engram_gossip_proto::{
    Compression, Delivery, Done, Ending, Event, FinalRoots, Greeting, Hello, HelloParameters,
    Listing, Message, Node, PatternContent, PatternRequest, PatternSync, Prefix, ProtocolViolation,
    Record, Refusal, Session, SessionConfig, SessionError, SpaceRoot, Spaces, SubtreeRequest,
    SubtreeResponse, UnsendableRecord, Want, limits,
};

const NOW: Duration = Duration::from_secs(5);

/// A session under test, usually of an acceptor, with a peer whose messages are made by hand.
struct Victim {
    session: Session<common::Memory>,
    store: Store,
}

impl Victim {
    fn new(state: State, config: SessionConfig) -> Self {
        Self::of(Store::new(state), config)
    }

    /// Like [`greeted`](Self::greeted), but with clocks: the victim has sent its summary.
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

    /// A victim that has received the hello of a peer with a different root, and has taken its own
    /// turn.
    fn greeted(state: State) -> Self {
        let mut victim = Self::new(state, SessionConfig::default());
        victim.say(&hello(), true).unwrap();
        victim.listen();
        victim
    }

    /// An opener instead of an acceptor, which has received the answer to its hello, and has taken
    /// its next turn.
    fn opened(state: State) -> Self {
        let store = Store::new(state);
        let spaces = vec![(space("default"), store.pin())];
        let config = SessionConfig::default();
        let session = Session::open(config, parameters(), [3; 8], spaces, NOW).unwrap();
        let mut victim = Self { session, store };
        victim.listen();
        let Message::MerkleRootExchange(hello) = hello() else { unreachable!() };
        let (parameters, spaces) = (HelloParameters::Same, Spaces::Hosts(vec![1]));
        victim
            .say(&Message::MerkleRootExchange(Hello { parameters, spaces, ..hello }), true)
            .unwrap();
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
    /// and the refusal for the peer, if there is one.
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
    let nodes = vec![Node { prefix, children: [Some([1; 3]); 16] }];
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
    // The victim has so few entries that it lists them immediately, so the peer may send any record
    // that is not in the listing.
    victim.say(&records(&["stranger-1"]), true).unwrap();
    assert_eq!(victim.session.stats().applied, 1);
    assert!(victim.store.state().records.contains_key(&key_of("stranger-1")));
}

#[test]
fn damaged_content_is_rejected_alone() {
    let mut victim = Victim::greeted(few());
    let Message::PatternSync(good) = records(&["good", "bad"]) else { unreachable!() };
    let mut contents: Vec<PatternContent> = good.decode_contents().unwrap();
    for content in &mut contents {
        if content.id == "bad" {
            content.strength += 0.5;
        }
    }
    let contents = contents.into_iter().map(|content| (content_digest(&content), content));
    victim.say(&sync(good.records, contents.collect()), true).unwrap();
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

/// A message that only keeps the session going.
fn idle() -> Message {
    Message::PatternRequest(PatternRequest { space: 0, wants: vec![] })
}

#[test]
fn turns_of_a_session_are_limited() {
    // The peer of an acceptor begins the first turn above the limit. The peer of an opener ends the
    // last turn within it.
    for (mut victim, ended) in [
        (Victim::greeted(few()), limits::MAX_TURNS),
        (Victim::opened(few()), limits::MAX_TURNS - 1),
    ] {
        while victim.say(&idle(), true).is_ok() {
            assert!(victim.session.stats().turns < limits::MAX_TURNS);
            victim.listen();
            assert!(victim.session.stats().turns <= limits::MAX_TURNS);
            if victim.session.stats().turns == ended {
                break;
            }
        }
        let error = victim.say(&idle(), true).unwrap_err();
        let (outcome, refusal) = victim.ended(&few());
        let cap = u64::from(limits::MAX_TURNS);
        assert_eq!(error, SessionError::OverLimit { what: "turns of a session", cap });
        assert_eq!(outcome, error);
        assert_eq!(refusal, Some(Refusal::Limit { what: "turns of a session".into(), cap }));
    }
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
