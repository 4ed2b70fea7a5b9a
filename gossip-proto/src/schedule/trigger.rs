//! The triggers for sessions with a peer, and their times.

use core::time::Duration;

use super::limits::{MAX_GAP_DOUBLINGS, SESSION_GAP};
use crate::limits::MAX_POSTPONED;

/// The pending triggers for a session with a peer, and the minimum pauses between sessions.
#[derive(Debug, Default)]
pub(super) struct Trigger {
    /// The host requested a session.
    pub(super) is_requested: bool,
    /// It is the peer's turn in the timer's rotation, or a session without a [`Call`] gave way and
    /// has to be opened again.
    pub(super) is_timed: bool,
    /// Another trigger for a session, and its time.
    pub(super) call: Option<(Call, Duration)>,
    /// Time until which the trigger waits for other sessions, which may fetch the same records.
    pub(super) postponed_until: Option<Duration>,
    /// The end of the last session that this side opened.
    ended_at: Option<Duration>,
    /// Number of consecutive sessions that achieved nothing.
    idle_streak: u32,
    /// Number of those sessions that a call other than [`Call::Advert`] triggered.
    vain_calls: u32,
    /// Number of sessions that left their records to other sessions since the streak was last
    /// reset, at most [`MAX_POSTPONED`].
    left_streak: u8,
    /// Number of consecutive sessions that gave way to another one.
    displaced: u32,
    /// Earliest start of any session, after several sessions that gave way.
    pub(super) not_before: Duration,
}

/// A trigger for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// The peer advertised roots that differ but are not new.
    Advert,
    /// The peer advertised a root that differs and is new.
    News,
    /// The last session transferred records and left others for the next one.
    Rest,
    /// The last session left records to other sessions, and the next one checks whether they have
    /// arrived.
    Claimed,
}

/// The value of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// The session transferred records that were accepted.
    Progress,
    /// The session ended in sync without progress.
    Equal,
    /// The peer listed or offered records that other sessions of this node are fetching or have
    /// fetched. This node has not verified that the peer holds them.
    LeftToOthers,
    /// The session achieved nothing.
    Nothing,
}

impl Trigger {
    /// Triggers a session at `at`, or later if the pause lasts longer. If another call is pending,
    /// its time does not change, and only [`Call::News`] replaces a [`Call::Advert`] or
    /// [`Call::Claimed`].
    pub(super) fn call(&mut self, call: Call, at: Duration) {
        match &mut self.call {
            None => self.call = Some((call, at)),
            // A new root need not wait for the longer pause, or for the claims of other sessions.
            Some((pending @ (Call::Advert | Call::Claimed), _)) if call == Call::News => {
                *pending = call;
            }
            Some(_) => {}
        }
    }

    /// Notes an advert with roots that differ.
    pub(super) fn on_advert(&mut self, call: Call, at: Duration) {
        self.postponed_until = None;
        self.call(call, at);
    }

    /// The time at which a session is due.
    pub(super) fn due(&self) -> Option<Duration> {
        if self.is_requested || self.is_timed {
            return Some(self.not_before);
        }
        let (call, at) = self.call?;
        let streak = if call == Call::Advert { self.idle_streak } else { self.vain_calls };
        let until = [Some(self.not_before), self.paused_until(streak), self.postponed_until];
        until.into_iter().flatten().chain([at]).max()
    }

    /// Begins a session that serves all pending triggers; returns the pending call.
    pub(super) fn begin(&mut self) -> Option<Call> {
        (self.is_requested, self.is_timed, self.postponed_until) = (false, false, None);
        self.call.take().map(|(call, _)| call)
    }

    /// Whether the timer must not contact the peer yet.
    pub(super) fn is_backing_off(&self, now: Duration) -> bool {
        self.idle_streak > 0 && self.paused_until(self.idle_streak).is_some_and(|until| now < until)
    }

    fn paused_until(&self, streak: u32) -> Option<Duration> {
        self.ended_at.map(|at| at + gap(streak))
    }

    /// Notes the end of a session that this side opened; `call` was pending when it began.
    pub(super) fn end(&mut self, worth: Worth, call: Option<Call>, now: Duration) {
        let is_advertised = matches!(call, Some(Call::Advert | Call::News));
        match worth {
            Worth::Progress => self.reset(),
            // Sessions with a peer whose adverts are repeatedly wrong also become rarer.
            Worth::Equal if !is_advertised => self.reset(),
            Worth::LeftToOthers if self.left_streak < MAX_POSTPONED => self.left_streak += 1,
            Worth::Equal | Worth::Nothing | Worth::LeftToOthers => {
                self.idle_streak = self.idle_streak.saturating_add(1);
                let is_vain = call.is_some_and(|call| call != Call::Advert);
                self.vain_calls = self.vain_calls.saturating_add(is_vain.into());
            }
        }
        (self.ended_at, self.displaced) = (Some(now), 0);
    }

    /// Notes that a session that this side opened gave way to another one.
    pub(super) fn give_way(&mut self, now: Duration) {
        if self.displaced > 0 {
            self.not_before = now + gap(self.displaced);
        }
        self.displaced = self.displaced.saturating_add(1);
    }

    /// Notes the end of a session that the peer opened.
    pub(super) fn note_accepted(&mut self, worth: Worth) {
        (self.displaced, self.not_before) = (0, Duration::ZERO);
        if worth == Worth::Progress {
            self.reset();
        }
    }

    fn reset(&mut self) {
        (self.idle_streak, self.vain_calls, self.left_streak) = (0, 0, 0);
    }
}

/// [`SESSION_GAP`], doubled `streak` times, but at most [`MAX_GAP_DOUBLINGS`] times.
pub(super) fn gap(streak: u32) -> Duration {
    SESSION_GAP * (1 << streak.min(MAX_GAP_DOUBLINGS))
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The pauses between sessions of the same worth, each triggered by an advert during the
    /// previous session.
    fn pauses(trigger: &mut Trigger, call: Call, worth: Worth) -> Vec<Duration> {
        let mut now = SECOND;
        trigger.on_advert(call, now);
        let pause = |_| {
            let due = trigger.due().unwrap();
            let pause = due - core::mem::replace(&mut now, due);
            let begun = trigger.begin();
            trigger.on_advert(call, now);
            trigger.end(worth, begun, now);
            pause
        };
        (0..20).map(pause).collect()
    }

    #[test]
    fn idle_sessions_become_rarer() {
        for call in [Call::Advert, Call::News] {
            let mut trigger = Trigger::default();
            let pauses = pauses(&mut trigger, call, Worth::Nothing);
            assert!(pauses.is_sorted() && pauses[0].is_zero() && pauses[1] == SESSION_GAP * 2);
            assert_eq!(pauses[19], gap(MAX_GAP_DOUBLINGS));
            trigger.note_accepted(Worth::Progress);
            trigger.begin();
            trigger.end(Worth::LeftToOthers, None, SECOND * 1_000);
            trigger.on_advert(call, SECOND * 1_000);
            assert_eq!(trigger.due(), Some(SECOND * 1_000 + SESSION_GAP));
        }
    }

    #[test]
    fn news_waits_for_no_idle_session() {
        let mut trigger = Trigger::default();
        pauses(&mut trigger, Call::Advert, Worth::Nothing);
        let idle = trigger.due().unwrap();
        trigger.on_advert(Call::News, idle);
        assert!(
            trigger.due().unwrap() < idle - gap(MAX_GAP_DOUBLINGS) / 2,
            "{:?} {idle:?}",
            trigger.due()
        );
    }

    #[test]
    fn records_left_to_others_excuse_few_sessions() {
        for call in [Call::Advert, Call::News, Call::Claimed] {
            let pauses = pauses(&mut Trigger::default(), call, Worth::LeftToOthers);
            let free = usize::from(MAX_POSTPONED);
            assert!(pauses[1..=free].iter().all(|pause| *pause == SESSION_GAP));
            assert_eq!(pauses[19], gap(MAX_GAP_DOUBLINGS));
        }
    }

    #[test]
    fn advert_during_a_session_opens_another() {
        let mut trigger = Trigger::default();
        trigger.on_advert(Call::Advert, Duration::ZERO);
        assert_eq!(trigger.begin(), Some(Call::Advert));
        trigger.on_advert(Call::Advert, Duration::ZERO);
        trigger.end(Worth::Progress, Some(Call::Advert), Duration::ZERO);
        assert_eq!(trigger.due(), Some(SESSION_GAP));
    }

    #[test]
    fn idle_timed_sessions_wait() {
        let mut trigger = Trigger::default();
        let now = Duration::from_secs(1);
        assert!(!trigger.is_backing_off(now));
        trigger.end(Worth::Nothing, None, now);
        assert!(trigger.is_backing_off(now) && !trigger.is_backing_off(now + SESSION_GAP * 2));
    }
}
