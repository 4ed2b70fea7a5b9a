//! The terms of sessions, and the pauses before the next session or preview.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::limits::{
    CLOCK_CHECK, DATAGRAMS, LEAST_RATE, LEAST_RECEIVED, MAX_SUSPECTS, PREVIEW_PAUSE, REFUSED_PAUSE,
};
use super::super::*;
use super::MILLISECOND;
use super::driver::{Driver, Step};
use crate::{RootAdvert, SessionConfig, SpaceId, Summary};

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
    let (peer, _) = driver.opened.first_key_value().expect("the advert differs");
    assert_eq!(*peer, 4);
    driver.take(&Step::Ends(4, true, 8));
    driver.wait(REFUSED_PAUSE - MILLISECOND);
    assert!(driver.opened.is_empty());
    driver.wait(MILLISECOND);
    assert_eq!(driver.opened.len(), 1);
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
    let session = driver.opened.remove(&4).expect("the advert differs");
    let used = Used { sent: LEAST_RATE * 3_600, ..Used::default() };
    let end = SessionEnd::Displaced;
    driver.scheduler.handle_session_ended(4, session, end, used, driver.now);
    driver.act();
    driver.wait(CLOCK_CHECK);
    assert!(driver.opened.is_empty(), "the bytes of an hour are owed");
    // In the third minute of the day, the quiet hours are over, and nothing is owed any more.
    driver.wait(CLOCK_CHECK * 2);
    assert!(!driver.opened.is_empty());
}
