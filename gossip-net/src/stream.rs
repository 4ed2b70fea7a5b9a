//! Whole frames over a QUIC stream, with caps before allocation and deadlines on every wait.

use engram_gossip_proto::schedule::Refusal;
use engram_gossip_proto::{DecodeError, FrameHeader, HEADER_LEN};
use quinn::{ConnectionError, ReadError, RecvStream, SendStream, VarInt, WriteError};
use tokio::time::{Instant, timeout_at};

use crate::link::{Close, diagnose};
use crate::task::at_once;
use crate::{HandshakeError, SyncError, TimedStep};

/// Why a stream is given up, as the peer reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abort {
    /// The acceptor has as many sessions as it takes.
    Busy,
    /// The acceptor has opened a session itself, and its id is the smaller one.
    Crossed,
    /// The opener, or all peers together, have used up what the acceptor grants.
    OverAllowance,
    /// The side that aborts cannot hold a session, or was sent what is no frame.
    Failed,
    /// The other side took too long.
    TimedOut,
}

/// Why the wait for a frame, or for room to send one, was over.
#[derive(Debug)]
pub(crate) enum StreamError {
    /// The connection is over.
    Connection(ConnectionError),
    /// The peer gave the stream up.
    Aborted(Option<Abort>),
    /// The peer ended the stream where a frame had to follow.
    Ended,
    /// The deadline passed.
    TimedOut(TimedStep),
    /// The header announces what no frame may be.
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

    /// The code for a refusal of the scheduler.
    pub(crate) fn for_refusal(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Crossed => Self::Crossed,
            Refusal::OverQuota => Self::OverAllowance,
            _ => Self::Busy,
        }
    }

    /// Gives both directions of a stream up. One that is closed already is left alone.
    pub(crate) fn abort(self, send: &mut SendStream, recv: &mut RecvStream) {
        _ = send.reset(self.code());
        _ = recv.stop(self.code());
    }
}

/// A stream that carries frames.
pub(crate) struct FrameStream {
    send: SendStream,
    recv: RecvStream,
    /// An earlier stream, whose end leaves together with the first frame of this one.
    before: Option<SendStream>,
    /// What has arrived: a frame that was handed out, and what follows it.
    arrived: Vec<u8>,
    /// The length of the frame that was handed out.
    handed_out: usize,
    /// Whether the last frame was the peer's.
    heard_last: bool,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
}

/// How the stream of an ended session is closed.
pub(crate) enum Linger {
    /// This side spoke last. The end of the peer's direction tells that all of it arrived; to drop the
    /// stream before would ask the peer for a reset.
    Drain(RecvStream),
    /// The peer spoke last and has all that was sent. Only the end of the stream is left to be told,
    /// by dropping it; a packet for that alone would double those of a session that finds nothing.
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
        // Dropped before the next wait, its end leaves in the packet of this frame.
        self.before = None;
        Ok(())
    }

    /// Receives one whole frame, header included, before `deadline`.
    ///
    /// The buffer grows with the bytes that arrive: an announced length alone allocates nothing.
    pub(crate) async fn read(&mut self, deadline: Instant) -> Result<&[u8], StreamError> {
        timeout_at(deadline, self.read_whole())
            .await
            .map_err(|_| StreamError::TimedOut(TimedStep::SendFrame))??;
        self.heard_last = true;
        Ok(&self.arrived[..self.handed_out])
    }

    /// Reads until the next frame is here whole.
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
            // A chunk is what one packet brought.
            let chunk = self.recv.read_chunk(usize::MAX, true).await?;
            let chunk = chunk.ok_or(StreamError::Ended)?.bytes;
            self.bytes_received += chunk.len() as u64;
            self.arrived.extend_from_slice(&chunk);
        }
    }

    /// Gives both directions up.
    pub(crate) fn abort(&mut self, abort: Abort) {
        abort.abort(&mut self.send, &mut self.recv);
    }

    /// Ends a session that is over. After an abort nothing is left to do.
    pub(crate) fn end(mut self) -> Option<Linger> {
        if self.heard_last && has_ended(&mut self.recv) {
            return Some(Linger::PendingFin(self.send));
        }
        self.send.finish().is_ok().then_some(Linger::Drain(self.recv))
    }
}

/// Whether nothing is left to arrive on a stream.
pub(crate) fn has_ended(recv: &mut RecvStream) -> bool {
    !matches!(at_once(recv.read_chunk(1, true)), None | Some(Ok(Some(_))))
}

impl StreamError {
    /// How to tell the peer, if it can still be told.
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
                (None, HandshakeError::TimedOut) => Self::Lost("no sign of life".into()),
                // A dialler learns only now what the acceptor thought of its certificate.
                (None, refused) => Self::Unreachable(refused),
            },
            StreamError::Aborted(Some(Abort::Busy | Abort::Crossed)) => Self::Busy,
            StreamError::Aborted(Some(Abort::OverAllowance)) => Self::OverAllowance,
            StreamError::Aborted(Some(Abort::Failed)) => Self::Rejected,
            StreamError::Aborted(Some(Abort::TimedOut)) => Self::TimedOut(TimedStep::Wait),
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
