//! When a node talks to whom: dials, sessions and adverts, without sockets, threads and clocks.
//!
//! A [`Scheduler`] takes events and gives actions. gossip-net drives it with QUIC and real time, the simulator ([`sim`](crate::sim)) drives it with virtual time: what is simulated is what
//! runs. It works in the manner of the [`Session`](crate::Session):
//!
//! - *In*: `handle_*` for what happened, `set_*` for what is configured, `request*` for what the
//!   host wants.
//! - *Out*: [`poll_action`](Scheduler::poll_action) for what to do,
//!   [`poll_notice`](Scheduler::poll_notice) for what an operator wants to know,
//!   [`poll_timeout`](Scheduler::poll_timeout) for when to come back.
//!
//! After each call that puts something in, poll actions until there are none.
//!
//! # What it decides
//!
//! - **Dials.** New members and those met lately go first; members whose last dial failed share a few
//!   permits. A dial without an answer gives its permit up long before it ends.
//! - **Sessions.** One at a time with a peer, a few in all. A session is called for by an advert whose
//!   roots differ, by the timer, by the host, or by the session before, which left something. While
//!   sessions with a peer bring nothing, they become rarer.
//! - **Adverts.** A change goes to a few peers at once, to those first that are not known to have it;
//!   beside that one peer in turn hears the roots once in an interval.
//! - **Claims.** Of several sessions that find the same difference one brings it.
//! - **Rates.** What one peer may use up, and what the node sends in all.

mod action;
mod advert_rotation;
mod adverts;
mod agenda;
mod backoff;
mod claiming_view;
mod claims;
mod config;
mod dials;
mod ending;
mod in_flight;
pub mod limits;
mod members;
mod peer;
mod permits;
mod random;
mod rates;
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
pub use self::claiming_view::{ClaimTable, ClaimingView};
use self::claims::Claims;
pub use self::config::{ConfigError, ScheduleConfig};
use self::dials::Dials;
use self::in_flight::InFlightRoots;
use self::peer::Peer;
use self::permits::Permits;
pub use self::random::Random;
use self::rates::SendAccount;
pub use self::rates::{PeerQuota, QuietHours, RateLimits, Scarce};
pub use self::roots::Agreement;
use self::roots::LocalRoots;
use self::rotation::Rotation;
pub use self::token_bucket::Rate;

/// Decides when a node talks to whom. See the [module](self).
///
/// `P` names a peer. `now` is the time since any fixed moment; it must not run backwards. Each call
/// takes time logarithmic in the number of peers, except a change of roots, a round, and the end of
/// a session for which others wait, which look at every peer.
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
    /// Peers whose session waits for what other sessions are bringing.
    postponed: BTreeSet<P>,
    last_session: SessionId,
    timer_turns: Rotation<P>,
    round_turns: Rotation<P>,
    advert_turns: Rotation<P>,
    advert_spaces: AdvertRotation,
    /// Whether the announcement that is planned is the second one of a change.
    has_second_wave: bool,
    /// Whether adverts travelled with other packets since the last one of the scheduler.
    adverts_carried: bool,
    sending: SendAccount,
    /// The time since the Unix epoch at the driver's zero.
    epoch: Duration,
    previews: usize,
    actions: VecDeque<Action<P>>,
    notices: VecDeque<Notice<P>>,
    stats: ScheduleStats,
}

/// What is due at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due<P> {
    /// The timer contacts the next peer.
    Round,
    /// The next peer in turn hears the roots.
    Advert,
    /// A change was held long enough.
    Announcement,
    /// A member is dialled.
    Dial(P),
    /// A dial has held its permit long enough.
    DialPermit(P),
    /// A session with a peer is looked at.
    Session(P),
    /// A session of a peer has waited for a permit long enough.
    Incoming(P),
}

/// What a scheduler has decided since it began. All numbers only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleStats {
    /// Sessions that were opened because an advert differed from the local roots, or because the
    /// session before left something.
    pub triggers: u64,
    /// Adverts that needed no session any more when their turn came: another one brought the news.
    pub triggers_saved: u64,
    /// Sessions of peers that were refused because one is running or none has room.
    pub sessions_refused: u64,
    /// Sessions of peers that were refused because too much was used up, by what.
    pub sessions_over_quota: BTreeMap<Scarce, u64>,
    /// Own sessions that had to wait for the same, by the same.
    pub sessions_delayed: BTreeMap<Scarce, u64>,
}

impl<P: Copy + Ord> Scheduler<P> {
    /// A scheduler of the node `us`, which knows no peer yet. All its random choices follow `seed`.
    ///
    /// # Errors
    /// [`ConfigError`] names the value that cannot work.
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

    /// The next thing to do.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action<P>> {
        self.actions.pop_front()
    }

    /// The next thing that an operator wants to know.
    #[must_use]
    pub fn poll_notice(&mut self) -> Option<Notice<P>> {
        self.notices.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, unless something else comes
    /// first.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.agenda.next_at()
    }

    /// Does all that is due at `now`.
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

    /// The configuration in force.
    pub fn config(&self) -> &ScheduleConfig {
        &self.config
    }

    /// What was decided so far.
    pub fn stats(&self) -> &ScheduleStats {
        &self.stats
    }

    /// How a peer stands by the roots that it told last; `None` if it is no member.
    pub fn agreement(&self, peer: P) -> Option<Agreement> {
        Some(self.peers.get(&peer)?.roots.agreement(&self.roots))
    }

    /// How many sessions in a row ended without progress and without becoming equal.
    pub fn stalled_sessions(&self, peer: P) -> u32 {
        self.peers.get(&peer).map_or(0, |peer| peer.stalled_sessions)
    }

    /// Puts other rates in force for sessions that begin from now on. What was used up stays so: a
    /// debt is paid back at the new rates.
    ///
    /// # Errors
    /// [`ConfigError`] names the value that cannot work. The old rates stay in force.
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

    /// Says what the clock on the wall shows at `now`, as the time since the Unix epoch. Quiet hours
    /// go by it; repeat it now and then, since clocks are set.
    pub fn set_wall_clock(&mut self, unix: Duration, now: Duration) {
        self.epoch = unix.saturating_sub(now);
    }
}
