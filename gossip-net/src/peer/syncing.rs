//! Sessions with a peer: one at a time, whoever opens it.

use std::time::Duration;

use quinn::{RecvStream, SendStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::{Answer, PeerTask};
use crate::limits::{FINISH_TIMEOUT, REFUSED_PAUSE, STALLED_AFTER};
use crate::link::Close;
use crate::replicas::Terms;
use crate::report::SessionReport;
use crate::session::{self, Ended, Failure};
use crate::stats::count;
use crate::stream::{Abort, Rest, has_ended};
use crate::task::Work;
use crate::{Event, HandshakeError, Stats, SyncError};

impl PeerTask {
    /// The peer opens a session. One is held at a time; of two that cross, that of the smaller id.
    pub(super) fn on_stream(&mut self, mut send: SendStream, mut recv: RecvStream) {
        self.note_sign_of_life();
        // The end of the stream before came with this one.
        self.last_bytes.retain_mut(|(recv, _)| !has_ended(recv));
        let refusal = match (&self.accepted, &self.opened) {
            // The peer may have seen the end of its last session before we do.
            (Some(_), _) if self.queued.is_none() => return self.queued = Some((send, recv)),
            (Some(_), _) => Some(Abort::Busy),
            (None, Some(_)) if self.shared.us < self.id => Some(Abort::Crossed),
            _ => None,
        };
        if let Some(refusal) = refusal {
            refusal.abort(&mut send, &mut recv);
            self.shared.counters.update(|stats| stats.sessions_refused += 1);
            return;
        }
        if let Some((what, _)) = self.owes() {
            Abort::OverAllowance.abort(&mut send, &mut recv);
            let refused = |stats: &mut Stats| count(&mut stats.sessions_over_allowance, what);
            return self.shared.counters.update(refused);
        }
        // A session of ours that still waits for its permit lets the peer's go first.
        self.permit = None;
        let session = session::accept(self.shared.clone(), self.id, self.terms(), send, recv);
        self.accepted = Some(Work::new(session));
    }

    pub(super) fn on_permit(&mut self, permit: Option<OwnedSemaphorePermit>) {
        self.permit = None;
        let Some(permit) = permit else { return };
        if self.is_delayed() {
            return;
        }
        // While we waited, another session may have brought what this one was to fetch.
        if self.waiting.is_empty() && !self.trigger_is_due() {
            return;
        }
        self.begin_session(permit);
    }

    /// Opens a session, at once if there is a permit.
    pub(super) fn open_session(&mut self) {
        let outbound = &self.shared.outbound;
        match outbound.clone().try_acquire_owned() {
            Ok(permit) => self.begin_session(permit),
            Err(_) => {
                let permit = outbound.clone().acquire_owned();
                // The semaphore is never closed, so there is always a permit in the end.
                self.permit = Some(Box::pin(async { permit.await.ok() }));
            }
        }
    }

    fn begin_session(&mut self, permit: OwnedSemaphorePermit) {
        let Some(link) = &self.link else { return };
        let connection = link.connection.clone();
        self.served.append(&mut self.waiting);
        if self.trigger.begin(self.id, &*self.shared.source, &self.shared.chase) {
            self.shared.counters.update(|stats| stats.triggers += 1);
        }
        let before = self.unended.take().map(|(stream, _)| stream);
        let shared = self.shared.clone();
        let session = session::open(shared, self.id, self.terms(), connection, before, permit);
        self.opened = Some(Work::new(session));
    }

    pub(super) fn on_opened_ended(&mut self, ended: Option<Ended>) {
        self.opened = None;
        self.shared.chase.end(self.id);
        let served = std::mem::take(&mut self.served);
        match self.note_end(ended.unwrap_or_else(Ended::panicked)) {
            Ok(report) => {
                self.trigger.end(self.now, &report);
                answer(served, Ok(report));
            }
            Err(Failure::Crossed | Failure::Replaced) => {
                // The callers did not get their session yet; it is opened again. On a connection that
                // is over that would fail at once, again and again.
                self.waiting.extend(served);
                self.trigger.retry(self.now + self.jitter());
                let over = self.link.as_ref().and_then(|link| link.connection.close_reason());
                if let Some(error) = over {
                    self.on_closed(&error);
                }
            }
            Err(Failure::Unresponsive) => {
                answer(served, Err(SyncError::TimedOut("answer")));
                self.give_up_link(Close::Unresponsive, HandshakeError::TimedOut);
            }
            Err(Failure::Failed(error)) => {
                match error {
                    SyncError::OverAllowance => self.trigger.retry(self.now + REFUSED_PAUSE),
                    _ => self.trigger.fail(self.now),
                }
                answer(served, Err(error));
            }
        }
    }

    pub(super) fn on_accepted_ended(&mut self, ended: Option<Ended>) {
        self.accepted = None;
        // The opener's side tells its callers; here the notes are all.
        if let Ok(report) = self.note_end(ended.unwrap_or_else(Ended::panicked)) {
            self.trigger.note(self.now, &report);
        }
        if let Some((send, recv)) = self.queued.take() {
            self.on_stream(send, recv);
        }
    }

    /// Notes how a session ended, and tells everybody whom it concerns.
    fn note_end(&mut self, ended: Ended) -> Result<SessionReport, Failure> {
        self.charge(&ended);
        match ended.rest {
            Some(Rest::LastBytes(recv)) => {
                self.last_bytes.push((recv, self.now + FINISH_TIMEOUT));
            }
            Some(Rest::End(send)) => self.unended = Some((send, self.now + END_DELAY)),
            None => {}
        }
        let result = match &ended.result {
            Ok(report) => Ok(report),
            Err(Failure::Crossed | Failure::Replaced) => return ended.result,
            Err(Failure::Unresponsive) => Err(&SyncError::TimedOut("answer")),
            Err(Failure::Failed(error)) => Err(error),
        };
        let bytes = [ended.bytes_sent, ended.bytes_received];
        self.shared.publish_session(self.id, result, bytes);
        let stalled = self.board.notes().note_session(result, bytes, self.now);
        if stalled > 0 && stalled.is_multiple_of(STALLED_AFTER) {
            self.shared.events.publish(Event::Stalled { peer: self.id, sessions: stalled });
        }
        if let Ok(report) = result {
            self.cursor = report.outcome.cursor;
            self.note_sign_of_life();
        }
        if ended.stats.applied > 0 {
            self.shared.changed.notify_one();
        }
        ended.result
    }

    // What sessions may move.

    /// What was used up so far that no session may begin now, and until when.
    fn owes(&mut self) -> Option<(&'static str, Instant)> {
        let now = self.now;
        let mut sending = self.shared.transfer();
        self.account.set(sending.transfer().peer, now);
        self.account.owes(now).or_else(|| sending.owes(now, self.shared.wall_time()))
    }

    /// Whether a session that is due has to wait. Then it is looked at again in time.
    pub(super) fn is_delayed(&mut self) -> bool {
        let owed = self.owes();
        if let Some((what, _)) = owed {
            self.shared.counters.update(|stats| count(&mut stats.sessions_delayed, what));
        }
        self.delayed_until = owed.map(|(_, until)| until);
        owed.is_some()
    }

    /// The terms of a session that begins now.
    fn terms(&self) -> Terms {
        let (now, cursor) = (self.now, self.cursor);
        let receives = self.account.bytes(now);
        Terms { cursor, sends: self.shared.transfer().bytes(now).min(receives), receives }
    }

    fn charge(&mut self, ended: &Ended) {
        let now = self.now;
        self.account.charge(&ended.stats, ended.bytes_sent + ended.bytes_received, now);
        self.shared.transfer().charge(ended.bytes_sent, now);
    }

    pub(super) fn answer_waiting(&mut self, error: &SyncError) {
        answer(std::mem::take(&mut self.waiting), Err(error.clone()));
    }
}

/// How long the end of a stream waits for a packet that takes it along: as long as QUIC's
/// acknowledgements do, and far shorter than the peer waits for it.
const END_DELAY: Duration = Duration::from_millis(25);

fn answer(mut callers: Vec<Answer>, result: Result<SessionReport, SyncError>) {
    // A caller that no longer waits needs no answer.
    let Some(last) = callers.pop() else { return };
    callers.into_iter().for_each(|caller| _ = caller.send(result.clone()));
    _ = last.send(result);
}
