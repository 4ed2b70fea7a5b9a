//! The scheduler of dials, sessions and adverts, without sockets, threads or clocks.
//!
//! A [`Scheduler`] takes events and returns actions. gossip-net drives it with QUIC and real time,
//! and the simulator (feature `sim`) drives it with virtual time; both run the same scheduler. Its
//! interface resembles that of the [`Session`](crate::Session):
//!
//! - *In*: `handle_*` for events, `set_*` for the configuration, the members and the wall clock,
//!   `request*` for requests from the host.
//! - *Out*: [`poll_action`](Scheduler::poll_action) for actions that the driver carries out,
//!   [`poll_notice`](Scheduler::poll_notice) for notices to an operator,
//!   [`poll_timeout`](Scheduler::poll_timeout) for the next deadline.
//!
//! After each input, poll actions until there are none.
//!
//! # Decisions
//!
//! - **Dials.** Members that the host waits for are dialled first, then new members and those lost
//!   recently; members whose last dial failed share a few permits. A dial without an answer usually
//!   releases its permit long before the dial times out.
//! - **Sessions.** One session runs at a time per peer, and a few in total. A session is triggered
//!   by an advert whose roots differ, the timer, the host, or a previous session that left records
//!   to the next one or to other sessions. While sessions with a peer achieve nothing, they become
//!   rarer; a session that a new root triggers usually waits less.
//! - **Adverts.** A change is announced in two quick waves, each to a few peers that are not known
//!   to have it. In addition, one peer in turn receives the roots once per interval.
//! - **Claims.** If several sessions find the same difference, one of them fetches the records.
//! - **Refusals.** A record that this node refused is not requested again immediately.
//! - **Rates.** Sessions wait for the quota of their peer and for the send rate of the node.

mod action;
mod advert_rotation;
mod adverts;
mod agenda;
mod backoff;
mod claiming_view;
mod claims;
mod config;
mod dial_class;
mod dials;
mod ending;
mod in_flight;
pub mod limits;
mod members;
mod peer;
mod permits;
mod random;
mod rates;
mod refusals;
mod roots;
mod rotation;
mod sessions;
#[cfg(test)]
mod tests;
mod token_bucket;
mod trigger;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

pub use self::action::{
    Action, DialFailure, Disconnect, Notice, Reach, Refusal, RequestError, SessionEnd, SessionId,
    Terms, Used,
};
use self::advert_rotation::AdvertRotation;
use self::agenda::Agenda;
pub use self::claiming_view::{ClaimTable, ClaimingView, Delivered, Verdict};
use self::claims::Claims;
pub use self::config::{ConfigError, ScheduleConfig};
use self::dials::Dials;
use self::in_flight::InFlightRoots;
use self::peer::Peer;
use self::permits::Permits;
pub use self::random::Random;
use self::rates::SendAccount;
pub use self::rates::{PeerQuota, QuietHours, RateLimits, Scarce};
use self::refusals::Refusals;
pub use self::roots::Agreement;
use self::roots::LocalRoots;
use self::rotation::Rotation;
pub use self::token_bucket::Rate;

/// Decides which peers a node dials, syncs with and notifies, and when. See the [module](self).
///
/// `P` identifies a peer. `now` is the time since an arbitrary fixed moment; it must not run
/// backwards. Calls take time logarithmic in the number of peers, except those for a change to
/// members, roots or limits, a new member's dial, an advert, a round, a peer's session that stops
/// waiting, and the end of a session for which others wait: these may visit every peer.
#[derive(Debug)]
pub struct Scheduler<P> {
    us: P,
    config: ScheduleConfig,
    random: Random,
    peers: BTreeMap<P, Peer>,
    roots: LocalRoots,
    agenda: Agenda<Due<P>>,
    dials: Dials<P>,
    permits: Permits<P>,
    in_flight: InFlightRoots<P>,
    claims: Claims<P>,
    refusals: Refusals<P>,
    /// Peers whose session waits for records that other sessions are fetching.
    postponed: BTreeSet<P>,
    last_session: SessionId,
    timer_turns: Rotation<P>,
    round_turns: Rotation<P>,
    advert_turns: Rotation<P>,
    advert_spaces: AdvertRotation,
    /// Whether the planned announcement is the second wave of a change.
    has_second_wave: bool,
    /// Whether other packets have carried adverts since the scheduler's last advert turn.
    adverts_carried: bool,
    sending: SendAccount,
    /// The driver's time zero, as the time since the Unix epoch.
    epoch: Duration,
    previews: usize,
    actions: VecDeque<Action<P>>,
    notices: VecDeque<Notice<P>>,
    stats: ScheduleStats,
}

/// A planned task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due<P> {
    /// The timer contacts the next peer.
    Round,
    /// The next peer in turn receives the roots.
    Advert,
    /// A wave of adverts announces a change.
    Announcement,
    /// A member is dialled.
    Dial(P),
    /// A dial has held its permit long enough.
    DialPermit(P),
    /// A session with a peer may be due.
    Session(P),
    /// A peer's session has waited long enough for a permit.
    Incoming(P),
}

/// The counts of a scheduler's decisions. The counts never decrease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleStats {
    /// Sessions opened because an advert differed from the local roots, or because the previous
    /// session left records to this one or to other sessions.
    pub triggers: u64,
    /// Adverts that no longer needed a session when one was due, usually because another session
    /// had fetched the records.
    pub triggers_saved: u64,
    /// Sessions that peers opened and this node refused because another session took precedence or
    /// was already waiting, no permit became free, or the peer was not a member.
    pub sessions_refused: u64,
    /// Sessions that peers opened and this node refused because a quota was exhausted, by quota.
    pub sessions_over_quota: BTreeMap<Scarce, u64>,
    /// Sessions of this node that had to wait for a quota, by quota.
    pub sessions_delayed: BTreeMap<Scarce, u64>,
}

impl<P: Copy + Ord> Scheduler<P> {
    /// Creates a scheduler for the node `us`, without peers. `seed` determines all its random
    /// choices.
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid value.
    pub fn new(
        us: P,
        config: ScheduleConfig,
        seed: u64,
        now: Duration,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let mut scheduler = Self {
            us,
            random: Random::new(seed),
            peers: BTreeMap::new(),
            roots: LocalRoots::default(),
            agenda: Agenda::new(),
            dials: Dials::new(),
            permits: Permits::new(),
            in_flight: InFlightRoots::new(),
            claims: Claims::new(),
            refusals: Refusals::new(),
            postponed: BTreeSet::new(),
            last_session: SessionId(0),
            timer_turns: Rotation::new(),
            round_turns: Rotation::new(),
            advert_turns: Rotation::new(),
            advert_spaces: AdvertRotation::new(),
            has_second_wave: false,
            adverts_carried: false,
            sending: SendAccount::NEW,
            epoch: Duration::ZERO,
            previews: 0,
            actions: VecDeque::new(),
            notices: VecDeque::new(),
            stats: ScheduleStats::default(),
            config,
        };
        let phase = scheduler.random.duration(scheduler.config.advert_interval);
        scheduler.agenda.set(Due::Advert, now + phase);
        scheduler.plan_round(now);
        Ok(scheduler)
    }

    /// Returns the next action, if any.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action<P>> {
        self.actions.pop_front()
    }

    /// Returns the next notice to an operator, if any.
    #[must_use]
    pub fn poll_notice(&mut self) -> Option<Notice<P>> {
        self.notices.pop_front()
    }

    /// The deadline for calling [`handle_timeout`](Self::handle_timeout), unless another input
    /// comes first.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.agenda.next_at()
    }

    /// Runs all tasks due at `now`.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some(due) = self.agenda.pop(now) {
            match due {
                Due::Round => self.on_round(now),
                Due::Advert => self.on_advert_turn(now),
                Due::Announcement => self.on_announcement(now),
                Due::Dial(peer) => self.on_dial_due(peer, now),
                Due::DialPermit(peer) => self.on_dial_silent(peer, now),
                Due::Session(peer) => self.consider(peer, now),
                Due::Incoming(peer) => self.on_incoming_late(peer, now),
            }
        }
    }

    /// The current configuration.
    pub fn config(&self) -> &ScheduleConfig {
        &self.config
    }

    /// The counts of decisions so far.
    pub fn stats(&self) -> &ScheduleStats {
        &self.stats
    }

    /// The agreement with a peer according to its last known roots; `None` if the peer is not a
    /// member.
    pub fn agreement(&self, peer: P) -> Option<Agreement> {
        Some(self.peers.get(&peer)?.roots.agreement(&self.roots))
    }

    /// Number of consecutive sessions that this node opened with `peer` and that neither made
    /// progress nor ended in sync. A session of either side that does one of these resets the
    /// number, and so does one of this node that finds no common space; a session that failed, was
    /// refused, gave way, or left records to others does not count.
    pub fn stalled_sessions(&self, peer: P) -> u32 {
        self.peers.get(&peer).map_or(0, |peer| peer.stalled_sessions)
    }

    /// Sets the rates for sessions that begin from now on. Debts remain and are paid back at the
    /// new rates.
    ///
    /// # Errors
    /// [`ConfigError`] names the invalid value. The old rates stay in force.
    pub fn set_limits(&mut self, limits: RateLimits, now: Duration) -> Result<(), ConfigError> {
        limits.check()?;
        let before = core::mem::replace(&mut self.config.limits, limits);
        for peer in self.peers.values_mut() {
            peer.account.change_quota(&before.peer, &limits.peer, now);
        }
        let delayed: Vec<P> =
            self.peers.iter().filter(|(_, peer)| peer.is_delayed).map(|(peer, _)| *peer).collect();
        delayed.into_iter().for_each(|peer| self.consider(peer, now));
        Ok(())
    }

    /// Sets the wall-clock time at `now`, as the time since the Unix epoch. Quiet hours depend on
    /// it. Call this regularly, because the system clock may be adjusted.
    pub fn set_wall_clock(&mut self, unix: Duration, now: Duration) {
        self.epoch = unix.saturating_sub(now);
    }
}
