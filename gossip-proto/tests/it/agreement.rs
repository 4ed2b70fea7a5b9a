//! The beginning of a session: settings, parameters, wire versions, greetings and session keys.

use crate::common::{Contact, Pair, Store, content, parameters, parameters_of, space};
use engram_gossip_proto::{
    Ending, Event, Greeting, Parameters, Refusal, Session, SessionConfig, SessionError, SetupError,
};

fn contact(ours: Parameters, theirs: Parameters) -> (Contact, Store, Store) {
    let (a, b) = (Store::default(), Store::default());
    a.change().submit(1, 1, content("pattern_1", 1));
    let spaces = |store: &Store| vec![(space("default"), store.pin())];
    let config = SessionConfig::default();
    let contact = Pair::new((config.clone(), config), (ours, theirs), (spaces(&a), spaces(&b)))
        .run(|_, _, frame| vec![frame]);
    (contact, a, b)
}

#[test]
fn parameter_mismatch_names_both_values() {
    let cases = [
        ("hash", "sha256", "blake3", parameters_of("blake3", 12)),
        ("depth", "12", "16", parameters_of("sha256", 16)),
        ("dimension", "8", "384", parameters().require("dimension", "384")),
        ("precision", "(absent)", "f16", parameters().require("precision", "f16")),
        // The values must be equal if either side requires the parameter.
        ("dimension", "8", "384", parameters().report("dimension", "384")),
        ("strategy", "confidence-voting", "other", parameters().require("strategy", "other")),
    ];
    for (name, ours, theirs, other) in cases {
        let (contact, _, b) = contact(parameters(), other);
        assert_eq!(
            contact.opener.result,
            Ending::Failed(SessionError::Parameter {
                name: name.into(),
                ours: ours.into(),
                theirs: theirs.into()
            })
        );
        let (name, of_sender, of_receiver) = (name.into(), ours.into(), theirs.into());
        let refusal = Refusal::Parameter { name, of_sender, of_receiver };
        assert_eq!(contact.acceptor.result, Ending::Failed(SessionError::RefusedByPeer(refusal)));
        assert!(b.state().records.is_empty(), "nothing was stored");
    }
}

#[test]
fn equal_roots_need_equal_parameters() {
    let empty = || vec![(space("default"), Store::default().pin())];
    let config = || (SessionConfig::default(), SessionConfig::default());
    let run = |theirs| {
        let pair = Pair::new(config(), (parameters(), theirs), (empty(), empty()));
        let contact = pair.run(|_, _, frame| vec![frame]);
        [contact.opener.result, contact.acceptor.result]
    };
    let refused = run(parameters().require("dimension", "384"));
    assert!(refused.iter().all(|ending| matches!(ending, Ending::Failed(_))), "{refused:?}");
    let reported = run(parameters().report("strategy", "other"));
    assert_eq!(reported, [Ending::InSync, Ending::InSync]);
}

#[test]
fn different_strategy_is_only_reported() {
    let other = parameters().report("strategy", "last-writer");
    let (contact, a, b) = contact(parameters(), other);
    assert_eq!(contact.opener.result, Ending::InSync);
    assert_eq!(a.state().records, b.state().records);
    let differs = |ours: &str, theirs: &str| Event::ParameterDiffers {
        name: "strategy".into(),
        ours: ours.into(),
        theirs: theirs.into(),
    };
    assert_eq!(
        contact.events,
        [differs("confidence-voting", "last-writer")],
        "the opener reports it"
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
    a.change().submit(1, 1, content("pattern_1", 1));
    b.change().submit(2, 1, content("pattern_2", 1));
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
    assert_eq!(a.state().records.len() + b.state().records.len(), 2, "nothing has been applied");
}

#[test]
fn refused_hello_yields_no_greeting() {
    let (contact, ..) = contact(parameters(), parameters_of("sha256", 16));
    assert!(matches!(contact.opener.result, Ending::Failed(_)));
    let store = Store::default();
    let config = SessionConfig::default();
    let spaces = vec![(space("default"), store.pin())];
    let now = std::time::Duration::ZERO;
    let other = parameters_of("sha256", 16);
    let mut opener = Session::open(config.clone(), other, [1; 8], spaces.clone(), now).unwrap();
    let mut acceptor = Session::accept(config, parameters(), [2; 8], spaces, now).unwrap();
    acceptor.handle_frame(&opener.poll_frame(now).unwrap(), now).unwrap();
    let answer = acceptor.poll_frame(now).unwrap();
    assert!(opener.handle_frame(&answer, now).is_err());
    assert_eq!((opener.peer_greeting(), opener.poll_event()), (None, None));
}

#[test]
fn out_of_range_settings_are_refused_at_setup() {
    let open = |config: SessionConfig, parameters: Parameters| {
        let spaces = vec![(space("default"), Store::default().pin())];
        Session::open(config, parameters, [1; 8], spaces, std::time::Duration::ZERO).err()
    };
    let default = SessionConfig::default;
    assert_eq!(open(default(), parameters()), None);
    for max_patterns_per_sync in [0, 1_025] {
        let config = SessionConfig { max_patterns_per_sync, ..default() };
        assert!(matches!(open(config, parameters()), Some(SetupError::MaxPatternsPerSync(_))));
    }
    let config = SessionConfig { receive_budget: 1 << 20, ..default() };
    assert!(matches!(open(config, parameters()), Some(SetupError::ReceiveBudget(_))));
    let long = parameters().report("strategy", "x".repeat(129));
    assert_eq!(open(default(), long), Some(SetupError::LongParameter("strategy".into())));
    let many = (0..10_000).fold(parameters(), |all, n| all.report(format!("name-{n}"), "value"));
    assert_eq!(open(default(), many), Some(SetupError::TooManyParameters(10_002)));
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
            a.change().submit(1, n + 1, content(&format!("pattern_{n}"), n as u32));
        }
        b.change().submit(2, 1, content("pattern_b", 1));
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
