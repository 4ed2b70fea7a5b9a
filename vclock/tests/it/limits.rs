//! Tests the limits of clocks and siblings, and that a refusal leaves the state unchanged.

use engram_vclock::{
    Causality, ClockError, Dot, HybridClock, LastWrite, MAX_NODE_DOTS, Siblings, SiblingsError,
    VectorClock,
};

type State = Siblings<u64, u8>;

fn clock(entries: &[(u8, u64)]) -> VectorClock<u8> {
    VectorClock::from_sorted(entries.iter().copied()).expect("sorted")
}

/// A state with `count` live values of node 1, each equal to its version.
fn crowded(count: usize) -> State {
    let live = (1..).take(count).map(|version| (Dot::new(1, version), version)).collect();
    Siblings::from_parts(live, clock(&[(1, count as u64)])).expect("within the limit")
}

#[test]
fn entries_must_ascend() {
    let refused = |entries: &[(u8, u64)]| VectorClock::from_sorted(entries.iter().copied()).err();
    assert_eq!(refused(&[(1, 1), (2, u64::MAX)]), None);
    assert_eq!(refused(&[(1, 1), (1, 2)]), Some(ClockError::OutOfOrder { index: 1 }));
    assert_eq!(refused(&[(1, 1), (3, 1), (2, 1)]), Some(ClockError::OutOfOrder { index: 2 }));
    assert_eq!(refused(&[(1, 1), (2, 0)]), Some(ClockError::ZeroVersion { index: 1 }));
}

#[test]
fn version_0_is_ignored() {
    let mut clock = VectorClock::from_iter([(1_u8, 0)]);
    assert!(clock.is_empty() && !clock.observe(&Dot::new(1, 0)) && clock.is_empty());
    assert!(clock.observe(&Dot::new(1, u64::MAX)) && !clock.observe(&Dot::new(1, 0)));
    assert_eq!(clock.get(&1), u64::MAX);
}

#[test]
fn ten_thousand_nodes() {
    let even = VectorClock::from_sorted((0..10_000_u32).map(|n| (2 * n, 1))).expect("sorted");
    let odd = VectorClock::from_sorted((0..10_000_u32).map(|n| (2 * n + 1, 1))).expect("sorted");
    assert_eq!(even.compare(&odd), Causality::Concurrent);
    let mut both = even.clone();
    assert!(both.merge(&odd));
    assert!(both.iter().map(|(node, _)| *node).eq(0..20_000));
    assert_eq!(even.compare(&both), Causality::Before);
}

#[test]
fn a_hundred_nodes_disagree() {
    let mut replicas: Vec<State> = vec![Siblings::new(); 100];
    for (node, replica) in replicas.iter_mut().enumerate() {
        replica.submit(Dot::new(node as u8, 1), node as u64).expect("a new version");
    }
    let mut all = Siblings::new();
    for replica in replicas.iter().rev() {
        assert!(all.join(replica).changed);
    }
    assert!(all.values().copied().eq(0..100));
    assert_eq!(all.resolve(Dot::new(100, 1), 100), Ok(100));
    for replica in &mut replicas {
        assert!(replica.join(&all).changed);
        assert_eq!(*replica, all);
    }
}

#[test]
fn ten_thousand_restarts_leave_one_entry() {
    let mut peer = State::new();
    for now in (1..=10_000_u64).map(|start| start << 10) {
        // The process has no store, so it knows nothing of earlier processes.
        let (mut state, mut clock) = (State::new(), HybridClock::new(0));
        state.submit(Dot::new(1, clock.next(now, now)), now).expect("a new version");
        assert!(peer.join(&state).changed);
        assert_eq!((peer.len(), peer.context().len()), (1, 1));
    }
}

#[test]
fn a_version_is_above_the_known_ones() {
    let mut state = State::new();
    state.resolve(Dot::new(1, 5), 0).expect("a new version");
    let before = state.clone();
    for version in [0, 1, 4, 5] {
        let refused = Err(SiblingsError::NotAbove { known: 5 });
        let dot = Dot::new(1, version);
        assert_eq!(state.submit(dot, 1), refused);
        assert_eq!(state.withdraw(dot), refused);
        assert_eq!(state.resolve(dot, 1), refused);
        assert_eq!(state.remove(dot), refused);
        assert_eq!(state.write(dot, 1, &VectorClock::new()), refused);
    }
    let read_elsewhere = clock(&[(1, 9)]);
    let refused = Err(SiblingsError::NotAbove { known: 9 });
    assert_eq!(state.write(Dot::new(1, 9), 1, &read_elsewhere), refused);
    assert_eq!(state.submit(Dot::new(2, 0), 1), Err(SiblingsError::NotAbove { known: 0 }));
    assert_eq!(state, before);
    assert_eq!(state.write(Dot::new(1, 10), 1, &read_elsewhere), Ok(1));
    assert_eq!(state.submit(Dot::new(1, u64::MAX), 2), Ok(1));
    assert_eq!(
        state.submit(Dot::new(1, u64::MAX), 3),
        Err(SiblingsError::NotAbove { known: u64::MAX })
    );
}

#[test]
fn a_retry_adds_a_sibling_up_to_the_limit() {
    let mut cart = State::new();
    let seen = cart.context().clone();
    for version in 1..=MAX_NODE_DOTS as u64 {
        assert_eq!(cart.write(Dot::new(1, version), 0, &seen), Ok(0));
    }
    let full = cart.clone();
    assert_eq!(cart.write(Dot::new(1, 17), 0, &seen), Err(SiblingsError::TooManyValues));
    assert_eq!(cart, full);
    // Another node has its own limit, and a write after a read supersedes the values.
    assert_eq!(cart.write(Dot::new(2, 1), 0, &seen), Ok(0));
    let seen = cart.context().clone();
    assert_eq!(cart.write(Dot::new(1, 17), 1, &seen), Ok(17));
    assert_eq!(cart.len(), 1);
}

#[test]
fn the_greatest_16_values_of_a_node_stay() {
    // One dot with 32 values, as if a process had used one version many times.
    let half = |values: std::ops::Range<u64>| {
        let live = values.map(|value| (Dot::new(1, 1), value)).collect();
        Siblings::from_parts(live, clock(&[(1, 1)])).expect("within the limit")
    };
    let (mut low, mut high): (State, State) = (half(0..16), half(16..32));
    let outcome = low.join(&high);
    assert!(outcome.changed);
    assert_eq!((outcome.clash, outcome.dropped), (Some(Dot::new(1, 1)), 16));
    assert_eq!(low, high);
    // The low half changes nothing on arrival.
    let outcome = high.join(&half(0..16));
    assert_eq!((outcome.changed, outcome.dropped), (false, 16));
    assert_eq!(low, high);

    // Greater versions win, and other nodes keep their values.
    let mixed = |first: std::ops::Range<u64>| {
        let first = first.map(|value| (Dot::new(1, 1), value));
        let others = [(Dot::new(1, 2), 0), (Dot::new(2, 1), 7)];
        let live = [(Dot::new(0, 1), 7)].into_iter().chain(first).chain(others).collect();
        Siblings::from_parts(live, clock(&[(0, 1), (1, 2), (2, 1)])).expect("within the limit")
    };
    let (mut low, high): (State, State) = (mixed(1..16), mixed(16..31));
    assert_eq!(low.join(&high).dropped, 15);
    assert_eq!(low, high, "the value of version 2 is the smallest, and stays");
}

#[test]
fn write_is_given_up_among_16_others() {
    let (node, mut clock) = (1, HybridClock::new(0));
    let mut state = State::new();
    state.submit(Dot::new(node, 1), 99).expect("a new version");
    let last_write = LastWrite { version: 1, value: 99 };
    let mut crowd = crowded(MAX_NODE_DOTS);
    crowd.supersede(Dot::new(node, 17), Some(17), |dot| dot.version == 1).expect("a new version");
    let outcome = state.join_own(&crowd, &node, Some(&last_write), &mut clock);
    assert_eq!((outcome.reissued, outcome.given_up), (None, Some(last_write)));
    assert_eq!(state, crowd);
    assert_eq!(clock.highest(), 17);

    // With one value fewer, the reissue fits.
    let mut state = State::new();
    state.submit(Dot::new(node, 1), 99).expect("a new version");
    crowd.supersede(Dot::new(node, 18), None, |dot| dot.version == 2).expect("a new version");
    let outcome = state.join_own(&crowd, &node, Some(&last_write), &mut clock);
    assert_eq!(outcome.reissued, Some(LastWrite { version: 19, value: 99 }));
    assert_eq!(outcome.given_up, None);
    assert_eq!(state.of_node(&node).len(), MAX_NODE_DOTS);
    assert_eq!(clock.highest(), 19);
}

#[test]
fn a_write_without_a_version_left_is_given_up() {
    let (node, mut clock) = (1, HybridClock::new(0));
    let (mut state, mut last) = (State::new(), State::new());
    state.submit(Dot::new(node, 1), 1).expect("a new version");
    last.submit(Dot::new(node, u64::MAX), 2).expect("a new version");
    let last_write = LastWrite { version: 1, value: 1 };
    let outcome = state.join_own(&last, &node, Some(&last_write), &mut clock);
    assert_eq!((outcome.reissued, outcome.given_up), (None, Some(last_write)));
    assert_eq!(state, last);
}

#[test]
fn parts_must_be_canonical() {
    let refused = |live: &[(u8, u64, u64)], context: &[(u8, u64)]| {
        let live = live.iter().map(|&(node, version, value)| (Dot::new(node, version), value));
        Siblings::from_parts(live.collect(), clock(context)).err()
    };
    assert_eq!(refused(&[(1, 1, 0), (1, 1, 1), (1, 2, 0), (2, 1, 0)], &[(1, 2), (2, 1)]), None);
    let two = [(1, 2), (2, 1)];
    assert_eq!(refused(&[(1, 3, 0)], &two), Some(SiblingsError::NotCovered { index: 0 }));
    assert_eq!(
        refused(&[(1, 1, 0), (3, 1, 0)], &two),
        Some(SiblingsError::NotCovered { index: 1 })
    );
    assert_eq!(refused(&[(1, 0, 0)], &two), Some(SiblingsError::ZeroVersion { index: 0 }));
    for pairs in [
        [(1, 1, 0), (1, 1, 0)],
        [(1, 1, 1), (1, 1, 0)],
        [(1, 2, 0), (1, 1, 0)],
        [(2, 1, 0), (1, 1, 0)],
    ] {
        assert_eq!(refused(&pairs, &two), Some(SiblingsError::OutOfOrder { index: 1 }));
    }
    let crowd: Vec<_> = (1..=17).map(|version| (1, version, 0)).collect();
    assert_eq!(refused(&crowd, &[(1, 17)]), Some(SiblingsError::TooManyOfNode { index: 16 }));
}

#[test]
fn every_part_can_be_dropped() {
    let mut state = crowded(MAX_NODE_DOTS);
    state.submit(Dot::new(2, 1), 7).expect("a new version");
    state.retain_nodes(|node, entry| (*node, entry) != (1, 16));
    assert_eq!(state.iter().collect::<Vec<_>>(), [(&Dot::new(2, 1), &7)]);
    assert_eq!(*state.context(), clock(&[(2, 1)]));
    state.retain_nodes(|_, _| false);
    assert_eq!(state, State::new());
}
