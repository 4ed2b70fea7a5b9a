//! Sequences of events across features: spaces, previews, permits, refusals and members.

use alloc::vec::Vec;
use core::time::Duration;

use super::super::limits::{FREE_FLAPS, SESSION_GAP, SHORT_CONNECTION, STALLED_AFTER};
use super::super::*;
use super::driver::{Driver, Step, outcome, summaries};
use super::{MILLISECOND, without_timer};
use crate::{Ending, Outcome, RootAdvert, SpaceId, Summary};

const SECOND: Duration = Duration::from_secs(1);

/// The space of [`summaries`], and another one with the root `other`.
fn with_other(root: u8, other: u8) -> Vec<(SpaceId, Summary)> {
    let summary = Summary { root: [other; 32], count: u64::from(other), generation: 1 };
    let mut spaces = Vec::from([(SpaceId::new("other").unwrap(), summary)]);
    spaces.extend(summaries(root));
    spaces
}

fn end(driver: &mut Driver, peer: u8, session: SessionId, outcome: &Outcome) {
    let (end, used) = (SessionEnd::Outcome(outcome), Used::default());
    driver.scheduler.handle_session_ended(peer, session, end, used, driver.now);
}

fn differs(driver: &Driver, peer: u8) -> bool {
    !matches!(
        driver.scheduler.agreement(peer),
        Some(Agreement::InStep | Agreement::Unknown | Agreement::NoCommonSpace)
    )
}

/// The end of a session says nothing about a space that was added after the session began.
#[test]
fn session_says_nothing_of_a_space_added_later() {
    for result in [Ending::InSync, Ending::NothingShared] {
        let mut driver = Driver::connected(ScheduleConfig::default());
        driver.take(&Step::Request(0));
        let session = driver.opened.remove(&0).unwrap();
        driver.scheduler.handle_roots(with_other(0, 1), driver.now);
        let mut ended = outcome(result, 0, 0, 0);
        if ended.result == Ending::NothingShared {
            ended.spaces = [].into();
        }
        end(&mut driver, 0, session, &ended);
        driver.act();
        assert_eq!(driver.scheduler.agreement(0), Some(Agreement::Unknown), "{:?}", ended.result);
        // An advert during the session reveals the difference, which then remains a trigger.
        let mut driver = Driver::connected(ScheduleConfig::default());
        driver.take(&Step::Request(0));
        let session = driver.opened.remove(&0).unwrap();
        driver.scheduler.handle_roots(with_other(0, 1), driver.now);
        let advert = RootAdvert::decode(&RootAdvert::encode(&with_other(0, 9), 1000)).unwrap();
        driver.scheduler.handle_advert(0, &advert, driver.now);
        end(&mut driver, 0, session, &ended);
        driver.act();
        assert!(differs(&driver, 0), "{:?}", driver.scheduler.agreement(0));
        driver.wait(SECOND);
        assert!(driver.opened.contains_key(&0), "a session fetches the new space");
    }
}

/// A preview uses the views of its caller, which need not cover all spaces.
#[test]
fn preview_of_one_space_says_nothing_of_others() {
    for result in [Ending::InSync, Ending::NothingShared] {
        let mut driver = Driver::connected(ScheduleConfig::default());
        driver.scheduler.handle_roots(with_other(0, 1), driver.now);
        let advert = RootAdvert::decode(&RootAdvert::encode(&with_other(0, 9), 1000)).unwrap();
        driver.take(&Step::Preview(0));
        driver.scheduler.handle_advert(0, &advert, driver.now);
        let session = driver.opened.remove(&0).unwrap();
        let mut ended = outcome(result, 0, 0, 0);
        if ended.result == Ending::NothingShared {
            ended.spaces = [].into();
        }
        end(&mut driver, 0, session, &ended);
        driver.act();
        assert!(differs(&driver, 0), "{:?}", driver.scheduler.agreement(0));
        driver.wait(SECOND);
        assert!(driver.opened.contains_key(&0), "the preview does not replace a session");
    }
}

/// A session that began before a member was removed and added again does not count afterwards.
#[test]
fn session_of_a_removed_member_says_nothing() {
    let mut driver = Driver::connected(ScheduleConfig::default());
    driver.take(&Step::Request(0));
    let session = driver.opened[&0];
    driver.take(&Step::Member(0, false));
    driver.take(&Step::Member(0, true));
    end(&mut driver, 0, session, &outcome(Ending::InSync, 0, 0, 0));
    driver.act();
    assert_eq!(driver.scheduler.agreement(0), Some(Agreement::Unknown));
}

/// A peer that never announced its root of the changed space is not known to have the change.
#[test]
fn change_of_an_added_space_is_announced() {
    let mut driver = Driver::connected(ScheduleConfig::default());
    for peer in super::PEERS {
        driver.scheduler.handle_advert(peer, &super::driver::advert(0), driver.now);
        assert_eq!(driver.scheduler.agreement(peer), Some(Agreement::InStep));
    }
    driver.scheduler.handle_roots(with_other(0, 1), driver.now);
    let waves = super::advertised(&mut driver.scheduler, driver.now + MILLISECOND * 100);
    assert!(waves.len() >= 4, "{waves:?}");
}

/// Two peers with the same root take turns, and each session makes progress. A third peer waits.
#[test]
fn postponed_sessions_overtake_no_queue() {
    let config = ScheduleConfig { outbound_sessions: 1, ..ScheduleConfig::default() };
    let mut driver = Driver::connected(config);
    driver.take(&Step::Advert(0, 9));
    driver.wait(MILLISECOND * 100);
    driver.take(&Step::Advert(1, 9));
    driver.take(&Step::Advert(2, 8));
    for _ in 0..20 {
        driver.wait(MILLISECOND * 300);
        let (peer, session) = driver.opened.pop_first().unwrap();
        if peer == 2 {
            return;
        }
        end(&mut driver, peer, session, &outcome(Ending::Synced, 1, 0, 9));
        driver.act();
        driver.take(&Step::Advert(peer, 9));
    }
    panic!("the queued session never began");
}

#[test]
fn displaced_previews_become_rarer() {
    let mut driver = Driver::connected(without_timer());
    driver.take(&Step::Preview(0));
    for _ in 0..6_000 {
        driver.wait(MILLISECOND * 10);
        driver.take(&Step::Ends(0, true, 0));
    }
    assert!(driver.served[&0] <= 15, "{} previews in a minute", driver.served[&0]);
}

#[test]
fn sessions_over_quota_become_rarer() {
    for how in [8, 9, 10] {
        let mut driver = Driver::connected(without_timer());
        driver.take(&Step::Advert(0, 9));
        if how == 10 {
            // The refused session continues an earlier one.
            driver.wait(MILLISECOND * 200);
            driver.take(&Step::Ends(0, true, 14));
        }
        for _ in 0..60_000 {
            driver.wait(MILLISECOND * 10);
            driver.take(&Step::Ends(0, true, how));
        }
        assert!(driver.served[&0] <= 40, "{how}: {} sessions in ten minutes", driver.served[&0]);
    }
}

/// The peer lists only records that other sessions are fetching.
#[test]
fn sessions_left_to_others_become_rarer() {
    let mut driver = Driver::connected(without_timer());
    driver.take(&Step::Request(0));
    let mut left = outcome(Ending::Synced, 0, 0, 9);
    left.stats.left_to_others = 1;
    let mut sessions = 0;
    for _ in 0..60_000 {
        driver.wait(MILLISECOND * 10);
        if let Some(session) = driver.opened.remove(&0) {
            sessions += 1;
            end(&mut driver, 0, session, &left);
            driver.act();
        }
    }
    assert!(sessions <= 40, "{sessions} sessions in ten minutes");
}

/// The address of a member is removed while the host waits for sessions with it.
#[test]
fn request_ends_with_the_address() {
    for address_goes_first in [true, false] {
        let mut driver = Driver::new(ScheduleConfig::default());
        driver.take(&Step::Preview(0));
        driver.take(&Step::Request(0));
        let now = driver.now;
        if address_goes_first {
            driver.scheduler.set_member(0, Reach::DialsUs, now);
        }
        driver.scheduler.redial(0, now);
        if !address_goes_first {
            driver.scheduler.set_member(0, Reach::DialsUs, now);
        }
        driver.act();
        assert_eq!(driver.scheduler.previews, 0);
        assert!(!driver.scheduler.peers[&0].is_requested());
    }
}

/// The send rate is exhausted while a session of a peer waits for a permit.
#[test]
fn waiting_session_is_refused_if_in_debt() {
    let mut config = ScheduleConfig { inbound_sessions: 1, ..ScheduleConfig::default() };
    config.limits.send_rate = Some(limits::LEAST_RATE);
    let mut driver = Driver::connected(config);
    driver.take(&Step::Incoming(0));
    driver.take(&Step::Incoming(1));
    let session = driver.accepted.remove(&0).unwrap();
    let used = Used { sent: limits::LEAST_RATE * 3_600, ..Used::default() };
    driver.scheduler.handle_session_ended(0, session, SessionEnd::Failed, used, driver.now);
    driver.act();
    assert!(driver.accepted.is_empty() && driver.waiting[&1] == 0);
    assert_eq!(driver.scheduler.stats().sessions_over_quota[&Scarce::SendRate], 1);
}

fn stall(driver: &mut Driver) {
    for _ in 0..STALLED_AFTER {
        driver.take(&Step::Request(0));
        let session = driver.opened.remove(&0).unwrap();
        end(driver, 0, session, &outcome(Ending::Synced, 0, 0, 9));
    }
    let stalled = Notice::Stalled { peer: 0, sessions: STALLED_AFTER };
    assert_eq!(driver.scheduler.poll_notice(), Some(stalled));
    driver.act();
}

#[test]
fn records_left_to_others_end_no_stall() {
    let mut driver = Driver::connected(ScheduleConfig::default());
    stall(&mut driver);
    driver.take(&Step::Request(0));
    let session = driver.opened.remove(&0).unwrap();
    let mut left = outcome(Ending::Synced, 0, 0, 9);
    left.stats.left_to_others = 1;
    end(&mut driver, 0, session, &left);
    assert_eq!(driver.scheduler.poll_notice(), None);
    assert_eq!(driver.scheduler.stalled_sessions(0), STALLED_AFTER);
}

#[test]
fn a_session_of_the_peer_ends_a_stall() {
    let mut driver = Driver::connected(ScheduleConfig::default());
    stall(&mut driver);
    driver.take(&Step::Incoming(0));
    let session = driver.accepted.remove(&0).unwrap();
    end(&mut driver, 0, session, &outcome(Ending::InSync, 0, 0, 0));
    let recovered = Notice::Recovered { peer: 0, sessions: STALLED_AFTER };
    assert_eq!(driver.scheduler.poll_notice(), Some(recovered));
    assert_eq!(driver.scheduler.stalled_sessions(0), 0);
}

/// The pauses before the dials of a peer that ends each of `count` connections after `lasting`.
fn pauses(driver: &mut Driver, count: u32, lasting: Duration) -> Vec<Duration> {
    let mut pause = |_| {
        let begun = driver.now;
        while driver.dialled.remove(&0).is_none() {
            driver.take(&Step::Resolved(0, true));
            driver.wait(MILLISECOND * 10);
        }
        let pause = driver.now - begun;
        driver.end_dial(0, true);
        driver.act();
        driver.wait(lasting);
        driver.take(&Step::Disconnected(0, 0));
        pause
    };
    (0..count).map(&mut pause).collect()
}

#[test]
fn dials_of_a_flapping_peer_become_rarer() {
    let config = ScheduleConfig::default();
    let usual = config.dial_spread + MILLISECOND * 20;
    let mut driver = Driver::new(config);
    let short = pauses(&mut driver, 20, SHORT_CONNECTION - MILLISECOND);
    let free = FREE_FLAPS as usize;
    assert!(short[..=free].iter().all(|pause| *pause <= usual), "{short:?}");
    assert!(short[free + 1] >= SESSION_GAP && short[19] > SECOND * 51, "{short:?}");
    let long = pauses(&mut driver, 5, SHORT_CONNECTION);
    assert!(long[1..].iter().all(|pause| *pause <= usual), "{long:?}");
}

/// Removing and adding a member leaves no entries behind.
#[test]
fn repeated_evictions_leave_no_entries() {
    let config =
        ScheduleConfig { outbound_sessions: 1, inbound_sessions: 1, ..ScheduleConfig::default() };
    let mut driver = Driver::connected(config);
    driver.take(&Step::Request(1));
    driver.take(&Step::Incoming(2));
    for _ in 0..100 {
        driver.take(&Step::Member(0, false));
        driver.take(&Step::Member(0, true));
        driver.scheduler.handle_connected(0, driver.now);
        driver.take(&Step::Request(0));
        driver.take(&Step::Member(0, false));
        driver.take(&Step::Member(0, true));
        driver.scheduler.handle_connected(0, driver.now);
        driver.take(&Step::Incoming(0));
    }
    let permits = &driver.scheduler.permits;
    assert!(permits.outbound.len() <= 1 && permits.inbound.len() <= 1, "{permits:?}");
}
