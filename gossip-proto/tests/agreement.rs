//! What two sides must agree on before they exchange anything.

mod common;

use common::{Contact, Pair, Store, content, parameters, space};
use engram_gossip_proto::{
    Ending, Event, Greeting, Parameters, Precision, Refusal, Session, SessionConfig, SessionError,
    SetupError,
};

fn contact(ours: Parameters, theirs: Parameters) -> (Contact, Store, Store) {
    let (a, b) = (Store::default(), Store::default());
    a.state.borrow_mut().submit(1, 1, content("pattern_1", 1));
    let spaces = |store: &Store| vec![(space("default"), store.pin())];
    let config = SessionConfig::default();
    let contact = Pair::new((config.clone(), config), (ours, theirs), (spaces(&a), spaces(&b)))
        .run(|_, _, frame| vec![frame]);
    (contact, a, b)
}

#[test]
fn each_state_parameter_is_refused_by_name_with_both_values() {
    let cases = [
        ("hash", "sha256", "blake3", Parameters { hash: "blake3".into(), ..parameters() }),
        ("depth", "12", "16", Parameters { depth: 16, ..parameters() }),
        ("dimension", "8", "384", Parameters { dimension: 384, ..parameters() }),
        ("precision", "f32", "f16", Parameters { precision: Precision::F16, ..parameters() }),
    ];
    for (name, ours, theirs, other) in cases {
        let (contact, _, b) = contact(parameters(), other);
        assert_eq!(
            contact.acceptor.result,
            Ending::Failed(SessionError::Parameter {
                name,
                ours: theirs.into(),
                theirs: ours.into()
            })
        );
        let (name, here, there) = (name.into(), theirs.into(), ours.into());
        assert_eq!(
            contact.opener.result,
            Ending::Failed(SessionError::RefusedByPeer(Refusal::Parameter { name, here, there }))
        );
        assert!(b.state().records.is_empty(), "nothing was stored");
    }
}

#[test]
fn another_strategy_is_reported_and_stops_nothing() {
    let other = Parameters { strategy: "last-writer".into(), ..parameters() };
    let (contact, a, b) = contact(parameters(), other);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(a.state().records, b.state().records);
    let differs = |ours: &str, theirs: &str| Event::StrategyDiffers {
        ours: ours.into(),
        theirs: theirs.into(),
    };
    assert_eq!(
        contact.events,
        [differs("confidence-voting", "last-writer"), differs("last-writer", "confidence-voting")]
    );
}

#[test]
fn another_wire_version_is_refused_by_number() {
    let (a, b) = (Store::default(), Store::default());
    let spaces = |store: &Store| vec![(space("default"), store.pin())];
    let config = SessionConfig::default();
    let pair =
        Pair::new((config.clone(), config), (parameters(), parameters()), (spaces(&a), spaces(&b)));
    let contact = pair.run(|at, _, mut frame| {
        frame[2] = if at == 0 { 2 } else { frame[2] };
        vec![frame]
    });
    assert_eq!(
        contact.opener.result,
        Ending::Failed(SessionError::RefusedByPeer(Refusal::Version(1)))
    );
}

#[test]
fn both_sides_learn_the_greeting_first() {
    let (a, b) = (Store::default(), Store::default());
    a.state.borrow_mut().submit(1, 1, content("pattern_1", 1));
    b.state.borrow_mut().submit(2, 1, content("pattern_2", 1));
    let greetings = [Greeting { known: 5, clock: 1 << 60 }, Greeting { known: u64::MAX, clock: 0 }];
    let [ours, theirs] =
        greetings.map(|greeting| SessionConfig { greeting, ..SessionConfig::default() });
    let spaces = |store: &Store| vec![(space("default"), store.pin())];
    let mut pair =
        Pair::new((ours, theirs), (parameters(), parameters()), (spaces(&a), spaces(&b)));
    assert_eq!(pair.opener.peer_greeting(), None);
    let hello = pair.opener.poll_frame(pair.now).unwrap();
    pair.acceptor.handle_frame(&hello, pair.now).unwrap();
    assert_eq!(pair.acceptor.peer_greeting(), Some(greetings[0]));
    assert_eq!(pair.acceptor.poll_event(), Some(Event::Greeted(greetings[0])));
    assert_eq!(pair.acceptor.poll_event(), None);
    let answer = pair.acceptor.poll_frame(pair.now).unwrap();
    pair.opener.handle_frame(&answer, pair.now).unwrap();
    assert_eq!(pair.opener.peer_greeting(), Some(greetings[1]));
    assert_eq!(pair.opener.poll_event(), Some(Event::Greeted(greetings[1])));
    assert_eq!(a.state().records.len() + b.state().records.len(), 2, "nothing was applied yet");
}

#[test]
fn a_refused_hello_is_no_greeting() {
    let (contact, ..) = contact(parameters(), Parameters { depth: 16, ..parameters() });
    assert!(matches!(contact.acceptor.result, Ending::Failed(_)));
    let store = Store::default();
    let config = SessionConfig::default();
    let spaces = vec![(space("default"), store.pin())];
    let now = std::time::Duration::ZERO;
    let other = Parameters { depth: 16, ..parameters() };
    let mut opener = Session::open(config.clone(), other, [1; 8], spaces.clone(), now).unwrap();
    let mut acceptor = Session::accept(config, parameters(), [2; 8], spaces, now).unwrap();
    let hello = opener.poll_frame(now).unwrap();
    assert!(acceptor.handle_frame(&hello, now).is_err());
    assert_eq!((acceptor.peer_greeting(), acceptor.poll_event()), (None, None));
}

#[test]
fn settings_outside_their_range_are_refused_before_anything_is_sent() {
    let open = |config: SessionConfig, parameters: Parameters| {
        let spaces = vec![(space("default"), Store::default().pin())];
        Session::open(config, parameters, [1; 8], spaces, std::time::Duration::ZERO).err()
    };
    let default = SessionConfig::default;
    assert_eq!(open(default(), parameters()), None);
    for max_patterns_per_sync in [0, 1_025] {
        let config = SessionConfig { max_patterns_per_sync, ..default() };
        assert!(matches!(open(config, parameters()), Some(SetupError::Setting(_))));
    }
    let config = SessionConfig { receive_budget: 1 << 20, ..default() };
    assert!(matches!(open(config, parameters()), Some(SetupError::Setting(_))));
    let long = Parameters { strategy: "x".repeat(129).into(), ..parameters() };
    assert_eq!(open(default(), long), Some(SetupError::LongName("strategy")));
    let none = Parameters { dimension: 0, ..parameters() };
    assert!(matches!(open(default(), none), Some(SetupError::Setting(_))));
}

#[test]
fn a_space_is_named_once() {
    let spaces = ["default", "default"].map(|name| (space(name), Store::default().pin())).to_vec();
    let opened = Session::open(
        SessionConfig::default(),
        parameters(),
        [1; 8],
        spaces,
        std::time::Duration::ZERO,
    );
    assert_eq!(opened.err(), Some(SetupError::DuplicateSpace("default".into())));
}

#[test]
fn each_half_of_the_key_changes_every_tag() {
    let contact = |halves| {
        let (a, b) = (Store::default(), Store::default());
        for n in 0..200 {
            a.state.borrow_mut().submit(1, n + 1, content(&format!("pattern_{n}"), n as u32));
        }
        b.state.borrow_mut().submit(2, 1, content("pattern_b", 1));
        let spaces = |store: &Store| vec![(space("default"), store.pin())];
        let config = (SessionConfig::default(), SessionConfig::default());
        Pair::keyed(halves, config, (parameters(), parameters()), (spaces(&a), spaces(&b)))
            .run(|_, _, frame| vec![frame])
    };
    let contacts = [[[1; 8], [2; 8]], [[1; 8], [3; 8]], [[4; 8], [2; 8]]].map(contact);
    for contact in &contacts {
        assert_eq!(contact.opener.result, Ending::InSync);
        assert_eq!(contact.bytes(), contacts[0].bytes());
    }
    let tags = contacts.map(|contact| contact.frames[2].1.clone());
    assert!(tags[0] != tags[1] && tags[0] != tags[2] && tags[1] != tags[2]);
}
