//! Whatever happens in whatever order: the bounds hold, nothing leaks, no peer is forgotten.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;

use super::limits::{MAX_DIALS, MAX_PEER_PREVIEWS, MAX_PREVIEWS, PERMIT_TIMEOUT};
use super::*;
use crate::{Ending, Outcome, RootAdvert, SpaceId, SpaceOutcome, Stats, Summary};

const US: u8 = 3;
const PEERS: [u8; 6] = [0, 1, 2, 4, 5, 6];
const MILLISECOND: Duration = Duration::from_millis(1);

/// A driver that carries every action out, and lets chance decide its result.
struct Driver {
    scheduler: Scheduler<u8>,
    now: Duration,
    opened: BTreeMap<u8, SessionId>,
    accepted: BTreeMap<u8, SessionId>,
    dialled: BTreeMap<u8, Duration>,
    /// Sessions of peers that wait.
    waiting: BTreeMap<u8, usize>,
    /// How often a session was opened with each peer.
    served: BTreeMap<u8, u32>,
    root: u8,
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Write,
    Advert(u8, u8),
    DialEnds(u8, bool),
    Disconnected(u8, u8),
    Incoming(u8),
    Ends(u8, bool, u8),
    Request(u8),
    Preview(u8),
    Member(u8, bool),
    Down(u8, bool),
    Limits(u64),
}

fn summaries(root: u8) -> Vec<(SpaceId, Summary)> {
    let summary = Summary { root: [root; 32], count: u64::from(root), generation: 1 };
    Vec::from([(SpaceId::new("space").unwrap(), summary)])
}

fn advert(root: u8) -> RootAdvert {
    RootAdvert::decode(&RootAdvert::encode(&summaries(root), 1000)).unwrap()
}

fn outcome(result: Ending, applied: u64, ours: u8, theirs: u8) -> Outcome {
    let space = SpaceOutcome {
        space: SpaceId::new("space").unwrap(),
        ours: [ours; 32],
        theirs: Some([theirs; 32]),
        differed: true,
    };
    let stats = Stats { applied, records_in: applied, ..Stats::default() };
    Outcome { result, stats, spaces: Arc::from([space]), cursor: None, postponed: false }
}

impl Driver {
    fn new(config: ScheduleConfig) -> Self {
        let mut scheduler = Scheduler::new(US, config, 7, Duration::ZERO).unwrap();
        scheduler.handle_roots(summaries(0), Duration::ZERO);
        for peer in PEERS {
            scheduler.set_member(peer, Reach::Dialable, Duration::ZERO);
        }
        Self {
            scheduler,
            now: Duration::ZERO,
            opened: BTreeMap::new(),
            accepted: BTreeMap::new(),
            dialled: BTreeMap::new(),
            waiting: BTreeMap::new(),
            served: BTreeMap::new(),
            root: 0,
        }
    }

    fn connected(config: ScheduleConfig) -> Self {
        let mut driver = Self::new(config);
        PEERS.iter().for_each(|peer| driver.scheduler.handle_connected(*peer, driver.now));
        driver.act();
        driver
    }

    fn act(&mut self) {
        while let Some(action) = self.scheduler.poll_action() {
            match action {
                Action::Dial { peer, timeout } => {
                    self.dialled.insert(peer, self.now + timeout);
                }
                Action::Open { peer, session, .. } | Action::Preview { peer, session, .. } => {
                    *self.served.entry(peer).or_default() += 1;
                    assert_eq!(self.opened.insert(peer, session), None, "one session at a time");
                }
                Action::Accept { peer, session, .. } => {
                    *self.waiting.get_mut(&peer).unwrap() -= 1;
                    assert_eq!(self.accepted.insert(peer, session), None, "one at a time");
                }
                Action::Refuse { peer, .. } => *self.waiting.get_mut(&peer).unwrap() -= 1,
                Action::Advertise { .. } => {}
            }
        }
        while self.scheduler.poll_notice().is_some() {}
        let [opened, accepted] = self.scheduler.running_sessions();
        assert_eq!((opened, accepted), (self.opened.len(), self.accepted.len()));
        assert!(opened <= self.scheduler.config.outbound_sessions);
        assert!(accepted <= self.scheduler.config.inbound_sessions);
        assert!(self.scheduler.dials_under_way()[0] <= MAX_DIALS);
        assert!(self.waiting.values().all(|waiting| *waiting <= 1));
    }

    fn take(&mut self, step: &Step) {
        let now = self.now;
        match *step {
            Step::Wait(millis) => self.wait(MILLISECOND * u32::try_from(millis).unwrap()),
            Step::Write => {
                self.root = self.root.wrapping_add(1);
                self.scheduler.handle_roots(summaries(self.root), now);
            }
            Step::Advert(peer, root) => self.scheduler.handle_advert(peer, &advert(root), now),
            Step::DialEnds(peer, succeeds) => {
                if self.dialled.remove(&peer).is_some() {
                    self.end_dial(peer, succeeds);
                }
            }
            Step::Disconnected(peer, how) => {
                self.end_sessions(peer, now);
                let how =
                    [Disconnect::Lost, Disconnect::Gone, Disconnect::Rejected][how as usize % 3];
                self.scheduler.handle_disconnected(peer, how, now);
            }
            Step::Incoming(peer) => {
                if self.scheduler.handle_incoming(peer, now).is_ok() {
                    *self.waiting.entry(peer).or_default() += 1;
                }
            }
            Step::Ends(peer, opened, how) => {
                let running = if opened { &mut self.opened } else { &mut self.accepted };
                if let Some(session) = running.remove(&peer) {
                    self.end(peer, session, how);
                }
            }
            Step::Request(peer) => _ = self.scheduler.request(peer, now),
            Step::Preview(peer) => _ = self.scheduler.request_preview(peer, now),
            Step::Member(peer, stays) => match stays {
                true => self.scheduler.set_member(peer, Reach::Dialable, now),
                false => {
                    for sessions in [&mut self.opened, &mut self.accepted] {
                        sessions.remove(&peer);
                    }
                    self.waiting.remove(&peer);
                    self.dialled.remove(&peer);
                    self.scheduler.remove_member(peer, now);
                }
            },
            Step::Down(peer, true) => self.scheduler.set_down(peer),
            Step::Down(peer, false) => self.scheduler.set_alive(peer, now),
            Step::Limits(per_second) => {
                let mut limits = RateLimits::default();
                limits.peer.records = Rate { per_second, burst: per_second };
                self.scheduler.set_limits(limits, now).unwrap();
            }
        }
        self.act();
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.scheduler.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.scheduler.handle_timeout(self.now);
            let next = self.scheduler.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "no time-out is due twice");
            self.act();
        }
        self.now = until;
    }

    fn end_dial(&mut self, peer: u8, succeeds: bool) {
        if succeeds {
            self.scheduler.handle_dialled(peer, self.now);
            self.scheduler.handle_connected(peer, self.now);
        } else {
            self.scheduler.handle_dial_failed(peer, DialFailure::Silent, self.now);
        }
    }

    fn end_sessions(&mut self, peer: u8, now: Duration) {
        if self.waiting.insert(peer, 0).is_some_and(|waiting| waiting > 0) {
            self.scheduler.handle_incoming_gone(peer, now);
        }
        let running = [self.opened.remove(&peer), self.accepted.remove(&peer)];
        for session in running.into_iter().flatten() {
            let end = SessionEnd::Failed;
            self.scheduler.handle_session_ended(peer, session, end, Used::default(), now);
        }
    }

    fn end(&mut self, peer: u8, session: SessionId, how: u8) {
        let outcome = match how % 4 {
            0 => outcome(Ending::InSync, 1, self.root, self.root),
            1 => outcome(Ending::Synced, 0, self.root, how),
            2 => outcome(Ending::BudgetSpent, 5, self.root, how),
            _ => outcome(Ending::NothingShared, 0, self.root, how),
        };
        let end = match how / 4 % 4 {
            0 => SessionEnd::Displaced,
            1 => SessionEnd::Failed,
            2 => SessionEnd::OverQuota,
            _ => SessionEnd::Outcome(&outcome),
        };
        let used = Used { stats: outcome.stats, sent: 100, received: 200 };
        self.scheduler.handle_session_ended(peer, session, end, used, self.now);
    }

    /// Ends all that runs, until nothing is left.
    fn drain(&mut self) {
        for _ in 0..1_000 {
            let (opened, accepted) = (self.opened.clone(), self.accepted.clone());
            for (peer, _) in opened {
                self.take(&Step::Ends(peer, true, 12));
            }
            for (peer, _) in accepted {
                self.take(&Step::Ends(peer, false, 12));
            }
            for peer in core::mem::take(&mut self.dialled).into_keys() {
                self.end_dial(peer, true);
                self.act();
            }
            self.wait(MILLISECOND * 100);
        }
    }
}

fn peer() -> impl Strategy<Value = u8> {
    proptest::sample::select(&PEERS[..])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u64..3_000).prop_map(Step::Wait),
        2 => Just(Step::Write),
        4 => (peer(), any::<u8>()).prop_map(|(p, root)| Step::Advert(p, root)),
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
        // What remains are the node's own timers.
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
        // A session that began before and ends equal would answer the advert.
        while let Some(peer) = driver.opened.keys().next().copied() {
            driver.take(&Step::Ends(peer, true, 12));
        }
        driver.served.clear();
        // Each tells another root, so that no session makes another one needless.
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
fn one_session_fetches_a_root_that_many_tell() {
    let mut driver = Driver::connected(ScheduleConfig::default());
    PEERS.iter().for_each(|peer| driver.take(&Step::Advert(*peer, 9)));
    driver.wait(MILLISECOND * 200);
    assert_eq!(driver.opened.len(), 1);
    // It brings the root: nothing is left to fetch.
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
fn of_crossing_sessions_the_smaller_id_goes_on() {
    let mut driver = Driver::connected(ScheduleConfig::default());
    driver.take(&Step::Request(2));
    driver.take(&Step::Request(4));
    assert_eq!(driver.scheduler.handle_incoming(4, driver.now), Err(Refusal::Crossed));
    driver.take(&Step::Incoming(2));
    assert!(driver.accepted.contains_key(&2), "its own session is given up by the peer");
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
    // A session that syncs goes before the second preview of the same peer.
    let peer = *driver.opened.keys().next().unwrap();
    driver.take(&Step::Request(peer));
    driver.take(&Step::Ends(peer, true, 12));
    let is_sync = |opened: peer::Opened| opened.purpose != peer::Purpose::Preview;
    assert!(driver.scheduler.peers[&peer].opened.is_some_and(is_sync));
    driver.drain();
    assert_eq!(driver.scheduler.previews, 0);
}

#[test]
fn a_stall_is_told_once_and_so_is_its_end() {
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
