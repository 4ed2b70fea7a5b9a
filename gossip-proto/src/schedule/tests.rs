//! For any events in any order, the bounds hold, nothing leaks, and no peer is forgotten.

mod driver;
mod sequences;
mod terms;

use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;

use self::driver::{Driver, Step, summaries};
use super::limits::{MAX_PEER_PREVIEWS, MAX_PREVIEWS, PERMIT_TIMEOUT};
use super::*;

const US: u8 = 3;
const PEERS: [u8; 6] = [0, 1, 2, 4, 5, 6];
const MILLISECOND: Duration = Duration::from_millis(1);

/// A configuration whose timer opens no session during a test.
fn without_timer() -> ScheduleConfig {
    ScheduleConfig { interval: Duration::from_secs(86_400), ..ScheduleConfig::default() }
}

fn peer() -> impl Strategy<Value = u8> {
    proptest::sample::select(&PEERS[..])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u64..3_000).prop_map(Step::Wait),
        2 => Just(Step::Write),
        4 => (peer(), any::<u8>()).prop_map(|(p, root)| Step::Advert(p, root)),
        4 => (peer(), any::<bool>()).prop_map(|(p, ok)| Step::Resolved(p, ok)),
        4 => (peer(), any::<bool>()).prop_map(|(p, ok)| Step::DialEnds(p, ok)),
        1 => (peer(), any::<u8>()).prop_map(|(p, how)| Step::Disconnected(p, how)),
        3 => peer().prop_map(Step::Incoming),
        6 => (peer(), any::<bool>(), any::<u8>()).prop_map(|(p, o, how)| Step::Ends(p, o, how)),
        2 => peer().prop_map(Step::Request),
        2 => peer().prop_map(Step::Preview),
        1 => (peer(), any::<bool>()).prop_map(|(p, stays)| Step::Member(p, stays)),
        1 => (peer(), any::<bool>()).prop_map(|(p, down)| Step::Down(p, down)),
        1 => (1_u64..1_000).prop_map(Step::Limits),
    ]
}

/// The peers to which the scheduler advertises by `now`.
fn advertised(scheduler: &mut Scheduler<u8>, now: Duration) -> Vec<u8> {
    scheduler.handle_timeout(now);
    let actions = core::iter::from_fn(|| scheduler.poll_action());
    let receiver = |action| match action {
        Action::Advertise { peer } => Some(peer),
        _ => None,
    };
    actions.filter_map(receiver).collect()
}

#[test]
fn the_second_wave_continues_in_the_ring() {
    let config = ScheduleConfig::default();
    let hold = config.advert_hold;
    let mut scheduler = Scheduler::new(37, config, 1, Duration::ZERO).unwrap();
    for peer in (0..40).filter(|peer| *peer != 37) {
        scheduler.set_member(peer, Reach::Dialable, Duration::ZERO);
        scheduler.handle_connected(peer, Duration::ZERO);
    }
    advertised(&mut scheduler, Duration::ZERO);
    scheduler.handle_roots(summaries(9), Duration::ZERO);
    assert_eq!(advertised(&mut scheduler, hold).first(), Some(&38));
    let second = advertised(&mut scheduler, hold * 10);
    assert!([39, 0, 1, 2].iter().all(|peer| second.contains(peer)), "{second:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn bounds_hold_and_nothing_leaks(steps in proptest::collection::vec(step(), 1..200)) {
        let mut driver = Driver::new(ScheduleConfig::default());
        steps.iter().for_each(|step| driver.take(step));
        driver.take(&Step::Limits(1_000_000));
        driver.drain();
        prop_assert_eq!(driver.scheduler.previews, 0);
        for peer in PEERS {
            driver.take(&Step::Member(peer, false));
        }
        prop_assert_eq!(driver.scheduler.running_sessions(), [0, 0]);
        prop_assert_eq!(driver.scheduler.dials_under_way(), [0, 0]);
        prop_assert!(driver.scheduler.postponed.is_empty());
        // Only the node's own timers remain.
        driver.wait(Duration::from_secs(600));
        prop_assert!(driver.opened.is_empty() && driver.accepted.is_empty());
    }

    #[test]
    fn every_peer_whose_roots_differ_is_served(
        steps in proptest::collection::vec(step(), 1..100),
        root in 100_u8..200,
    ) {
        let mut driver = Driver::connected(ScheduleConfig::default());
        steps.iter().for_each(|step| driver.take(step));
        driver.take(&Step::Limits(1_000_000));
        PEERS.iter().for_each(|peer| driver.take(&Step::Member(*peer, true)));
        driver.drain();
        driver.wait(Duration::from_secs(60));
        driver.drain();
        // A session that is already running and ends with equal roots would make an advert
        // unnecessary.
        while let Some(peer) = driver.opened.keys().next().copied() {
            driver.take(&Step::Ends(peer, true, 12));
        }
        driver.served.clear();
        // Each peer has a different root, so that no session makes another one unnecessary.
        for (n, peer) in PEERS.into_iter().enumerate() {
            driver.take(&Step::Advert(peer, root + n as u8 * 8 + 3));
        }
        for _ in 0..10_000 {
            driver.wait(MILLISECOND * 20);
            for (peer, _) in driver.opened.clone() {
                driver.take(&Step::Ends(peer, true, 12));
            }
        }
        prop_assert_eq!(driver.served.len(), PEERS.len(), "{:?}", driver.served);
    }
}

#[test]
fn one_session_fetches_a_root_many_advertise() {
    let mut driver = Driver::connected(ScheduleConfig::default());
    PEERS.iter().for_each(|peer| driver.take(&Step::Advert(*peer, 9)));
    driver.wait(MILLISECOND * 200);
    assert_eq!(driver.opened.len(), 1);
    // The session ends with that root, so nothing is left to fetch.
    let (peer, session) = driver.opened.pop_first().unwrap();
    driver.root = 9;
    driver.scheduler.handle_roots(summaries(9), driver.now);
    driver.end(peer, session, 12);
    driver.act();
    driver.wait(MILLISECOND * 200);
    assert!(driver.opened.is_empty());
    assert_eq!(driver.scheduler.stats().triggers_saved, PEERS.len() as u64 - 1);
}

#[test]
fn a_session_suspects_spaces_that_differ() {
    let mut driver = Driver::connected(ScheduleConfig::default());
    let suspects = |driver: &mut Driver, root| {
        driver.scheduler.handle_advert(0, &driver::advert(root), driver.now);
        driver.scheduler.request(0, driver.now).unwrap();
        let Some(Action::Open { session, terms, .. }) = driver.scheduler.poll_action() else {
            panic!("no session was opened")
        };
        driver.end(0, session, 12);
        terms.suspects.len()
    };
    assert_eq!(suspects(&mut driver, 9), 1);
    assert_eq!(suspects(&mut driver, 0), 0, "an equal root needs no version summary");
}

#[test]
fn the_larger_id_lets_the_smaller_open_first() {
    let config = ScheduleConfig::default();
    let jitter = config.trigger_jitter;
    let mut driver = Driver::connected(config);
    driver.take(&Step::Advert(4, 8));
    driver.take(&Step::Advert(2, 9));
    driver.wait(jitter);
    assert_eq!(driver.opened.keys().copied().collect::<Vec<_>>(), [4]);
    driver.wait(jitter);
    assert_eq!(driver.opened.len(), 2);
}

#[test]
fn crossing_sessions_keep_smaller_id() {
    let mut driver = Driver::connected(ScheduleConfig::default());
    driver.take(&Step::Request(2));
    driver.take(&Step::Request(4));
    assert_eq!(driver.scheduler.handle_incoming(4, driver.now), Err(Refusal::Crossed));
    driver.take(&Step::Incoming(2));
    assert!(driver.accepted.contains_key(&2), "the peer refuses this node's session instead");
}

#[test]
fn a_session_waits_for_a_permit_or_is_refused() {
    let config = ScheduleConfig { inbound_sessions: 1, ..ScheduleConfig::default() };
    let mut driver = Driver::connected(config);
    driver.take(&Step::Incoming(0));
    driver.take(&Step::Incoming(1));
    assert!(driver.accepted.contains_key(&0) && driver.waiting[&1] == 1);
    driver.wait(PERMIT_TIMEOUT - MILLISECOND);
    assert_eq!(driver.waiting[&1], 1);
    driver.wait(MILLISECOND);
    assert_eq!((driver.waiting[&1], driver.accepted.len()), (0, 1));
}

#[test]
fn previews_are_bounded_and_leave_turns() {
    let config = ScheduleConfig { outbound_sessions: PEERS.len(), ..ScheduleConfig::default() };
    let mut driver = Driver::connected(config);
    let previews = |driver: &mut Driver, peer| {
        (0..10).filter(|_| driver.scheduler.request_preview(peer, driver.now).is_ok()).count()
    };
    let taken: Vec<_> = PEERS.iter().map(|peer| previews(&mut driver, *peer)).collect();
    assert!(taken.iter().all(|taken| *taken <= MAX_PEER_PREVIEWS));
    assert_eq!(taken.iter().sum::<usize>(), MAX_PREVIEWS);
    driver.act();
    // A session that syncs is opened before the second preview with the same peer.
    let peer = *driver.opened.keys().next().unwrap();
    driver.take(&Step::Request(peer));
    driver.take(&Step::Ends(peer, true, 12));
    let is_sync = |opened: peer::Opened| opened.purpose != peer::Purpose::Preview;
    assert!(driver.scheduler.peers[&peer].opened.is_some_and(is_sync));
    driver.drain();
    assert_eq!(driver.scheduler.previews, 0);
}

#[test]
fn stall_and_its_end_are_reported_once() {
    let mut driver = Driver::connected(ScheduleConfig::default());
    let mut notices = Vec::new();
    let mut session = |driver: &mut Driver, how| {
        driver.scheduler.request(0, driver.now).unwrap();
        while let Some(action) = driver.scheduler.poll_action() {
            if let Action::Open { session, .. } = action {
                driver.end(0, session, how);
            }
        }
        notices.extend(core::iter::from_fn(|| driver.scheduler.poll_notice()));
    };
    (0..12).for_each(|_| session(&mut driver, 13));
    session(&mut driver, 12);
    let stalled = Notice::Stalled { peer: 0, sessions: limits::STALLED_AFTER };
    assert_eq!(notices, [stalled, Notice::Recovered { peer: 0, sessions: 12 }]);
}
