//! What calls for a session with a peer, and when.

use core::time::Duration;

use super::limits::{MAX_GAP_DOUBLINGS, SESSION_GAP};

/// What calls for a session with a peer, and how soon one may follow another.
#[derive(Debug, Default)]
pub(super) struct Trigger {
    /// The host asked for a session.
    pub(super) is_requested: bool,
    /// It is the peer's turn.
    pub(super) is_timed: bool,
    /// What else calls for a session, and when.
    pub(super) call: Option<(Call, Duration)>,
    /// The call waits for the end of other sessions, which may bring the same.
    pub(super) is_postponed: bool,
    /// No session without a request begins before.
    not_before: Duration,
    /// Sessions in a row that brought nothing.
    idle_streak: u32,
}

/// What calls for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// The peer advertised roots that differ.
    Advert,
    /// The last session moved records and left others for the next one.
    Rest,
    /// The last session left records to others, which were bringing them: did they?
    Claimed,
}

/// What a session was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// It moved something that was taken.
    Progress,
    /// Nothing differed.
    Equal,
    /// It found differences, which other sessions are bringing.
    LeftToOthers,
    /// Nothing, and it cost a session.
    Nothing,
}

impl Trigger {
    /// Calls for a session at `at`, unless something else does already.
    pub(super) fn call(&mut self, call: Call, at: Duration) {
        if self.call.is_none() {
            self.call = Some((call, at.max(self.not_before)));
        }
    }

    /// An advert told roots that differ.
    pub(super) fn on_advert(&mut self, at: Duration) {
        self.is_postponed = false;
        self.call(Call::Advert, at);
    }

    /// When a session is due. One that is postponed is due when the others have ended.
    pub(super) fn due(&self) -> Option<Duration> {
        if self.is_requested || self.is_timed {
            return Some(Duration::ZERO);
        }
        self.call.filter(|_| !self.is_postponed).map(|(_, due)| due)
    }

    /// A session begins: it serves everything that called for one.
    pub(super) fn begin(&mut self) -> Option<Call> {
        (self.is_requested, self.is_timed, self.is_postponed) = (false, false, false);
        self.call.take().map(|(call, _)| call)
    }

    /// Whether the timer may contact the peer.
    pub(super) fn is_patient(&self, now: Duration) -> bool {
        self.idle_streak > 0 && now < self.not_before
    }

    /// A session that this side opened, for `call` if something but the host called for it, has
    /// ended.
    pub(super) fn end(&mut self, worth: Worth, call: Option<Call>, now: Duration) {
        match worth {
            Worth::Progress => self.idle_streak = 0,
            // A peer whose adverts are wrong again and again is not asked as often either.
            Worth::Equal if call != Some(Call::Advert) => self.idle_streak = 0,
            Worth::Equal | Worth::Nothing => self.idle_streak = self.idle_streak.saturating_add(1),
            Worth::LeftToOthers => {}
        }
        self.not_before = now + SESSION_GAP * (1 << self.idle_streak.min(MAX_GAP_DOUBLINGS));
    }

    /// A session that the peer opened has ended.
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
    fn fruitless_timed_sessions_wait() {
        let mut trigger = Trigger::default();
        let now = Duration::from_secs(1);
        assert!(!trigger.is_patient(now));
        trigger.end(Worth::Nothing, None, now);
        assert!(trigger.is_patient(now) && !trigger.is_patient(now + SESSION_GAP * 2));
    }
}
