//! Every limit is reached, every refusal leaves things as they were.

use engram_vclock::{
    Causality, ClockError, Dot, MAX_COUNTER, MAX_JUMP, Siblings, SiblingsError, VectorClock,
};

fn clock(entries: &[(u8, u64)]) -> VectorClock<u8> {
    VectorClock::from_sorted(entries.iter().copied()).expect("sorted")
}

#[test]
fn a_counter_at_the_cap_does_not_wrap() {
    let mut clock = clock(&[(1, MAX_COUNTER - 1)]);
    assert_eq!(clock.tick(&1), Ok(Dot::new(1, MAX_COUNTER)));
    let full = clock.clone();
    assert_eq!(clock.tick(&1), Err(ClockError::Exhausted));
    assert_eq!(clock, full);
    assert_eq!(clock.tick(&2), Ok(Dot::new(2, 1)));
}

#[test]
fn counters_that_cannot_exist_are_refused() {
    let mut clock = clock(&[(1, 5)]);
    let before = clock.clone();
    assert_eq!(clock.observe(&Dot::new(1, 0)), Err(ClockError::ZeroCounter));
    for counter in [MAX_COUNTER + 1, u64::MAX - 1, u64::MAX] {
        let refused = Err(ClockError::AboveCap { counter });
        assert_eq!(clock.observe(&Dot::new(1, counter)), refused);
        assert_eq!(clock.observe_within(&Dot::new(2, counter), u64::MAX), refused);
        assert_eq!(
            VectorClock::try_from_iter([(1_u8, counter)]),
            Err(ClockError::AboveCap { counter })
        );
        assert_eq!(
            VectorClock::from_sorted([(1_u8, counter)]),
            Err(ClockError::AboveCap { counter })
        );
    }
    assert_eq!(clock, before);
    assert_eq!(clock.observe(&Dot::new(1, MAX_COUNTER)), Ok(true));
}

#[test]
fn a_stranger_may_jump_so_far_and_no_further() {
    let mut known = clock(&[(1, 10), (3, 7)]);
    let before = known.clone();
    let too_far = ClockError::JumpTooFar { known: 10, claimed: 11 + MAX_JUMP, max_jump: MAX_JUMP };
    assert_eq!(known.observe_within(&Dot::new(1, 11 + MAX_JUMP), MAX_JUMP), Err(too_far));
    // The other entries are fine, and are not taken either.
    let claim = clock(&[(1, 11 + MAX_JUMP), (2, 1), (3, 8)]);
    assert_eq!(known.merge_within(&claim, MAX_JUMP), Err(too_far));
    assert_eq!(known, before);

    assert_eq!(known.merge_within(&clock(&[(1, 10 + MAX_JUMP), (2, 1)]), MAX_JUMP), Ok(true));
    assert_eq!(known, clock(&[(1, 10 + MAX_JUMP), (2, 1), (3, 7)]));
    // The past is no jump.
    assert_eq!(known.observe_within(&Dot::new(1, 1), 0), Ok(false));
    assert_eq!(known.merge_within(&before, 0), Ok(false));
}

#[test]
fn entries_must_ascend() {
    let refused = |entries: &[(u8, u64)]| VectorClock::from_sorted(entries.iter().copied()).err();
    assert_eq!(refused(&[(1, 1), (1, 2)]), Some(ClockError::OutOfOrder { index: 1 }));
    assert_eq!(refused(&[(1, 1), (3, 1), (2, 1)]), Some(ClockError::OutOfOrder { index: 2 }));
    assert_eq!(refused(&[(1, 1), (2, 0)]), Some(ClockError::ZeroCounter));
}

#[test]
fn ten_thousand_actors() {
    let even = VectorClock::from_sorted((0..10_000_u32).map(|n| (2 * n, 1))).expect("sorted");
    let odd = VectorClock::from_sorted((0..10_000_u32).map(|n| (2 * n + 1, 1))).expect("sorted");
    assert_eq!(even.compare(&odd), Causality::Concurrent);
    let mut both = even.clone();
    assert!(both.merge(&odd));
    assert_eq!(both.len(), 20_000);
    assert!(both.iter().map(|(actor, _)| *actor).eq(0..20_000));
    assert_eq!(even.compare(&both), Causality::Before);
    assert_eq!(VectorClock::from_bytes(&both.to_bytes()), Ok(both));
}

#[test]
fn sixty_four_siblings_of_one_key() {
    let blind = VectorClock::new();
    let mut replicas: Vec<Siblings<u8, u8>> = (0..64).map(|_| Siblings::new()).collect();
    for (actor, replica) in replicas.iter_mut().enumerate() {
        replica.write(Dot::new(actor as u8, 1), actor as u8, &blind).expect("a new dot");
    }
    let mut all = Siblings::new();
    for replica in replicas.iter().rev() {
        all.join(replica);
    }
    assert!(all.values().copied().eq(0..64));
    assert_eq!(all.resolve(Dot::new(64, 1), 64), Ok(64));
    for replica in &mut replicas {
        replica.join(&all);
        assert_eq!(*replica, all);
    }
}

#[test]
fn a_dot_is_used_once() {
    let mut state = Siblings::new();
    state.resolve(Dot::new(1_u8, 5), 'a').expect("a new dot");
    let before = state.clone();
    for counter in [1, 4, 5] {
        let reused = Err(SiblingsError::DotReused { counter });
        assert_eq!(state.resolve(Dot::new(1, counter), 'b'), reused);
        assert_eq!(state.write(Dot::new(1, counter), 'b', &VectorClock::new()), reused);
    }
    let read_elsewhere = clock(&[(1, 5), (2, 9)]);
    let reused = Err(SiblingsError::DotReused { counter: 9 });
    assert_eq!(state.write(Dot::new(2, 9), 'b', &read_elsewhere), reused);
    let zero = Err(SiblingsError::Clock(ClockError::ZeroCounter));
    assert_eq!(state.write(Dot::new(3, 0), 'b', &read_elsewhere), zero);
    let counter = MAX_COUNTER + 1;
    let above = Err(SiblingsError::Clock(ClockError::AboveCap { counter }));
    assert_eq!(state.resolve(Dot::new(3, counter), 'b'), above);
    assert_eq!(state, before);
}

#[test]
fn parts_must_be_canonical() {
    let refused = |live: &[(u8, u64)], context: &[(u8, u64)]| {
        let live = live.iter().map(|&(actor, counter)| (Dot::new(actor, counter), ())).collect();
        Siblings::from_parts(live, clock(context)).err()
    };
    assert_eq!(refused(&[(1, 1), (1, 2), (2, 1)], &[(1, 2), (2, 1)]), None);
    assert_eq!(refused(&[(1, 2)], &[(1, 1)]), Some(SiblingsError::NotCovered { index: 0 }));
    assert_eq!(refused(&[(1, 1), (2, 1)], &[(1, 1)]), Some(SiblingsError::NotCovered { index: 1 }));
    assert_eq!(refused(&[(1, 1), (1, 1)], &[(1, 1)]), Some(SiblingsError::OutOfOrder { index: 1 }));
    assert_eq!(
        refused(&[(2, 1), (1, 1)], &[(1, 1), (2, 1)]),
        Some(SiblingsError::OutOfOrder { index: 1 })
    );
    let zero = SiblingsError::Clock(ClockError::ZeroCounter);
    assert_eq!(refused(&[(1, 0)], &[(1, 1)]), Some(zero));
}

#[test]
fn one_dot_with_two_values_is_noticed() {
    let blind = VectorClock::new();
    let (mut a, mut b) = (Siblings::new(), Siblings::new());
    for dot in [Dot::new(1_u8, 1), Dot::new(2, 1)] {
        a.write(dot, "same", &blind).expect("a new dot");
        b.write(dot, "same", &blind).expect("a new dot");
    }
    assert_eq!(a.disputed(&b), None);
    a.write(Dot::new(2, 2), "this", &blind).expect("a new dot");
    b.write(Dot::new(2, 2), "that", &blind).expect("a new dot");
    assert_eq!(a.disputed(&b), Some(&Dot::new(2, 2)));
    assert_eq!(b.disputed(&a), Some(&Dot::new(2, 2)));
}
