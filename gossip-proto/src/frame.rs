//! The fixed header of every frame, encoded by hand so that any version can read it.

use alloc::vec::Vec;

use crate::DecodeError;
use crate::limits::MAX_BODY;

/// Length of a frame's header in bytes.
pub const HEADER_LEN: usize = 9;
/// The wire version that this crate speaks.
pub const WIRE_VERSION: u8 = 1;

const MAGIC: [u8; 2] = *b"EG";
const ENDS_TURN: u8 = 0b0000_0001;
const FLAGS_AT: usize = 4;

/// The kind of a frame. The numbers are part of the wire format; new kinds are only appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Kind {
    /// The sender ends the session and gives a reason.
    Refuse = 0,
    /// The hello: parameters, capabilities, and the roots of the sender's spaces.
    MerkleRootExchange = 1,
    /// After the hellos, narrows down further which spaces differ.
    Spaces = 2,
    /// Digests of subtrees; the receiver descends where its own digests differ.
    SubtreeRequest = 3,
    /// The entries of small subtrees, or entries that the sender offers.
    SubtreeResponse = 4,
    /// Keys whose records the sender wants.
    PatternRequest = 5,
    /// Records, whole or in pieces, with the contents that the receiver lacks.
    PatternSync = 6,
    /// The sender has nothing more to send. Carries the sender's current roots.
    Done = 7,
    /// A version summary; the receiver sends the records above it.
    Versions = 8,
    /// The ranges of records above a version summary, with their record counts.
    RangeOffer = 9,
    /// The offered ranges that the sender takes.
    RangeAnswer = 10,
    /// One part of a content; the content is too large for a single frame.
    ContentPart = 11,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Refuse,
        Self::MerkleRootExchange,
        Self::Spaces,
        Self::SubtreeRequest,
        Self::SubtreeResponse,
        Self::PatternRequest,
        Self::PatternSync,
        Self::Done,
        Self::Versions,
        Self::RangeOffer,
        Self::RangeAnswer,
        Self::ContentPart,
    ];

    fn from_wire(byte: u8) -> Result<Self, DecodeError> {
        Self::ALL.get(usize::from(byte)).copied().ok_or(DecodeError::Kind(byte))
    }
}

/// The header of a frame: `magic[2] version kind flags body_length[4]`, with little-endian numbers.
///
/// A transport reads [`HEADER_LEN`] bytes, parses them, then reads [`body_len`](Self::body_len)
/// more; the length is within [`MAX_BODY`](crate::limits::MAX_BODY), so it is safe to allocate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The kind of the body.
    pub kind: Kind,
    /// Whether this is the last frame of the sender's turn.
    pub ends_turn: bool,
    body_len: u32,
}

impl FrameHeader {
    /// Decodes a header.
    ///
    /// # Errors
    /// [`DecodeError`] if `bytes` do not begin a frame of this wire version, or if the announced
    /// body is larger than its cap.
    pub fn parse(bytes: &[u8; HEADER_LEN]) -> Result<Self, DecodeError> {
        let [m0, m1, version, kind, flags, length @ ..] = *bytes;
        if [m0, m1] != MAGIC {
            return Err(DecodeError::Magic([m0, m1]));
        }
        if version != WIRE_VERSION {
            return Err(DecodeError::Version { ours: WIRE_VERSION, theirs: version });
        }
        let kind = Kind::from_wire(kind)?;
        if flags & !ENDS_TURN != 0 {
            return Err(DecodeError::Flags(flags));
        }
        let body_len = u32::from_le_bytes(length);
        if body_len as usize > MAX_BODY {
            return Err(DecodeError::OverLimit {
                what: "frame body",
                value: body_len.into(),
                cap: MAX_BODY as u64,
            });
        }
        Ok(Self { kind, ends_turn: flags & ENDS_TURN != 0, body_len })
    }

    /// Length of the body in bytes.
    pub fn body_len(&self) -> usize {
        self.body_len as usize
    }
}

/// Splits a whole frame into header and body.
pub(crate) fn split(frame: &[u8]) -> Result<(FrameHeader, &[u8]), DecodeError> {
    let (header, body) =
        frame.split_first_chunk().ok_or(DecodeError::Truncated("the frame header"))?;
    let header = FrameHeader::parse(header)?;
    match body.len().checked_sub(header.body_len()) {
        None => Err(DecodeError::Truncated("the frame body")),
        Some(0) => Ok((header, body)),
        Some(extra) => Err(DecodeError::Trailing(extra)),
    }
}

/// Begins a frame. The caller appends the body and calls [`finish`].
pub(crate) fn begin(kind: Kind) -> Vec<u8> {
    let mut frame = Vec::with_capacity(128);
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&[WIRE_VERSION, kind as u8, 0, 0, 0, 0, 0]);
    frame
}

/// Writes the length of the body into the header.
///
/// A session splits its messages by measured size, so a body larger than its cap means a bug in
/// this crate or a hand-built message.
pub(crate) fn finish(frame: &mut [u8]) {
    let body_len = frame.len() - HEADER_LEN;
    debug_assert!(body_len <= MAX_BODY, "a body of {body_len} bytes exceeds its cap");
    frame[FLAGS_AT + 1..HEADER_LEN].copy_from_slice(&(body_len as u32).to_le_bytes());
}

/// Marks a frame as the last of its sender's turn.
pub(crate) fn end_turn(frame: &mut [u8]) {
    frame[FLAGS_AT] |= ENDS_TURN;
}
