//! Opens, accepts and refuses sessions with a peer as the scheduler decides.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use engram_gossip_proto::schedule::{
    Disconnect, Refusal, RequestError, Scheduler, SessionEnd, SessionId, Terms, Used,
};
use quinn::{RecvStream, SendStream};

use super::PeerTask;
use crate::command::{Answer, PreviewRequest};
use crate::link::Close;
use crate::report::SessionReport;
use crate::schedule::SessionClaims;
use crate::session::{self, Ended, Failure};
use crate::stream::Abort;
use crate::task::Work;
use crate::{HandshakeError, SyncError, TimedStep};

/// The running sessions with a peer, and the waiting requests.
#[derive(Default)]
pub(super) struct Sessions {
    /// The session that this node opened. It runs alongside `accepted` only while two sessions
    /// cross.
    pub(super) opened: Option<Running<Serves>>,
    /// The session that the peer opened.
    pub(super) accepted: Option<Running<()>>,
    /// Streams of the peer's sessions that have not been accepted or refused yet, in the order of
    /// the scheduler's decisions. Usually, there are at most two: one whose command is in the
    /// mailbox, and one behind it.
    incoming: VecDeque<(SendStream, RecvStream)>,
    /// The callers whose requests the next session serves.
    callers: Vec<Answer>,
    previews: VecDeque<PreviewRequest>,
}

/// A running session; `serves` is the purpose of a session that this node opened.
pub(super) struct Running<S> {
    session: SessionId,
    work: Work<Ended>,
    serves: S,
}

/// The purpose of a session.
pub(super) enum Serves {
    /// Synchronization; these callers receive its result.
    Node(Vec<Answer>),
    /// A preview for one caller.
    Preview(PreviewRequest),
}

impl<S: Unpin> Future for Running<S> {
    type Output = Option<Ended>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Ended>> {
        Pin::new(&mut self.work).poll(context)
    }
}

impl Sessions {
    pub(super) fn are_running(&self) -> bool {
        self.opened.is_some() || self.accepted.is_some()
    }
}

impl PeerTask {
    // Requests of callers.

    pub(super) fn on_request(&mut self, answer: Answer) {
        self.sessions.callers.push(answer);
        self.request();
    }

    fn request(&mut self) {
        if let Some(Err(refused)) = self.tell(Scheduler::request) {
            self.answer_callers(&Err(self.refused(refused)));
        }
    }

    pub(super) fn on_preview_request(&mut self, request: PreviewRequest) {
        match self.tell(Scheduler::request_preview) {
            Some(Err(refused)) => _ = request.answer.send(Err(self.refused(refused))),
            Some(Ok(())) | None => self.sessions.previews.push_back(request),
        }
    }

    fn refused(&self, refused: RequestError) -> SyncError {
        match refused {
            RequestError::NotDialable => HandshakeError::NoAddress.into(),
            RequestError::TooManyPreviews { cap } => SyncError::TooManyPreviews { cap },
            _ => SyncError::NotInRoster(self.id),
        }
    }

    fn answer_callers(&mut self, result: &Result<SessionReport, SyncError>) {
        answer(std::mem::take(&mut self.sessions.callers), result);
    }

    /// Fails all waiting requests.
    pub(super) fn give_up_requests(&mut self, error: &SyncError) {
        self.answer_callers(&Err(error.clone()));
        for preview in self.sessions.previews.drain(..) {
            _ = preview.answer.send(Err(error.clone()));
        }
    }

    /// Fails the waiting requests if the peer is not connected and has no address to dial.
    pub(super) fn give_up_hopeless_requests(&mut self) {
        if self.link.is_none() && self.address.is_none() {
            self.give_up_requests(&HandshakeError::NoAddress.into());
        }
    }

    /// Fails the waiting requests and those of the running session.
    pub(super) fn give_up_sessions(&mut self, error: &SyncError) {
        self.give_up_requests(error);
        match self.sessions.opened.take().map(|opened| opened.serves) {
            Some(Serves::Node(callers)) => answer(callers, &Err(error.clone())),
            Some(Serves::Preview(preview)) => _ = preview.answer.send(Err(error.clone())),
            None => {}
        }
    }

    // Decisions of the scheduler.

    pub(super) fn open(&mut self, session: SessionId, terms: Terms) {
        let (id, shared) = (self.id, self.shared.clone());
        let Some(link) = &self.link else {
            return self.report_unstarted(session, SessionEnd::Displaced);
        };
        let (connection, before) = (link.connection.clone(), self.lingering.take_pending_fin());
        let claims = SessionClaims { schedule: shared.schedule.clone(), session };
        let work = async move {
            session::open(shared, id, |source| source.open(id, claims, terms), connection, before)
                .await
        };
        let serves = Serves::Node(std::mem::take(&mut self.sessions.callers));
        self.sessions.opened = Some(Running { session, work: Work::new(work), serves });
    }

    pub(super) fn open_preview(&mut self, session: SessionId, terms: Terms) {
        let (id, shared) = (self.id, self.shared.clone());
        let Some(preview) = self.sessions.previews.pop_front() else {
            // The request already failed when an earlier connection ended.
            return self.report_unstarted(session, SessionEnd::Failed);
        };
        let Some(link) = &self.link else {
            self.sessions.previews.push_front(preview);
            return self.report_unstarted(session, SessionEnd::Displaced);
        };
        let (connection, before) = (link.connection.clone(), self.lingering.take_pending_fin());
        let machine = preview.machine.clone();
        let work = async move {
            let machine = |source: &dyn crate::replicas::Source| machine(source.setup(id, terms));
            session::open(shared, id, machine, connection, before).await
        };
        let serves = Serves::Preview(preview);
        self.sessions.opened = Some(Running { session, work: Work::new(work), serves });
    }

    /// Reports a session that did not begin. If this node was to open it, [`SessionEnd::Displaced`]
    /// reopens it on the next connection.
    fn report_unstarted(&self, session: SessionId, end: SessionEnd<'_>) {
        self.tell(|scheduler, id, now| {
            scheduler.handle_session_ended(id, session, end, Used::default(), now);
        });
    }

    /// Handles a stream on which the peer opens a session.
    pub(super) fn on_stream(&mut self, mut send: SendStream, mut recv: RecvStream) {
        self.note_sign_of_life();
        // The packet that opened the stream may also have carried the FIN of an earlier stream.
        self.lingering.forget_ended();
        match self.tell(Scheduler::handle_incoming) {
            Some(Ok(())) => self.sessions.incoming.push_back((send, recv)),
            Some(Err(refusal)) => Abort::for_refusal(refusal).abort(&mut send, &mut recv),
            None => Abort::Busy.abort(&mut send, &mut recv),
        }
    }

    pub(super) fn accept(&mut self, session: SessionId, terms: Terms) {
        let Some((send, recv)) = self.sessions.incoming.pop_front() else {
            return self.report_unstarted(session, SessionEnd::Displaced);
        };
        let (id, shared) = (self.id, self.shared.clone());
        let claims = SessionClaims { schedule: shared.schedule.clone(), session };
        let work = session::accept(shared, id, claims, terms, send, recv);
        self.sessions.accepted = Some(Running { session, work: Work::new(work), serves: () });
    }

    pub(super) fn refuse(&mut self, reason: Refusal) {
        if let Some((mut send, mut recv)) = self.sessions.incoming.pop_front() {
            Abort::for_refusal(reason).abort(&mut send, &mut recv);
        }
    }

    /// Drops the peer's waiting sessions.
    pub(super) fn drop_incoming(&mut self) {
        if !self.sessions.incoming.is_empty() {
            self.sessions.incoming.clear();
            self.tell(Scheduler::handle_incoming_gone);
        }
    }

    // Ends of sessions.

    pub(super) fn on_opened_ended(&mut self, ended: Option<Ended>) {
        let Some(Running { session, serves, .. }) = self.sessions.opened.take() else { return };
        let ended = ended.unwrap_or_else(Ended::panicked);
        let result = self.note_end(&ended);
        match (serves, result) {
            (Serves::Node(callers), Some(result)) => answer(callers, &result),
            (Serves::Preview(preview), Some(result)) => _ = preview.answer.send(result),
            // The session is reopened; its callers keep waiting.
            (Serves::Node(callers), None) => self.sessions.callers.extend(callers),
            (Serves::Preview(preview), None) => self.sessions.previews.push_front(preview),
        }
        match &ended.result {
            Err(Failure::Unresponsive) => {
                let cause = HandshakeError::TimedOut;
                self.give_up_link(Close::Unresponsive, Disconnect::Gone, cause);
            }
            Err(Failure::Replaced) => {
                // A session reopened on a closed connection would fail immediately, in a loop.
                let over = self.link.as_ref().and_then(|link| link.connection.close_reason());
                if let Some(error) = over {
                    self.on_closed(&error);
                }
            }
            _ => {}
        }
        self.report(session, ended);
        self.give_up_hopeless_requests();
        if !self.sessions.callers.is_empty() {
            self.request();
        }
    }

    pub(super) fn on_accepted_ended(&mut self, ended: Option<Ended>) {
        let Some(Running { session, .. }) = self.sessions.accepted.take() else { return };
        let ended = ended.unwrap_or_else(Ended::panicked);
        self.note_end(&ended);
        self.report(session, ended);
    }

    /// Records and publishes the end of a session. Does nothing and returns `None` if a
    /// crossing session or a newer connection displaced the session.
    fn note_end(&mut self, ended: &Ended) -> Option<Result<SessionReport, SyncError>> {
        let result = match &ended.result {
            Ok(report) => Ok(report.clone()),
            Err(Failure::Crossed | Failure::Replaced) => return None,
            Err(Failure::Unresponsive) => Err(SyncError::TimedOut(TimedStep::Answer)),
            Err(Failure::Failed(error)) => Err(error.clone()),
        };
        let bytes = [ended.bytes_sent, ended.bytes_received];
        self.shared.publish_session(self.id, result.as_ref(), bytes);
        self.state.notes().note_session(&result, bytes, self.now);
        if result.is_ok() {
            self.note_sign_of_life();
        }
        Some(result)
    }

    /// Keeps the session's stream if it must linger, and reports the end of the session to the
    /// scheduler.
    fn report(&mut self, session: SessionId, mut ended: Ended) {
        if let Some(linger) = ended.linger.take() {
            self.lingering.add(linger, self.now);
        }
        let roots = (ended.stats.applied > 0).then(|| self.shared.source.summaries());
        self.tell(|scheduler, id, now| {
            if let Some(roots) = roots {
                scheduler.handle_roots(roots, now);
            }
            scheduler.handle_session_ended(id, session, ended.end(), ended.used(), now);
        });
    }
}

fn answer(mut callers: Vec<Answer>, result: &Result<SessionReport, SyncError>) {
    // A caller that stopped waiting needs no answer.
    callers.drain(..).for_each(|caller| _ = caller.send(result.clone()));
}
