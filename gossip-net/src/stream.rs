//! Whole frames over a QUIC stream, with caps before allocation and deadlines on every wait.

use engram_gossip_proto::{DecodeError, FrameHeader, HEADER_LEN};
use quinn::{ConnectionError, ReadError, RecvStream, SendStream, VarInt, WriteError};
use tokio::time::{Instant, timeout_at};

use crate::limits::FRAME_TIMEOUT;
use crate::link::{Close, diagnose};
use crate::{HandshakeError, SyncError};

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
    TimedOut(&'static str),
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

    /// Gives both directions of a stream up. One that is closed already is left alone.
    pub(crate) fn abort(self, send: &mut SendStream, recv: &mut RecvStream) {
        _ = send.reset(self.code());
        _ = recv.stop(self.code());
    }
}

/// A stream that carries frames.
pub(crate) struct FrameStream {
    pub(crate) send: SendStream,
    pub(crate) recv: RecvStream,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
}

impl FrameStream {
    pub(crate) fn new(send: SendStream, recv: RecvStream) -> Self {
        Self { send, recv, bytes_sent: 0, bytes_received: 0 }
    }

    /// Sends one whole frame.
    pub(crate) async fn write(&mut self, frame: Vec<u8>) -> Result<(), StreamError> {
        let len = frame.len() as u64;
        let written = self.send.write_chunk(frame.into());
        timeout_at(Instant::now() + FRAME_TIMEOUT, written)
            .await
            .map_err(|_| StreamError::TimedOut("take a frame"))??;
        self.bytes_sent += len;
        Ok(())
    }

    /// Receives one whole frame, header included, before `deadline`.
    ///
    /// The buffer grows with the bytes that arrive: an announced length alone allocates nothing.
    pub(crate) async fn read(&mut self, deadline: Instant) -> Result<Vec<u8>, StreamError> {
        timeout_at(deadline, self.read_whole())
            .await
            .map_err(|_| StreamError::TimedOut("send a frame"))?
    }

    async fn read_whole(&mut self) -> Result<Vec<u8>, StreamError> {
        let mut frame = Vec::new();
        self.fill(&mut frame, HEADER_LEN).await?;
        let header = frame.first_chunk().expect("a whole header was read");
        let header = FrameHeader::parse(header).map_err(StreamError::Header)?;
        self.fill(&mut frame, HEADER_LEN + header.body_len()).await?;
        Ok(frame)
    }

    /// Reads until `frame` has `len` bytes, and not one more.
    async fn fill(&mut self, frame: &mut Vec<u8>, len: usize) -> Result<(), StreamError> {
        while frame.len() < len {
            let chunk = self.recv.read_chunk(len - frame.len(), true).await?;
            let chunk = chunk.ok_or(StreamError::Ended)?;
            self.bytes_received += chunk.bytes.len() as u64;
            frame.extend_from_slice(&chunk.bytes);
        }
        Ok(())
    }
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
            StreamError::Aborted(Some(Abort::TimedOut)) => Self::TimedOut("wait for this node"),
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
