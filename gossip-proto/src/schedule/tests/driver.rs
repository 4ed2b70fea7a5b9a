//! A test driver that replaces the network.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::limits::MAX_DIALS;
use super::super::*;
use super::{MILLISECOND, PEERS, US};
use crate::{Ending, Outcome, RootAdvert, SpaceId, SpaceOutcome, Stats, Summary};

/// A driver that notes lookups, dials and sessions; the steps decide their results.
pub(super) struct Driver {
    pub(super) scheduler: Scheduler<u8>,
    pub(super) now: Duration,
    pub(super) opened: BTreeMap<u8, SessionId>,
    pub(super) accepted: BTreeMap<u8, SessionId>,
    pub(super) resolving: BTreeSet<u8>,
    pub(super) dialled: BTreeMap<u8, Duration>,
    /// Number of waiting sessions of each peer.
    pub(super) waiting: BTreeMap<u8, usize>,
    /// Number of sessions opened with each peer.
    pub(super) served: BTreeMap<u8, u32>,
    pub(super) root: u8,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Wait(u64),
    Write,
    Advert(u8, u8),
    Resolved(u8, bool),
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

pub(super) fn summaries(root: u8) -> Vec<(SpaceId, Summary)> {
    let summary = Summary { root: [root; 32], count: u64::from(root), generation: 1 };
    Vec::from([(SpaceId::new("space").unwrap(), summary)])
}

pub(super) fn advert(root: u8) -> RootAdvert {
    RootAdvert::decode(&RootAdvert::encode(&summaries(root), 1000)).unwrap()
}

pub(super) fn outcome(result: Ending, applied: u64, ours: u8, theirs: u8) -> Outcome {
    let space = SpaceOutcome {
        space: SpaceId::new("space").unwrap(),
        ours: [ours; 32],
        theirs: Some([theirs; 32]),
        differed: true,
    };
    let stats = Stats { applied, records_in: applied, ..Stats::default() };
    Outcome {
        result,
        stats,
        spaces: Arc::from([space]),
        unhosted: Arc::from([]),
        cursor: None,
        postponed: false,
        unsendable: Arc::from([]),
    }
}

impl Driver {
    pub(super) fn new(config: ScheduleConfig) -> Self {
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
            resolving: BTreeSet::new(),
            dialled: BTreeMap::new(),
            waiting: BTreeMap::new(),
            served: BTreeMap::new(),
            root: 0,
        }
    }

    pub(super) fn connected(config: ScheduleConfig) -> Self {
        let mut driver = Self::new(config);
        PEERS.iter().for_each(|peer| driver.scheduler.handle_connected(*peer, driver.now));
        driver.act();
        driver
    }

    pub(super) fn act(&mut self) {
        while let Some(action) = self.scheduler.poll_action() {
            match action {
                Action::Resolve { peer } => _ = self.resolving.insert(peer),
                Action::Dial { peer, timeout } => {
                    self.dialled.insert(peer, self.now + timeout);
                }
                Action::Open { peer, session, .. } | Action::Preview { peer, session, .. } => {
                    *self.served.entry(peer).or_default() += 1;
                    assert_eq!(self.opened.insert(peer, session), None, "one session at a time");
                }
                Action::Accept { peer, session, .. } => {
                    *self.waiting.get_mut(&peer).unwrap() -= 1;
                    assert_eq!(self.accepted.insert(peer, session), None, "one session at a time");
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

    pub(super) fn take(&mut self, step: &Step) {
        let now = self.now;
        match *step {
            Step::Wait(millis) => self.wait(MILLISECOND * u32::try_from(millis).unwrap()),
            Step::Write => {
                self.root = self.root.wrapping_add(1);
                self.scheduler.handle_roots(summaries(self.root), now);
            }
            Step::Advert(peer, root) => self.scheduler.handle_advert(peer, &advert(root), now),
            Step::Resolved(peer, succeeds) => {
                if self.resolving.remove(&peer) {
                    self.end_lookup(peer, succeeds);
                }
            }
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
                    self.resolving.remove(&peer);
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

    pub(super) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.scheduler.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.scheduler.handle_timeout(self.now);
            let next = self.scheduler.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "no timeout is due twice");
            self.act();
        }
        self.now = until;
    }

    fn end_lookup(&mut self, peer: u8, succeeds: bool) {
        match succeeds {
            true => self.scheduler.handle_resolved(peer, self.now),
            false => {
                self.scheduler.handle_dial_failed(peer, DialFailure::Silent, self.now);
            }
        }
    }

    pub(super) fn end_dial(&mut self, peer: u8, succeeds: bool) {
        if succeeds {
            self.scheduler.handle_dialled(peer, self.now);
            self.scheduler.handle_connected(peer, self.now);
        } else {
            self.scheduler.handle_dial_failed(peer, DialFailure::Silent, self.now);
        }
    }

    pub(super) fn end_sessions(&mut self, peer: u8, now: Duration) {
        if self.waiting.insert(peer, 0).is_some_and(|waiting| waiting > 0) {
            self.scheduler.handle_incoming_gone(peer, now);
        }
        let running = [self.opened.remove(&peer), self.accepted.remove(&peer)];
        for session in running.into_iter().flatten() {
            let end = SessionEnd::Failed;
            self.scheduler.handle_session_ended(peer, session, end, Used::default(), now);
        }
    }

    pub(super) fn end(&mut self, peer: u8, session: SessionId, how: u8) {
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

    /// Repeatedly ends all running sessions, lookups and dials.
    pub(super) fn drain(&mut self) {
        for _ in 0..1_000 {
            let (opened, accepted) = (self.opened.clone(), self.accepted.clone());
            for (peer, _) in opened {
                self.take(&Step::Ends(peer, true, 12));
            }
            for (peer, _) in accepted {
                self.take(&Step::Ends(peer, false, 12));
            }
            for peer in core::mem::take(&mut self.resolving) {
                self.end_lookup(peer, true);
                self.act();
            }
            for peer in core::mem::take(&mut self.dialled).into_keys() {
                self.end_dial(peer, true);
                self.act();
            }
            self.wait(MILLISECOND * 100);
        }
    }
}
