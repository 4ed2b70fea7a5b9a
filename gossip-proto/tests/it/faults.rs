//! Lost, repeated and damaged messages, writes during a session, and time-outs.

use crate::common::{self, Pair, State, Store, content, parameters, space, sync};
use engram_gossip_proto::{Ending, SessionConfig, SessionError};

/// Two replicas with changes of every kind.
fn replicas() -> (State, State) {
    let (mut a, mut b) = (State::default(), State::default());
    for i in 0..240u32 {
        let id = format!("pattern_{i}");
        a.submit(1, u64::from(i) + 1, content(&id, i));
        if i % 3 > 0 {
            b.learn(&a, &id);
        }
        if i % 7 == 0 {
            b.submit(2, u64::from(i) + 1, content(&id, i + 1));
        }
        if i % 11 == 0 {
            a.delete(3, u64::from(i) + 1, &id);
        }
    }
    b.submit(2, 10_000, content("pattern_b", 1));
    (a, b)
}

fn pair(a: &Store, b: &Store) -> Pair<common::Memory> {
    let config = SessionConfig { max_patterns_per_sync: 20, ..SessionConfig::default() };
    let spaces = |store: &Store| vec![(space("default"), store.pin())];
    Pair::new((config.clone(), config), (parameters(), parameters()), (spaces(a), spaces(b)))
}

/// Checks that every record of a side lies between the same record before the session and the join
/// of both sides' records.
fn assert_valid(before: &State, union: &State, after: &State) {
    assert!(after.is_whole());
    assert_eq!(after.merged(union).records, union.records, "nothing was invented");
    assert_eq!(after.merged(before).records, after.records, "nothing was lost");
}

#[test]
fn any_message_may_be_lost() {
    let (a, b) = replicas();
    let union = a.merged(&b);
    let frames = sync(&Store::new(a.clone()), &Store::new(b.clone())).frames.len();
    for lost in 0..frames + 4 {
        let (left, right) = (Store::new(a.clone()), Store::new(b.clone()));
        pair(&left, &right).run(|at, _, frame| if at == lost { vec![] } else { vec![frame] });
        assert_valid(&a, &union, &left.state());
        assert_valid(&b, &union, &right.state());
        // The next session needs nothing from the broken one.
        assert_eq!(sync(&left, &right).opener.result, Ending::InSync, "after losing frame {lost}");
        assert_eq!(left.state().records, union.records);
    }
}

#[test]
fn any_message_may_come_twice() {
    let (a, b) = replicas();
    let union = a.merged(&b);
    for twice in 0..24 {
        let (left, right) = (Store::new(a.clone()), Store::new(b.clone()));
        pair(&left, &right)
            .run(|at, _, frame| if at == twice { vec![frame.clone(), frame] } else { vec![frame] });
        assert_valid(&a, &union, &left.state());
        assert_valid(&b, &union, &right.state());
        assert_eq!(sync(&left, &right).opener.result, Ending::InSync);
    }
}

#[test]
fn any_message_may_be_damaged() {
    let (a, b) = replicas();
    let mut state = 7u64;
    for round in 0..120 {
        let (left, right) = (Store::new(a.clone()), Store::new(b.clone()));
        pair(&left, &right).run(|at, _, mut frame| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round);
            if at == round as usize % 24 {
                let bit = (state >> 20) as usize % (frame.len() * 8);
                frame[bit / 8] ^= 1 << (bit % 8);
            }
            vec![frame]
        });
        // A real transport authenticates its packets, so no damaged frame arrives. Even without
        // authentication, damage must not break the invariants of a store.
        assert!(left.state().is_whole() && right.state().is_whole());
    }
}

#[test]
fn writes_during_a_session_only_add_bytes() {
    let (a, b) = replicas();
    let (left, right) = (Store::new(a), Store::new(b));
    let mut counter = 100_000;
    pair(&left, &right).run(|at, _, frame| {
        for (store, node) in [(&left, 1), (&right, 2)] {
            counter += 1;
            let id = format!("pattern_{}", at * 13 % 300);
            store.change().submit(node, counter, content(&id, counter as u32));
        }
        vec![frame]
    });
    assert!(left.state().is_whole() && right.state().is_whole());
    let union = left.state().merged(&right.state());
    assert_eq!(sync(&left, &right).opener.result, Ending::InSync);
    assert_eq!(left.state().records, union.records);
    assert_eq!(right.state().records, union.records);
}

#[test]
fn silence_ends_a_session() {
    let (a, b) = replicas();
    let (left, right) = (Store::new(a), Store::new(b));
    let mut pair = pair(&left, &right);
    let hello = pair.opener.poll_frame(pair.now).unwrap();
    assert!(pair.opener.poll_frame(pair.now).is_none());
    let deadline = pair.opener.poll_timeout().unwrap();
    assert_eq!(deadline - pair.now, SessionConfig::default().idle_timeout);
    pair.opener.handle_timeout(deadline - std::time::Duration::from_nanos(1));
    assert!(pair.opener.outcome().is_none(), "one nanosecond before the deadline, nothing happens");
    pair.opener.handle_timeout(deadline);
    let ending = &pair.opener.outcome().unwrap().result;
    assert!(
        matches!(ending, Ending::Failed(SessionError::Idle | SessionError::TimedOut)),
        "{ending:?}"
    );
    assert_eq!(pair.opener.poll_timeout(), None);
    // The peer receives the refusal, and its session also ends.
    let refusal = pair.opener.poll_frame(deadline).unwrap();
    pair.acceptor.handle_frame(&hello, pair.now).unwrap();
    while pair.acceptor.poll_frame(pair.now).is_some() {}
    assert!(pair.acceptor.handle_frame(&refusal, pair.now).is_err());
    assert!(pair.acceptor.outcome().is_some());
}

#[test]
fn session_timeout_ends_an_active_session() {
    let (a, b) = replicas();
    let (left, right) = (Store::new(a), Store::new(b));
    let mut pair = pair(&left, &right);
    let whole = pair.now + SessionConfig::default().session_timeout;
    assert_eq!(
        pair.acceptor.poll_timeout().unwrap(),
        pair.now + SessionConfig::default().idle_timeout
    );
    let hello = pair.opener.poll_frame(pair.now).unwrap();
    let late = whole - std::time::Duration::from_secs(1);
    pair.acceptor.handle_frame(&hello, late).unwrap();
    while pair.acceptor.poll_frame(late).is_some() {}
    assert_eq!(pair.acceptor.poll_timeout().unwrap(), whole);
    pair.acceptor.handle_timeout(whole);
    assert!(pair.acceptor.outcome().is_some());
}

#[test]
fn a_session_may_have_no_time_outs() {
    let (a, b) = replicas();
    let (left, right) = (Store::new(a), Store::new(b));
    let never = std::time::Duration::MAX;
    let config =
        SessionConfig { idle_timeout: never, session_timeout: never, ..SessionConfig::default() };
    let spaces = |store: &Store| vec![(space("default"), store.pin())];
    let parameters = (parameters(), parameters());
    let mut pair = Pair::new((config.clone(), config), parameters, (spaces(&left), spaces(&right)));
    assert_eq!(pair.acceptor.poll_timeout(), Some(never));
    pair.acceptor.handle_timeout(pair.now * 1_000);
    assert!(pair.acceptor.outcome().is_none());
}
