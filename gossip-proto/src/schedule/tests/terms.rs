//! The terms of sessions, and the pauses before the next session or preview.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::limits::{
    CLAIM_TIMEOUT, CLOCK_CHECK, COVER_TIMEOUT, DATAGRAMS, LEAST_RATE, LEAST_RECEIVED, MAX_SUSPECTS,
    PREVIEW_PAUSE, REFUSED_PAUSE,
};
use super::super::*;
use super::driver::{Driver, Step, outcome};
use super::{MILLISECOND, without_timer};
use crate::{Ending, KEY_LEN, RootAdvert, SessionConfig, SpaceId, Summary, VersionRange};

#[test]
fn session_may_always_receive_one_frame() {
    let terms = Terms { receives: 0, sends: 0, ..Terms::UNLIMITED };
    let config = terms.apply(SessionConfig::default());
    assert_eq!((config.receive_budget, config.send_budget), (LEAST_RECEIVED, 0));
}

#[test]
fn a_session_suspects_a_few_of_many_spaces() {
    let spaces = |root: u8| {
        let summary = Summary { root: [root; 32], count: 1, generation: 1 };
        let name = |n: usize| SpaceId::new(format!("space-{n:03}")).unwrap();
        (0..MAX_SUSPECTS * 2).map(|n| (name(n), summary)).collect::<Vec<_>>()
    };
    let mut driver = Driver::connected(ScheduleConfig::default());
    driver.scheduler.handle_roots(spaces(1), driver.now);
    let advert = RootAdvert::decode(&RootAdvert::encode(&spaces(2), 10_000)).unwrap();
    driver.scheduler.handle_advert(0, &advert, driver.now);
    assert_eq!(driver.scheduler.terms(0, driver.now).suspects.len(), MAX_SUSPECTS);
}

#[test]
fn datagrams_beyond_the_burst_are_dropped() {
    let mut driver = Driver::connected(ScheduleConfig::default());
    let mut admitted = |at| (0..1_000).filter(|_| driver.scheduler.admits_datagram(0, at)).count();
    assert_eq!(admitted(driver.now) as u64, DATAGRAMS.burst);
    let second = Duration::from_secs(1);
    assert_eq!(admitted(driver.now + second) as u64, DATAGRAMS.per_second);
}

#[test]
fn refused_session_reopens_after_the_pause() {
    let mut driver = Driver::connected(ScheduleConfig::default());
    driver.take(&Step::Advert(4, 8));
    driver.wait(MILLISECOND * 100);
    let (peer, _) = driver.opened.first_key_value().expect("the advert opens a session");
    assert_eq!(*peer, 4);
    driver.take(&Step::Ends(4, true, 8));
    driver.wait(REFUSED_PAUSE - MILLISECOND);
    assert!(driver.opened.is_empty());
    driver.wait(MILLISECOND);
    assert_eq!(driver.opened.len(), 1);
}

/// The peer claims again and again that its own session takes precedence.
#[test]
fn displaced_sessions_become_rarer() {
    for trigger in [Step::Advert(0, 9), Step::Request(0)] {
        let mut driver = Driver::connected(ScheduleConfig::default());
        driver.take(&trigger);
        for _ in 0..6_000 {
            driver.wait(MILLISECOND * 10);
            driver.take(&Step::Ends(0, true, 0));
        }
        assert!(driver.served[&0] <= 15, "{} sessions in a minute", driver.served[&0]);
    }
}

/// A session waits for a claim that another session holds, but no longer than the claim lasts.
#[test]
fn a_session_waits_as_long_as_a_claim() {
    let space = SpaceId::new("space").unwrap();
    let range = VersionRange { node: [1; 8], above: 0, upper: 1 };
    type Claim<'a> = &'a dyn Fn(&mut Scheduler<u8>, SessionId, Duration) -> bool;
    let claims: [Claim<'_>; 2] = [
        &|scheduler, session, now| scheduler.claim(session, &space, &[1; KEY_LEN], now),
        &|scheduler, session, now| scheduler.claim_range(session, &space, &range, now),
    ];
    for claim in claims {
        let mut driver = Driver::connected(ScheduleConfig::default());
        driver.take(&Step::Request(0));
        assert!(claim(&mut driver.scheduler, driver.opened[&0], driver.now));
        driver.take(&Step::Request(1));
        let session = driver.opened.remove(&1).unwrap();
        assert!(!claim(&mut driver.scheduler, session, driver.now));
        let mut outcome = outcome(Ending::Synced, 0, 0, 9);
        outcome.stats.left_to_others = 1;
        let (end, used) = (SessionEnd::Outcome(&outcome), Used::default());
        driver.scheduler.handle_session_ended(1, session, end, used, driver.now);
        driver.act();
        driver.wait(CLAIM_TIMEOUT - MILLISECOND);
        assert!(!driver.opened.contains_key(&1), "the other session holds the claim");
        driver.wait(MILLISECOND);
        assert!(driver.opened.contains_key(&1), "the claim has lapsed");
    }
}

#[test]
fn another_session_overtakes_a_silent_one() {
    let mut driver = Driver::connected(ScheduleConfig::default());
    [0, 1].iter().for_each(|peer| driver.take(&Step::Advert(*peer, 9)));
    driver.wait(COVER_TIMEOUT);
    assert_eq!(driver.opened.len(), 1);
    driver.wait(MILLISECOND * 100);
    assert_eq!(driver.opened.len(), 2);
}

/// A peer advertises the root of another one, lists the records of the other, and then sends one of
/// them per second.
#[test]
fn another_session_overtakes_a_dripping_one() {
    let mut driver = Driver::connected(without_timer());
    let space = SpaceId::new("space").unwrap();
    let key = |n: u8| [n; KEY_LEN];
    [0, 1].iter().for_each(|peer| driver.take(&Step::Advert(*peer, 9)));
    driver.wait(MILLISECOND * 100);
    let (dripper, dripping) = driver.opened.first_key_value().map(|(p, s)| (*p, *s)).unwrap();
    let other = 1 - dripper;
    assert!((1..=200).all(|n| driver.scheduler.claim(dripping, &space, &key(n), driver.now)));
    let begun = driver.now;
    for n in 1..=100 {
        driver.wait(MILLISECOND * 1_000);
        let sent = Delivered { key: key(n), verdict: Verdict::Accepted };
        driver.scheduler.deliver(dripping, &space, &[sent], driver.now);
        let Some(session) = driver.opened.get(&other).copied() else { continue };
        if driver.scheduler.claim(session, &space, &key(200), driver.now) {
            break;
        }
        let mut outcome = outcome(Ending::Synced, 0, 0, 9);
        outcome.stats.left_to_others = 1;
        let (end, used) = (SessionEnd::Outcome(&outcome), Used::default());
        driver.opened.remove(&other);
        driver.scheduler.handle_session_ended(other, session, end, used, driver.now);
        driver.act();
    }
    let waited = driver.now - begun;
    assert!(waited <= MILLISECOND * 5_000, "the other session waited for {waited:?}");
}

/// A record that is refused in part counts both as applied and as rejected if the rest changed the
/// state.
#[test]
fn a_refused_part_is_no_stall() {
    let mut driver = Driver::connected(ScheduleConfig::default());
    for (rejected, stalled) in [(1, 0), (2, 1), (3, 2), (1, 0)] {
        driver.take(&Step::Request(0));
        let session = driver.opened.remove(&0).unwrap();
        let mut outcome = outcome(Ending::Synced, 1, 0, 9);
        outcome.stats.rejected = rejected;
        let (end, used) = (SessionEnd::Outcome(&outcome), Used::default());
        driver.scheduler.handle_session_ended(0, session, end, used, driver.now);
        assert_eq!(driver.scheduler.stalled_sessions(0), stalled);
        driver.act();
    }
}

/// The records may have been refused because they name the new member, which was not listed before.
#[test]
fn a_new_member_ends_the_memory_of_refusals() {
    let mut driver = Driver::connected(ScheduleConfig::default());
    let (space, key) = (SpaceId::new("space").unwrap(), [1; KEY_LEN]);
    driver.take(&Step::Request(0));
    let (session, now) = (driver.opened[&0], driver.now);
    let refused = Delivered { key, verdict: Verdict::Refused };
    driver.scheduler.deliver(session, &space, &[refused], now);
    driver.take(&Step::Member(1, true));
    assert!(driver.scheduler.has_refused(session, &space, &key, now));
    driver.take(&Step::Member(9, true));
    assert!(!driver.scheduler.has_refused(session, &space, &key, now));
}

#[test]
fn previews_of_a_peer_pause() {
    let mut driver = Driver::connected(ScheduleConfig::default());
    driver.take(&Step::Preview(0));
    driver.take(&Step::Preview(0));
    driver.take(&Step::Ends(0, true, 12));
    driver.wait(PREVIEW_PAUSE - MILLISECOND);
    assert!(driver.opened.is_empty());
    driver.wait(MILLISECOND);
    assert_eq!(driver.opened.len(), 1);
}

#[test]
fn long_debt_is_rechecked_after_quiet_hours() {
    let mut config = ScheduleConfig::default();
    config.limits.quiet_hours = Some(QuietHours::new(0, 2, LEAST_RATE));
    let mut driver = Driver::connected(config);
    driver.take(&Step::Advert(4, 8));
    driver.wait(MILLISECOND * 100);
    let session = driver.opened.remove(&4).expect("the advert opens a session");
    let used = Used { sent: LEAST_RATE * 3_600, ..Used::default() };
    let end = SessionEnd::Displaced;
    driver.scheduler.handle_session_ended(4, session, end, used, driver.now);
    driver.act();
    driver.wait(CLOCK_CHECK);
    assert!(driver.opened.is_empty(), "at the quiet rate, the debt lasts an hour");
    // In the third minute of the day, the quiet hours are over, and no debt is left.
    driver.wait(CLOCK_CHECK * 2);
    assert!(!driver.opened.is_empty());
}

/// Once the limits are raised, the debt of a small quota is paid back at the new rate.
#[test]
fn raised_limits_wake_delayed_sessions() {
    let mut driver = Driver::connected(ScheduleConfig::default());
    driver.take(&Step::Limits(1));
    driver.take(&Step::Request(0));
    let session = driver.opened.remove(&0).unwrap();
    let mut used = Used::default();
    used.stats.records_in = 3_600;
    driver.scheduler.handle_session_ended(0, session, SessionEnd::Failed, used, driver.now);
    driver.take(&Step::Request(0));
    assert!(driver.opened.is_empty());
    driver.take(&Step::Limits(1_000_000));
    driver.wait(MILLISECOND * 10);
    assert!(driver.opened.contains_key(&0));
}

/// The clock is set into the quiet hours, to a time after them, into those of the next day, and
/// back.
#[test]
fn quiet_hours_follow_the_wall_clock() {
    let mut config = ScheduleConfig::default();
    config.limits.quiet_hours = Some(QuietHours::new(60, 120, LEAST_RATE));
    let mut driver = Driver::connected(config);
    for (hour, is_quiet) in [(0, false), (1, true), (2, false), (25, true), (0, false)] {
        let time = Duration::from_secs(hour * 3_600);
        driver.scheduler.set_wall_clock(time, driver.now);
        driver.take(&Step::Request(0));
        let session = driver.opened.remove(&0).unwrap();
        let sends = driver.scheduler.terms(0, driver.now).sends;
        assert_eq!(sends == LEAST_RATE * limits::SEND_BURST, is_quiet, "{hour}: {sends}");
        let (end, used) = (SessionEnd::Failed, Used::default());
        driver.scheduler.handle_session_ended(0, session, end, used, driver.now);
        driver.act();
    }
}

#[test]
fn an_error_names_the_rate_that_is_too_low() {
    let low = LEAST_RATE - 1;
    let limits = ScheduleConfig::default().limits;
    let always = RateLimits { send_rate: Some(low), ..limits };
    let quiet = RateLimits { quiet_hours: Some(QuietHours::new(0, 2, low)), ..limits };
    let names = [always, quiet].map(|limits| limits.check().unwrap_err().field);
    assert_eq!(names, ["send_rate", "quiet_hours.send_rate"]);
}

#[test]
fn any_wall_clock_is_accepted() {
    let mut config = ScheduleConfig::default();
    config.limits.quiet_hours = Some(QuietHours::new(60, 120, LEAST_RATE));
    let mut driver = Driver::connected(config);
    for time in [Duration::MAX, Duration::ZERO] {
        driver.scheduler.set_wall_clock(time, driver.now);
        driver.wait(MILLISECOND * 1_000);
        driver.take(&Step::Request(0));
        assert!(driver.opened.contains_key(&0));
        driver.take(&Step::Ends(0, true, 12));
    }
}

#[test]
fn a_round_skips_members_that_are_down() {
    let mut scheduler = Scheduler::new(3_u8, ScheduleConfig::default(), 7, Duration::ZERO).unwrap();
    for peer in [0, 1, 2] {
        scheduler.set_member(peer, Reach::Dialable, Duration::ZERO);
    }
    scheduler.set_down(0);
    scheduler.set_down(1);
    scheduler.handle_connected(1, Duration::ZERO);
    let mut chosen = scheduler.choose_round();
    chosen.sort_unstable();
    assert_eq!(chosen, [1, 2], "a connected member is not skipped");
}
