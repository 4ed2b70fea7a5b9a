//! One session: drives the sync machine of gossip-proto over a stream.

use std::sync::Arc;

use engram_gossip_proto::schedule::{SessionEnd, Terms, Used};
use engram_gossip_proto::{Ending, Event as Notice, SessionError, Stats};
use quinn::{Connection, ConnectionError, RecvStream, SendStream};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use crate::limits::{FRAME_TIMEOUT, SESSION_TIMEOUT};
use crate::link::Close;
use crate::node::Shared;
use crate::replicas::{Machine, NewMachine, Source};
use crate::report::{Opener, SessionReport};
use crate::schedule::SessionClaims;
use crate::stream::{Abort, FrameStream, Linger, StreamError};
use crate::{NodeId, SyncError, TimedStep};

/// The size in bytes above which a session yields to the runtime after sending a frame, so that the
/// packets are sent early.
const LARGE: usize = 64 << 10;

/// The end of a session.
pub(crate) struct Ended {
    pub(crate) result: Result<SessionReport, Failure>,
    /// The remaining step of closing the stream, if any.
    pub(crate) linger: Option<Linger>,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    /// The statistics of the machine, also after a failure. They are zero if no machine ran or the
    /// view panicked.
    pub(crate) stats: Stats,
}

/// The reason why a session failed. It distinguishes the cases that the peer's task treats
/// differently.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The session crossed a session that the peer opened, which takes precedence. This node
    /// reopens its own session afterwards.
    Crossed,
    /// The connection was replaced, or this node closed it. A session that this node opened is
    /// reopened on the next connection.
    Replaced,
    /// The peer sent no bytes, so its connection counts as dead.
    Unresponsive,
    /// Any other error.
    Failed(SyncError),
}

/// Opens a session over `connection`. Calls `machine` once the stream is open. The first packet
/// carries the FIN of the stream `before`.
pub(crate) async fn open(
    shared: Arc<Shared>,
    peer: NodeId,
    machine: impl FnOnce(&dyn Source) -> NewMachine,
    connection: Connection,
    before: Option<SendStream>,
) -> Ended {
    let stream = match timeout(FRAME_TIMEOUT, connection.open_bi()).await {
        Ok(Ok((send, recv))) => FrameStream::after(before, send, recv),
        Ok(Err(error)) => return Ended::early(failure(StreamError::Connection(error), true)),
        Err(_) => return Ended::early(Failure::Failed(SyncError::Busy)),
    };
    let machine = machine(&*shared.source);
    run(&shared, machine, stream, peer, Opener::Us).await
}

/// Runs a session that the peer opened.
pub(crate) async fn accept(
    shared: Arc<Shared>,
    peer: NodeId,
    claims: SessionClaims,
    terms: Terms,
    send: SendStream,
    recv: RecvStream,
) -> Ended {
    let machine = shared.source.accept(peer, claims, terms);
    run(&shared, machine, FrameStream::after(None, send, recv), peer, Opener::Peer).await
}

/// Runs a session to its end.
async fn run(
    shared: &Shared,
    machine: NewMachine,
    mut stream: FrameStream,
    peer: NodeId,
    opener: Opener,
) -> Ended {
    let begun = Instant::now();
    let mut machine = match machine {
        Ok(machine) => machine,
        Err(error) => {
            stream.abort(Abort::Failed);
            return Ended::early(Failure::Failed(error.into()));
        }
    };
    let mut now = begun;
    let driver = Driver { shared, machine: &mut *machine, stream: &mut stream, peer, begun };
    let driven = driver.drive(&mut now).await;
    let (bytes_sent, bytes_received) = (stream.bytes_sent, stream.bytes_received);
    let unanswered = opener == Opener::Us && bytes_received == 0;
    let result = match (driven, machine.outcome()) {
        (Ok(()), Some(outcome)) => match &outcome.result {
            Ending::Failed(SessionError::Idle | SessionError::TimedOut) if unanswered => {
                Err(Failure::Unresponsive)
            }
            Ending::Failed(error) => Err(Failure::Failed(SyncError::Session(error.clone()))),
            _ => Ok(SessionReport {
                peer,
                opener,
                outcome: outcome.clone(),
                bytes_sent,
                bytes_received,
                elapsed: now - begun,
            }),
        },
        (Ok(()), None) => Err(Failure::Failed(SyncError::Cut)),
        (Err(error), _) => {
            if let Some(abort) = error.abort() {
                stream.abort(abort);
            }
            Err(failure(error, unanswered))
        }
    };
    let linger = stream.end();
    Ended { result, linger, bytes_sent, bytes_received, stats: machine.stats() }
}

/// The machine and the stream of one session.
struct Driver<'a> {
    shared: &'a Shared,
    machine: &'a mut dyn Machine,
    stream: &'a mut FrameStream,
    peer: NodeId,
    begun: Instant,
}

impl Driver<'_> {
    /// Moves frames between the machine and the stream until the machine has an outcome.
    ///
    /// The sides alternate, so the loop sends all frames and then waits. The machine limits the
    /// peer's silence and counts only whole frames, so a peer that sends single bytes gains no
    /// time. `now` is the time of the last event.
    async fn drive(self, now: &mut Instant) -> Result<(), StreamError> {
        let Self { shared, machine, stream, peer, begun } = self;
        let end = begun + SESSION_TIMEOUT;
        loop {
            while let Some(frame) = machine.poll_frame(*now - begun) {
                let is_large = frame.len() > LARGE;
                stream.write(frame, end.min(*now + FRAME_TIMEOUT)).await?;
                *now = Instant::now();
                if is_large {
                    // Let the connection send the frame while the machine builds the next one.
                    yield_now().await;
                }
            }
            publish(shared, machine, peer);
            if machine.outcome().is_some() {
                return Ok(());
            }
            if stream.bytes_received > 0 {
                // After each received frame, let the other work of the peer's task run.
                yield_now().await;
            }
            let time_limit = machine.poll_timeout().unwrap_or(SESSION_TIMEOUT);
            let read = stream.read(begun + time_limit.min(SESSION_TIMEOUT)).await;
            *now = Instant::now();
            match read {
                // After an invalid frame the machine has an outcome, and possibly a last frame to
                // send.
                Ok(frame) => {
                    _ = machine.handle_frame(frame, *now - begun);
                    publish(shared, machine, peer);
                }
                Err(StreamError::TimedOut(_)) if *now < end => machine.handle_timeout(*now - begun),
                Err(StreamError::TimedOut(_)) => {
                    return Err(StreamError::TimedOut(TimedStep::Finish));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Publishes the machine's events, and passes greetings to the replicas.
fn publish(shared: &Shared, machine: &mut dyn Machine, peer: NodeId) {
    while let Some(what) = machine.poll_event() {
        match what {
            Notice::Greeted(greeting) => shared.source.greeted(peer, greeting),
            what => shared.notice(peer, what),
        }
    }
}

fn failure(error: StreamError, unanswered: bool) -> Failure {
    match error {
        StreamError::Aborted(Some(Abort::Crossed)) => Failure::Crossed,
        StreamError::Connection(ConnectionError::LocallyClosed) => Failure::Replaced,
        StreamError::Connection(ref lost) if Close::of(lost) == Some(Close::Replaced) => {
            Failure::Replaced
        }
        StreamError::TimedOut(_) if unanswered => Failure::Unresponsive,
        error => Failure::Failed(error.into()),
    }
}

impl Ended {
    /// Converts the end of the session to the scheduler's type.
    pub(crate) fn end(&self) -> SessionEnd<'_> {
        match &self.result {
            Ok(report) => SessionEnd::Outcome(&report.outcome),
            Err(Failure::Crossed | Failure::Replaced) => SessionEnd::Displaced,
            Err(Failure::Failed(SyncError::OverAllowance)) => SessionEnd::OverQuota,
            Err(Failure::Unresponsive | Failure::Failed(_)) => SessionEnd::Failed,
        }
    }

    pub(crate) fn used(&self) -> Used {
        Used { stats: self.stats, sent: self.bytes_sent, received: self.bytes_received }
    }

    /// The end of a session whose view panicked.
    pub(crate) fn panicked() -> Self {
        Self::early(Failure::Failed(SyncError::Panicked))
    }

    fn early(failure: Failure) -> Self {
        Self {
            result: Err(failure),
            linger: None,
            bytes_sent: 0,
            bytes_received: 0,
            stats: Stats::default(),
        }
    }
}
