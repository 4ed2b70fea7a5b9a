//! The triggers of sessions with a peer, and their times.

use core::time::Duration;

use super::limits::{MAX_GAP_DOUBLINGS, SESSION_GAP};

/// The pending triggers of a session with a peer, and the minimum pause between sessions.
#[derive(Debug, Default)]
pub(super) struct Trigger {
    /// The host requested a session.
    pub(super) is_requested: bool,
    /// The timer reached the peer.
    pub(super) is_timed: bool,
    /// Another trigger of a session, and its time.
    pub(super) call: Option<(Call, Duration)>,
    /// Whether the trigger waits for the end of other sessions, which may bring the same records.
    pub(super) is_postponed: bool,
    /// Earliest start of a session without a request.
    not_before: Duration,
    /// Number of consecutive sessions that brought nothing.
    idle_streak: u32,
}

/// A trigger of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// The peer advertised roots that differ.
    Advert,
    /// The last session moved records and left others for the next one.
    Rest,
    /// The last session left records to other sessions; check whether they brought them.
    Claimed,
}

/// The value of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// It moved records that were accepted.
    Progress,
    /// Nothing differed.
    Equal,
    /// It found records that other sessions are bringing or have brought.
    LeftToOthers,
    /// It brought nothing.
    Nothing,
}

impl Trigger {
    /// Triggers a session at `at`, or later if the pause lasts longer. Does nothing if another call
    /// is pending.
    pub(super) fn call(&mut self, call: Call, at: Duration) {
        if self.call.is_none() {
            self.call = Some((call, at.max(self.not_before)));
        }
    }

    /// Notes an advert with roots that differ.
    pub(super) fn on_advert(&mut self, at: Duration) {
        self.is_postponed = false;
        self.call(Call::Advert, at);
    }

    /// The time at which a session is due. A postponed session is due when the others have ended.
    pub(super) fn due(&self) -> Option<Duration> {
        if self.is_requested || self.is_timed {
            return Some(Duration::ZERO);
        }
        self.call.filter(|_| !self.is_postponed).map(|(_, due)| due)
    }

    /// Notes that a session begins; it serves all pending triggers.
    pub(super) fn begin(&mut self) -> Option<Call> {
        (self.is_requested, self.is_timed, self.is_postponed) = (false, false, false);
        self.call.take().map(|(call, _)| call)
    }

    /// Whether the timer must not contact the peer yet.
    pub(super) fn is_backing_off(&self, now: Duration) -> bool {
        self.idle_streak > 0 && now < self.not_before
    }

    /// Notes the end of a session that this side opened; `call` was pending when it began.
    pub(super) fn end(&mut self, worth: Worth, call: Option<Call>, now: Duration) {
        match worth {
            Worth::Progress => self.idle_streak = 0,
            // Sessions with a peer whose adverts are repeatedly wrong become rarer, too.
            Worth::Equal if call != Some(Call::Advert) => self.idle_streak = 0,
            Worth::Equal | Worth::Nothing => self.idle_streak = self.idle_streak.saturating_add(1),
            Worth::LeftToOthers => {}
        }
        self.not_before = now + SESSION_GAP * (1 << self.idle_streak.min(MAX_GAP_DOUBLINGS));
    }

    /// Notes the end of a session that the peer opened.
    pub(super) fn note_accepted(&mut self, worth: Worth) {
        if worth == Worth::Progress {
            self.idle_streak = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn idle_sessions_become_rarer() {
        let mut trigger = Trigger::default();
        let mut now = Duration::from_secs(1);
        let mut pauses = Vec::new();
        for _ in 0..20 {
            trigger.on_advert(now);
            let due = trigger.due().unwrap();
            pauses.push(due - now);
            now = due;
            let call = trigger.begin();
            trigger.end(Worth::Nothing, call, now);
        }
        assert!(pauses.is_sorted() && pauses[0].is_zero() && pauses[1] == SESSION_GAP * 2);
        assert_eq!(pauses[19], SESSION_GAP * (1 << MAX_GAP_DOUBLINGS));
        trigger.note_accepted(Worth::Progress);
        trigger.end(Worth::LeftToOthers, None, now);
        trigger.on_advert(now);
        assert_eq!(trigger.due(), Some(now + SESSION_GAP));
    }

    #[test]
    fn advert_during_a_session_opens_another() {
        let mut trigger = Trigger::default();
        trigger.on_advert(Duration::ZERO);
        assert_eq!(trigger.begin(), Some(Call::Advert));
        trigger.on_advert(Duration::ZERO);
        trigger.end(Worth::Progress, Some(Call::Advert), Duration::ZERO);
        assert!(trigger.due().is_some());
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
