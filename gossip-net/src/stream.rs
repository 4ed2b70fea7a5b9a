//! Sends and receives whole frames over a QUIC stream. Sizes are checked before allocation, and
//! every wait has a deadline.

use engram_gossip_proto::schedule::Refusal;
use engram_gossip_proto::{DecodeError, FrameHeader, HEADER_LEN};
use quinn::{ConnectionError, ReadError, RecvStream, SendStream, VarInt, WriteError};
use tokio::time::{Instant, timeout_at};

use crate::link::{Close, diagnose};
use crate::task::at_once;
use crate::{HandshakeError, SyncError, TimedStep};

/// The reason for aborting a stream, sent to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abort {
    /// The acceptor is already running its maximum number of sessions, another session of the
    /// opener is waiting, or the opener has left the acceptor's roster.
    Busy,
    /// The acceptor has opened a session itself and has the smaller id.
    Crossed,
    /// The opener has used up its quota at the acceptor, or the acceptor has exceeded its send
    /// rate.
    OverAllowance,
    /// The aborting side cannot run a session, or received an invalid frame header or a premature
    /// end of the stream.
    Failed,
    /// The other side took too long.
    TimedOut,
}

/// The reason why reading or writing a frame failed.
#[derive(Debug)]
pub(crate) enum StreamError {
    /// The connection ended.
    Connection(ConnectionError),
    /// The peer aborted the stream.
    Aborted(Option<Abort>),
    /// The peer ended the stream before the next frame was complete.
    Ended,
    /// The deadline passed.
    TimedOut(TimedStep),
    /// The frame header is invalid.
    Header(DecodeError),
}

impl Abort {
    const ALL: [Self; 5] =
        [Self::Busy, Self::Crossed, Self::Failed, Self::TimedOut, Self::OverAllowance];

    fn code(self) -> VarInt {
        VarInt::from_u32(match self {
            Self::Busy => 1,
            Self::Crossed => 2,
            Self::Failed => 3,
            Self::TimedOut => 4,
            Self::OverAllowance => 5,
        })
    }

    fn of(code: VarInt) -> Option<Self> {
        Self::ALL.into_iter().find(|abort| abort.code() == code)
    }

    /// The code for a refusal by the scheduler.
    pub(crate) fn for_refusal(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Crossed => Self::Crossed,
            Refusal::OverQuota => Self::OverAllowance,
            _ => Self::Busy,
        }
    }

    /// Aborts both directions of a stream. Has no effect on a closed stream.
    pub(crate) fn abort(self, send: &mut SendStream, recv: &mut RecvStream) {
        _ = send.reset(self.code());
        _ = recv.stop(self.code());
    }
}

/// A stream that carries frames.
pub(crate) struct FrameStream {
    send: SendStream,
    recv: RecvStream,
    /// An earlier stream whose FIN shares a packet with the first frame of this one.
    before: Option<SendStream>,
    /// The received bytes: the frame returned last, and the bytes that follow it.
    arrived: Vec<u8>,
    /// The length of the frame returned last.
    handed_out: usize,
    /// Whether the last frame was received rather than sent.
    heard_last: bool,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
}

/// The remaining step of closing an ended session's stream.
pub(crate) enum Linger {
    /// The peer's direction may still be open, usually because this side sent the last frame. The
    /// end of that direction confirms that the whole frame arrived; dropping the stream earlier
    /// would ask the peer to reset the direction.
    Drain(RecvStream),
    /// The peer sent the last frame and has received everything. Only the FIN remains; dropping the
    /// stream sends it. The stream is held until another packet can carry the FIN, because a
    /// separate packet would double the number of packets of a session that finds no difference.
    PendingFin(SendStream),
}

impl FrameStream {
    pub(crate) fn after(before: Option<SendStream>, send: SendStream, recv: RecvStream) -> Self {
        Self {
            send,
            recv,
            before,
            arrived: Vec::new(),
            handed_out: 0,
            heard_last: false,
            bytes_sent: 0,
            bytes_received: 0,
        }
    }

    /// Sends one whole frame before `deadline`.
    pub(crate) async fn write(
        &mut self,
        frame: Vec<u8>,
        deadline: Instant,
    ) -> Result<(), StreamError> {
        let len = frame.len() as u64;
        timeout_at(deadline, self.send.write_chunk(frame.into()))
            .await
            .map_err(|_| StreamError::TimedOut(TimedStep::TakeFrame))??;
        self.bytes_sent += len;
        self.heard_last = false;
        // Drop the earlier stream before the next await, so that its FIN shares a packet with this
        // frame.
        self.before = None;
        Ok(())
    }

    /// Receives one whole frame, including its header, before `deadline`.
    ///
    /// The buffer grows with the received bytes: an announced length alone allocates nothing.
    pub(crate) async fn read(&mut self, deadline: Instant) -> Result<&[u8], StreamError> {
        timeout_at(deadline, self.read_whole())
            .await
            .map_err(|_| StreamError::TimedOut(TimedStep::SendFrame))??;
        self.heard_last = true;
        Ok(&self.arrived[..self.handed_out])
    }

    /// Reads until the next frame is complete.
    async fn read_whole(&mut self) -> Result<(), StreamError> {
        self.arrived.drain(..std::mem::take(&mut self.handed_out));
        let mut len = HEADER_LEN;
        loop {
            if let Some(header) = self.arrived.first_chunk() {
                len = HEADER_LEN
                    + FrameHeader::parse(header).map_err(StreamError::Header)?.body_len();
            }
            if self.arrived.len() >= len {
                self.handed_out = len;
                return Ok(());
            }
            // A chunk usually contains the bytes of one packet.
            let chunk = self.recv.read_chunk(usize::MAX, true).await?;
            let chunk = chunk.ok_or(StreamError::Ended)?.bytes;
            self.bytes_received += chunk.len() as u64;
            self.arrived.extend_from_slice(&chunk);
        }
    }

    /// Aborts both directions.
    pub(crate) fn abort(&mut self, abort: Abort) {
        abort.abort(&mut self.send, &mut self.recv);
    }

    /// Closes the stream of an ended session. Returns `None` if no step remains, for example after
    /// an abort.
    pub(crate) fn end(mut self) -> Option<Linger> {
        if self.heard_last && has_ended(&mut self.recv) {
            return Some(Linger::PendingFin(self.send));
        }
        self.send.finish().is_ok().then_some(Linger::Drain(self.recv))
    }
}

/// Whether the peer's direction of a stream has ended.
pub(crate) fn has_ended(recv: &mut RecvStream) -> bool {
    !matches!(at_once(recv.read_chunk(1, true)), None | Some(Ok(Some(_))))
}

impl StreamError {
    /// The code to abort the stream with; `None` if the connection ended or the peer aborted the
    /// stream.
    pub(crate) fn abort(&self) -> Option<Abort> {
        match self {
            Self::Connection(_) | Self::Aborted(_) => None,
            Self::TimedOut(_) => Some(Abort::TimedOut),
            Self::Ended | Self::Header(_) => Some(Abort::Failed),
        }
    }
}

impl From<StreamError> for SyncError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Connection(error) => match (Close::of(&error), diagnose(&error)) {
                (Some(Close::Shutdown), _) => Self::ShuttingDown,
                (Some(close), _) => Self::Lost(close.reason().into()),
                (None, HandshakeError::Closed(text)) => Self::Lost(text),
                (None, HandshakeError::TimedOut) => Self::Lost("no response".into()),
                // Only now does the dialler learn that the acceptor refused its certificate.
                (None, refused) => Self::Unreachable(refused),
            },
            StreamError::Aborted(Some(Abort::Busy | Abort::Crossed)) => Self::Busy,
            StreamError::Aborted(Some(Abort::OverAllowance)) => Self::OverAllowance,
            StreamError::Aborted(Some(Abort::Failed)) => Self::Rejected,
            StreamError::Aborted(Some(Abort::TimedOut)) => Self::TooSlow,
            StreamError::Aborted(None) | StreamError::Ended => Self::Cut,
            StreamError::TimedOut(what) => Self::TimedOut(what),
            StreamError::Header(error) => Self::Session(error.into()),
        }
    }
}

impl From<WriteError> for StreamError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stopped(code) => Self::Aborted(Abort::of(code)),
            WriteError::ConnectionLost(error) => Self::Connection(error),
            WriteError::ClosedStream | WriteError::ZeroRttRejected => Self::Aborted(None),
        }
    }
}

impl From<ReadError> for StreamError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Reset(code) => Self::Aborted(Abort::of(code)),
            ReadError::ConnectionLost(error) => Self::Connection(error),
            _ => Self::Aborted(None),
        }
    }
}
