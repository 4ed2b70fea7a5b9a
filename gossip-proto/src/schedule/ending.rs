//! The consequences of the end of a session.

use core::time::Duration;

use super::limits::{PREVIEW_PAUSE, REFUSED_PAUSE, STALLED_AFTER};
use super::peer::{Incoming, Opened, Peer, Purpose};
use super::trigger::{Call, Worth};
use super::{Notice, Scheduler, SessionEnd, SessionId, Used};
use crate::{Ending, Outcome};

impl<P: Copy + Ord> Scheduler<P> {
    /// Handles the end of a session with `peer` on this side, whether the session succeeded or not.
    ///
    /// Call [`handle_roots`](Self::handle_roots) with the current roots first, so that the next
    /// decisions take the result of the session into account.
    pub fn handle_session_ended(
        &mut self,
        peer: P,
        session: SessionId,
        end: SessionEnd<'_>,
        used: Used,
        now: Duration,
    ) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        found.account.charge(&used.stats, used.sent + used.received, &self.config.limits.peer, now);
        self.sending.charge(used.sent, now);
        if let Some(opened) = found.opened.take_if(|opened| opened.session == session) {
            match opened.purpose {
                Purpose::Sync(call) => self.conclude_opened(peer, session, call, end, now),
                Purpose::Preview => self.conclude_preview(peer, opened, end, now),
            }
            self.release_opened(session, peer, now);
        } else if found.accepted.take_if(|accepted| *accepted == session).is_some() {
            if let SessionEnd::Outcome(outcome) = end {
                self.note_roots(peer, session, outcome);
                self.conclude_accepted(peer, outcome, now);
            }
            self.release_accepted(session, now);
            self.admit_next(peer, Incoming::BehindAnother, now);
        }
        self.drop_hopeless_requests(peer);
        self.dial_if_requested(peer, now);
        self.consider(peer, now);
    }

    /// Notes the roots with which a session ended. Not called for a preview, because the views of
    /// its caller need not cover every space.
    fn note_roots(&mut self, peer: P, session: SessionId, outcome: &Outcome) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        if outcome.result != Ending::NothingShared {
            return found.roots.conclude(session, &outcome.spaces, &self.roots);
        }
        if self.roots.are_covered_by(session) && found.roots.note_no_common_space() {
            self.notices.push_back(Notice::NoCommonSpace { peer });
        }
    }

    fn conclude_opened(
        &mut self,
        peer: P,
        session: SessionId,
        call: Option<Call>,
        end: SessionEnd<'_>,
        now: Duration,
    ) {
        let jitter = self.random.duration(self.config.trigger_jitter);
        if let SessionEnd::Outcome(outcome) = end {
            self.note_roots(peer, session, outcome);
        }
        let Some(found) = self.peers.get_mut(&peer) else { return };
        match end {
            SessionEnd::Outcome(outcome) => {
                let worth = worth(outcome);
                found.note_outcome(outcome);
                found.trigger.end(worth, call, now);
                let notice = found.note_stall(worth, outcome);
                self.notices.extend(notice.map(|notice| notice.of(peer)));
                self.follow_up(peer, outcome, now);
            }
            SessionEnd::Displaced => {
                found.trigger.give_way(now);
                match call {
                    Some(call) => found.trigger.call(call, now + jitter),
                    None => found.trigger.is_timed = true,
                }
            }
            SessionEnd::OverQuota => {
                found.trigger.end(Worth::Nothing, call, now);
                if let Some(call) = call {
                    found.trigger.call(call, now + REFUSED_PAUSE);
                }
            }
            SessionEnd::Failed => {
                found.trigger.end(Worth::Nothing, call, now);
                if call == Some(Call::News) {
                    found.trigger.call(Call::News, now);
                }
            }
        }
    }

    fn conclude_accepted(&mut self, peer: P, outcome: &Outcome, now: Duration) {
        let head_start = self.head_start(peer);
        let Some(found) = self.peers.get_mut(&peer) else { return };
        let worth = worth(outcome);
        found.note_outcome(outcome);
        found.trigger.note_accepted(worth);
        // The peer's own sessions that achieve nothing do not count: the peer can open any number.
        if worth != Worth::Nothing {
            let notice = found.note_stall(worth, outcome);
            self.notices.extend(notice.map(|notice| notice.of(peer)));
        }
        self.follow_up(peer, outcome, now + head_start);
    }

    fn conclude_preview(&mut self, peer: P, opened: Opened, end: SessionEnd<'_>, now: Duration) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        let took = now.saturating_sub(opened.since);
        found.previews.not_before = now + took.max(PREVIEW_PAUSE);
        match end {
            SessionEnd::Displaced => {
                found.trigger.give_way(now);
                found.previews.waiting += 1;
            }
            _ => self.previews -= 1,
        }
    }

    /// Triggers another session if this side gained records and more are left, or if it left
    /// records to other sessions.
    fn follow_up(&mut self, peer: P, outcome: &Outcome, at: Duration) {
        let Some(found) = self.peers.get_mut(&peer) else { return };
        let has_more = outcome.result == Ending::BudgetSpent || outcome.postponed;
        if worth(outcome) == Worth::Progress && has_more {
            found.trigger.call(Call::Rest, at);
        } else if left_to_others(outcome) {
            found.trigger.call(Call::Claimed, at);
        }
    }
}

/// How much a session was worth to this side.
///
/// Sent records count as progress only if they made both sides equal; otherwise a peer could
/// request the same records repeatedly. Applied records count as progress only if at most as many
/// were refused, so that a peer that sends one new record with a thousand refused ones does not get
/// the next session immediately.
fn worth(outcome: &Outcome) -> Worth {
    let stats = &outcome.stats;
    let is_equal = outcome.result == Ending::InSync;
    // A record that was refused in part counts as applied and as rejected.
    let has_gained = stats.applied > 0 && stats.applied >= stats.rejected;
    if has_gained || is_equal && stats.records_out > 0 {
        Worth::Progress
    } else if is_equal {
        Worth::Equal
    } else if left_to_others(outcome) || stats.came_by_others > 0 {
        Worth::LeftToOthers
    } else {
        Worth::Nothing
    }
}

fn left_to_others(outcome: &Outcome) -> bool {
    outcome.result != Ending::InSync && outcome.stats.left_to_others > 0
}

/// A notice that a peer has stalled or recovered.
enum StallNotice {
    Stalled(u32),
    Recovered(u32),
}

impl StallNotice {
    fn of<P>(self, peer: P) -> Notice<P> {
        match self {
            Self::Stalled(sessions) => Notice::Stalled { peer, sessions },
            Self::Recovered(sessions) => Notice::Recovered { peer, sessions },
        }
    }
}

impl Peer {
    /// Keeps the state from which the next session continues.
    fn note_outcome(&mut self, outcome: &Outcome) {
        self.cursor = outcome.cursor;
        self.postponed = match outcome.postponed || left_to_others(outcome) {
            true => self.postponed.saturating_add(1),
            false => 0,
        };
    }

    fn note_stall(&mut self, worth: Worth, outcome: &Outcome) -> Option<StallNotice> {
        if worth == Worth::LeftToOthers {
            return None;
        }
        if worth == Worth::Nothing && outcome.result != Ending::NothingShared {
            self.stalled_sessions = self.stalled_sessions.saturating_add(1);
            return (self.stalled_sessions == STALLED_AFTER)
                .then_some(StallNotice::Stalled(STALLED_AFTER));
        }
        let sessions = core::mem::take(&mut self.stalled_sessions);
        (sessions >= STALLED_AFTER).then_some(StallNotice::Recovered(sessions))
    }
}
