//! Properties and limits of the hybrid clock.

use engram_vclock::{ClockFault, HybridClock, MAX_AHEAD};
use proptest::prelude::*;

const YEAR: u64 = 31_557_600_000_000_000;
const BUILT: u64 = 1_800_000_000_000_000_000;

#[derive(Clone, Copy, Debug)]
enum Event {
    Recall(u64),
    Observe(u64, u64),
    Hear(u64),
    Next(u64, u64),
}

/// Generates times around the build date, arbitrary times, and both ends of the range.
fn time() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => BUILT - YEAR..BUILT + 40 * YEAR,
        1 => any::<u64>(),
        1 => Just(0),
        1 => Just(u64::MAX),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => (0..BUILT + YEAR).prop_map(Event::Recall),
        2 => (time(), time()).prop_map(|(version, now)| Event::Observe(version, now)),
        1 => time().prop_map(Event::Hear),
        4 => (time(), any::<u64>()).prop_map(|(now, random)| Event::Next(now, random)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn prop_versions_ascend(events in proptest::collection::vec(event(), 1..40)) {
        let mut clock = HybridClock::new(BUILT);
        for event in events {
            let before = clock.highest();
            match event {
                Event::Recall(version) => clock.recall(version),
                Event::Observe(version, now) => {
                    prop_assert_eq!(clock.is_plausible(version, now), clock.observe(version, now).is_ok());
                }
                Event::Hear(told) => clock.hear(told),
                Event::Next(now, random) => {
                    let version = clock.next(now, random);
                    prop_assert!(version > before || before == u64::MAX);
                    prop_assert_eq!(version, clock.highest());
                }
            }
            prop_assert!(clock.highest() >= before);
        }
    }

    /// With a correct wall clock, and only versions below the build date known, the version is the
    /// time, except for the lowest 10 bits, which are random.
    #[test]
    fn prop_versions_are_times(now in BUILT..BUILT + YEAR, random in any::<u64>(), known in 1..BUILT) {
        let mut clock = HybridClock::new(BUILT);
        clock.recall(known - 1);
        let version = clock.next(now, random);
        prop_assert_eq!(version >> 10, now >> 10);
        prop_assert_eq!(version & 1023, random & 1023);
        // The clock stops or is set back.
        prop_assert_eq!(clock.next(now & !1023, 0), version + 1);
        prop_assert_eq!(clock.next(known, random), version + 2 + (random & 1023));
    }

    #[test]
    fn prop_only_far_versions_are_refused(now in time(), built_at in time(), version in any::<u64>()) {
        let clock = HybridClock::new(built_at);
        let far = u128::from(version) > u128::from(now.max(built_at)) + u128::from(MAX_AHEAD);
        prop_assert_eq!(clock.is_plausible(version, now), !far);
    }

    #[test]
    fn prop_faults_have_their_definition(
        now in time(),
        built_at in time(),
        told in proptest::collection::vec(time(), 0..3),
    ) {
        let mut clock = HybridClock::new(built_at);
        told.iter().for_each(|told| clock.hear(*told));
        let greatest = told.iter().copied().max();
        let is_ahead = greatest.is_some_and(|told| {
            u128::from(now) > u128::from(told.max(built_at)) + u128::from(MAX_AHEAD)
        });
        let expected = if now < built_at {
            Some(ClockFault::BeforeBuild { now, built_at })
        } else if is_ahead {
            Some(ClockFault::Ahead { now, told: greatest.expect("was told") })
        } else {
            None
        };
        prop_assert_eq!(clock.fault(now), expected);
    }
}

#[test]
fn the_bound_is_ten_years() {
    assert_eq!(MAX_AHEAD, 10 * YEAR);
    let mut clock = HybridClock::new(BUILT);
    let last = BUILT + MAX_AHEAD;
    assert_eq!(clock.observe(last, 0), Ok(()));
    let refused = clock.observe(last + 1, 0).expect_err("too far ahead");
    assert_eq!((refused.version, refused.limit), (last + 1, last));
    assert!(refused.to_string().contains("10 years"));
    assert_eq!(clock.highest(), last);
}

#[test]
fn a_wild_clock_needs_a_witness() {
    let wild = BUILT + 3 * MAX_AHEAD;
    let mut clock = HybridClock::new(BUILT);
    // No peer has reported its clock yet: the node has only its own.
    assert_eq!(clock.fault(wild), None);
    clock.hear(BUILT + YEAR);
    clock.hear(BUILT);
    assert_eq!(clock.fault(wild), Some(ClockFault::Ahead { now: wild, told: BUILT + YEAR }));
    assert_eq!(clock.next(wild, 0) >> 10, (BUILT + YEAR) >> 10);
    // A clock behind the build date is reported, and versions ascend from the known ones.
    let highest = clock.highest();
    assert_eq!(clock.fault(5), Some(ClockFault::BeforeBuild { now: 5, built_at: BUILT }));
    assert_eq!(clock.next(5, 0), highest + 1);
}

#[test]
fn an_own_version_in_the_state_is_believed() {
    let mut clock = HybridClock::new(BUILT);
    clock.recall(u64::MAX - 1);
    clock.recall(7);
    assert_eq!(clock.highest(), u64::MAX - 1);
    assert_eq!(clock.next(BUILT, 0), u64::MAX);
    // No version is left: the clock saturates, and `Siblings` refuses a second write under that version.
    assert_eq!(clock.next(BUILT, 0), u64::MAX);
}
