//! The number and duration of concurrent dials, and the pauses between dials to a member.

use std::time::Duration;

use engram_gossip_proto::schedule::limits::{
    DIAL_PERMIT, HANDSHAKE_TIMEOUT, LEAST_DIAL_PERMIT, LOST_HANDSHAKE_TIMEOUT, LOST_PAUSE,
    MAX_DIALS, MAX_DIALS_UNDER_WAY, MAX_LOST_DIALS, MAX_UNREACHABLE_DIALS, MET_LATELY,
    PERMIT_HANDSHAKES,
};
use engram_gossip_proto::schedule::*;

const MILLISECOND: Duration = Duration::from_millis(1);
const PEERS: std::ops::Range<u32> = 1..700;

/// A scheduler whose dials end under the control of a test.
struct Dialling {
    scheduler: Scheduler<u32>,
    now: Duration,
    most_permits: usize,
    lookups: Lookups,
    /// Members whose addresses are being looked up.
    resolving: Vec<u32>,
}

/// When the addresses of members are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lookups {
    AtOnce,
    Never,
}

impl Dialling {
    fn of(peers: impl Iterator<Item = u32>) -> Self {
        let config = ScheduleConfig::default();
        let mut scheduler = Scheduler::new(0, config, 7, Duration::ZERO).unwrap();
        peers.for_each(|peer| scheduler.set_member(peer, Reach::Dialable, Duration::ZERO));
        Self {
            scheduler,
            now: Duration::ZERO,
            most_permits: 0,
            lookups: Lookups::AtOnce,
            resolving: Vec::new(),
        }
    }

    fn resolve(&mut self, peer: u32) {
        match self.lookups {
            Lookups::AtOnce => self.scheduler.handle_resolved(peer, self.now),
            Lookups::Never => self.resolving.push(peer),
        }
    }

    /// Advances the time; returns the members that were dialled, with the maximum duration of each
    /// dial.
    fn pass(&mut self, time: Duration) -> Vec<(u32, Duration)> {
        let until = self.now + time;
        let mut dialled = Vec::new();
        loop {
            while let Some(action) = self.scheduler.poll_action() {
                match action {
                    Action::Resolve { peer } => self.resolve(peer),
                    Action::Dial { peer, timeout } => dialled.push((peer, timeout)),
                    _ => {}
                }
            }
            self.most_permits = self.most_permits.max(self.scheduler.dials_under_way()[0]);
            let Some(at) = self.scheduler.poll_timeout().filter(|at| *at <= until) else { break };
            self.now = at;
            self.scheduler.handle_timeout(at);
        }
        self.now = until;
        dialled
    }

    /// Advances the time until a member is dialled; returns the dialled members.
    fn pass_until_dialled(&mut self) -> Vec<(u32, Duration)> {
        for _ in 0..100_000 {
            let dialled = self.pass(MILLISECOND);
            if !dialled.is_empty() {
                return dialled;
            }
        }
        panic!("no member was dialled");
    }

    fn connect(&mut self, peer: u32) {
        self.scheduler.handle_dialled(peer, self.now);
        self.scheduler.handle_connected(peer, self.now);
    }
}

#[test]
fn silent_dials_are_bounded() {
    let mut dialling = Dialling::of(PEERS);
    let dialled = dialling.pass(ScheduleConfig::default().dial_spread);
    assert!(dialled.iter().all(|(_, timeout)| *timeout == HANDSHAKE_TIMEOUT));
    let dialled = dialled.len() + dialling.pass(Duration::from_secs(60)).len();
    assert_eq!(dialling.most_permits, MAX_DIALS);
    assert_eq!(dialled, MAX_DIALS_UNDER_WAY);
    assert_eq!(dialling.scheduler.dials_under_way()[1], MAX_DIALS_UNDER_WAY);
}

#[test]
fn lookup_holds_no_permit() {
    let mut dialling = Dialling::of(PEERS);
    dialling.lookups = Lookups::Never;
    assert_eq!(dialling.pass(ScheduleConfig::default().dial_spread), []);
    assert_eq!(dialling.resolving.len(), PEERS.len());
    assert_eq!(dialling.scheduler.dials_under_way(), [0, 0]);
    // A member is dialled as soon as its addresses are found, while the others are still being
    // looked up.
    for (n, peer) in dialling.resolving.clone().into_iter().rev().take(MAX_DIALS).enumerate() {
        dialling.scheduler.handle_resolved(peer, dialling.now);
        assert_eq!(dialling.pass(Duration::ZERO), [(peer, HANDSHAKE_TIMEOUT)]);
        assert_eq!(dialling.scheduler.dials_under_way(), [n + 1, n + 1]);
    }
}

#[test]
fn failed_lookup_is_repeated_after_backoff() {
    let mut dialling = Dialling::of(1..2);
    dialling.lookups = Lookups::Never;
    dialling.pass(ScheduleConfig::default().dial_spread);
    for failures in 1..5 {
        assert_eq!(std::mem::take(&mut dialling.resolving), [1]);
        let told = dialling.scheduler.handle_dial_failed(1, DialFailure::Silent, dialling.now);
        let (pause, told) = told.expect("a lookup of the member is running");
        assert_eq!(told, failures);
        dialling.pass(pause - MILLISECOND);
        assert_eq!(dialling.resolving, []);
        dialling.pass(MILLISECOND);
    }
}

#[test]
fn silent_dial_returns_its_permit() {
    let permit_after_handshake_of = |handshake: Option<Duration>| {
        let mut dialling = Dialling::of(1..2);
        dialling.pass_until_dialled();
        if let Some(handshake) = handshake {
            dialling.pass(handshake);
            dialling.connect(1);
            dialling.scheduler.set_member(2, Reach::Dialable, dialling.now);
            dialling.pass_until_dialled();
        }
        let mut held = Duration::ZERO;
        while dialling.scheduler.dials_under_way()[0] > 0 {
            dialling.pass(MILLISECOND);
            held += MILLISECOND;
        }
        held
    };
    // A dial begins at most a millisecond before the test sees it.
    let is = |held: Duration, rule: Duration| held <= rule && rule < held + MILLISECOND * 2;
    assert!(is(permit_after_handshake_of(None), DIAL_PERMIT));
    let slow = MILLISECOND * 100;
    let held = permit_after_handshake_of(Some(slow));
    let least = slow * PERMIT_HANDSHAKES;
    let most = (slow + MILLISECOND * 2) * PERMIT_HANDSHAKES;
    assert!(least <= held + MILLISECOND * 2 && held <= most, "{held:?}");
    assert!(is(permit_after_handshake_of(Some(MILLISECOND)), LEAST_DIAL_PERMIT));
}

#[test]
fn unreachable_members_share_a_few_permits() {
    let mut dialling = Dialling::of(1..40);
    for (peer, _) in dialling.pass(Duration::from_secs(4)) {
        dialling.scheduler.handle_dial_failed(peer, DialFailure::Silent, dialling.now);
    }
    assert_eq!(dialling.scheduler.dials_under_way(), [0, 0]);
    dialling.most_permits = 0;
    assert_eq!(dialling.pass(Duration::from_secs(10)).len(), 39);
    assert_eq!(dialling.most_permits, MAX_UNREACHABLE_DIALS);
}

#[test]
fn lost_members_are_dialled_soon_and_again() {
    let mut dialling = Dialling::of(1..40);
    let mut connected = 0;
    while connected < 39 {
        for (peer, _) in dialling.pass_until_dialled() {
            dialling.connect(peer);
            connected += 1;
        }
    }
    for peer in 1..40 {
        dialling.scheduler.handle_disconnected(peer, Disconnect::Lost, dialling.now);
    }
    dialling.most_permits = 0;
    let lost_at = dialling.now;
    let mut last = vec![lost_at; 40];
    while dialling.now < lost_at + MET_LATELY - LOST_PAUSE * 4 {
        for (peer, timeout) in dialling.pass(MILLISECOND * 10) {
            assert_eq!(timeout, LOST_HANDSHAKE_TIMEOUT);
            dialling.scheduler.handle_dial_failed(peer, DialFailure::Silent, dialling.now);
            last[peer as usize] = dialling.now;
        }
        // The longer of the first pause and a later one, plus the wait for the other lost members.
        let longest = ScheduleConfig::default().dial_spread.max(LOST_PAUSE) + MILLISECOND * 20;
        assert!(last[1..].iter().all(|at| dialling.now - *at <= longest));
    }
    assert_eq!(dialling.most_permits, MAX_LOST_DIALS);
    dialling.pass(LOST_PAUSE * 4);
    let later = dialling.pass(ScheduleConfig::default().backoff_max * 2);
    assert!(later.iter().all(|(_, timeout)| *timeout == HANDSHAKE_TIMEOUT), "{later:?}");
}
