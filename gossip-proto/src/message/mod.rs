//! The messages of the protocol, one variant per kind of frame.

mod clocks;
mod done;
mod hello;
mod patterns;
mod refusal;
mod subtree;

use alloc::vec::Vec;

pub(crate) use clocks::range_of;
pub use clocks::{RangeAnswer, RangeOffer, VersionBase, Versions};
pub use done::{Done, FinalRoots, UnsendableRecord, WalkedRoot};
pub use hello::{Greeting, Hello, HelloParameters, SpaceRoot, Spaces};
pub use patterns::{ContentPart, PatternRequest, PatternSync, Want};
pub use refusal::Refusal;
pub use subtree::{Line, Listing, Node, SubtreeRequest, SubtreeResponse};

use crate::wire::Reader;
use crate::{Compression, DecodeError, Kind, frame};

/// One message of the protocol.
///
/// A [`Session`](crate::Session) reads and writes messages itself; the type is public for tools
/// that inspect traffic and for tests of other implementations.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Message {
    /// The sender ends the session and gives a reason. There is no answer.
    Refuse(Refusal),
    /// The hello of both sides. The opener's is answered by the acceptor's; the session ends after
    /// them if all parameters and spaces are equal.
    MerkleRootExchange(Hello),
    /// Narrows down the spaces that differ. Answered by `Spaces`, unless it answers a table itself.
    /// After the answer to a table, `Versions`, `SubtreeRequest` or `SubtreeResponse` may follow in
    /// the same turn.
    Spaces(Spaces),
    /// Digests of subtrees. Answered by `SubtreeRequest` or `SubtreeResponse` for children that
    /// differ, and by `PatternSync` or an offer (`SubtreeResponse`) for records that the sender
    /// lacks.
    SubtreeRequest(SubtreeRequest),
    /// Entries of small subtrees. Answered by `PatternRequest`, and by `PatternSync` or an offer
    /// (`SubtreeResponse`) for records that the sender lacks.
    SubtreeResponse(SubtreeResponse),
    /// Keys whose records the sender wants. Answered by `PatternSync`, or by a `PatternRequest` for
    /// the same key if the receiver's record is older.
    PatternRequest(PatternRequest),
    /// Records. Answered by `PatternSync` with the requested records that differ from the received
    /// ones after the join, and by `PatternRequest` for records by clocks that lack a digest, a
    /// node or a content.
    PatternSync(PatternSync),
    /// Final roots. The session ends after two consecutive turns that end with `Done`, if the
    /// second turn contains nothing else.
    Done(Done),
    /// A version summary. Answered by the receiver's own summary, unless that was sent before, and
    /// by `PatternSync` or `RangeOffer`; or by `SubtreeRequest` or `SubtreeResponse` if the
    /// receiver cannot use the summary.
    Versions(Versions),
    /// The ranges of the records that the sender offers. Answered by `RangeAnswer`.
    RangeOffer(RangeOffer),
    /// The ranges that the sender takes. Answered by `PatternSync`.
    RangeAnswer(RangeAnswer),
    /// One part of a content that is too large for a single frame. Answered like the `PatternSync`
    /// that follows.
    ContentPart(ContentPart),
}

impl Message {
    /// The kind of frame that carries this message.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Refuse(_) => Kind::Refuse,
            Self::MerkleRootExchange(_) => Kind::MerkleRootExchange,
            Self::Spaces(_) => Kind::Spaces,
            Self::SubtreeRequest(_) => Kind::SubtreeRequest,
            Self::SubtreeResponse(_) => Kind::SubtreeResponse,
            Self::PatternRequest(_) => Kind::PatternRequest,
            Self::PatternSync(_) => Kind::PatternSync,
            Self::Done(_) => Kind::Done,
            Self::Versions(_) => Kind::Versions,
            Self::RangeOffer(_) => Kind::RangeOffer,
            Self::RangeAnswer(_) => Kind::RangeAnswer,
            Self::ContentPart(_) => Kind::ContentPart,
        }
    }

    /// Encodes the whole frame, header included. `compression` affects only `PatternSync`.
    ///
    /// A session splits its messages so that each obeys the limits. A hand-built message that
    /// exceeds a limit is still encoded, but every reader refuses it. If its body exceeds
    /// [`limits::MAX_BODY`](crate::limits::MAX_BODY), debug builds panic.
    pub fn encode(&self, compression: Compression, ends_turn: bool) -> Vec<u8> {
        let mut out = frame::begin(self.kind());
        match self {
            Self::Refuse(refusal) => refusal.encode(&mut out),
            Self::MerkleRootExchange(hello) => hello.encode(&mut out),
            Self::Spaces(spaces) => spaces.encode(&mut out),
            Self::SubtreeRequest(request) => request.encode(&mut out),
            Self::SubtreeResponse(response) => response.encode(&mut out),
            Self::PatternRequest(request) => request.encode(&mut out),
            Self::PatternSync(sync) => sync.encode(&mut out, compression),
            Self::Done(done) => done.encode(&mut out),
            Self::Versions(versions) => versions.encode(&mut out),
            Self::RangeOffer(offer) => offer.encode(&mut out),
            Self::RangeAnswer(answer) => answer.encode(&mut out),
            Self::ContentPart(part) => part.encode(&mut out),
        }
        frame::finish(&mut out);
        if ends_turn {
            frame::end_turn(&mut out);
        }
        out
    }

    /// Decodes one whole frame; the flag is true if the frame ends the sender's turn.
    ///
    /// # Errors
    /// [`DecodeError`] if `frame` is not the canonical encoding of a message. Whether it succeeds
    /// or fails, decoding allocates at most [`limits::MAX_UNFOLDED`](crate::limits::MAX_UNFOLDED)
    /// bytes plus a small multiple of the frame's length.
    pub fn decode(frame: &[u8]) -> Result<(Self, bool), DecodeError> {
        let (header, body) = frame::split(frame)?;
        let mut r = Reader::new(body);
        let message = match header.kind {
            Kind::Refuse => Self::Refuse(Refusal::decode(&mut r)?),
            Kind::MerkleRootExchange => Self::MerkleRootExchange(Hello::decode(&mut r)?),
            Kind::Spaces => Self::Spaces(Spaces::decode(&mut r)?),
            Kind::SubtreeRequest => Self::SubtreeRequest(SubtreeRequest::decode(&mut r)?),
            Kind::SubtreeResponse => Self::SubtreeResponse(SubtreeResponse::decode(&mut r)?),
            Kind::PatternRequest => Self::PatternRequest(PatternRequest::decode(&mut r)?),
            Kind::PatternSync => Self::PatternSync(PatternSync::decode(&mut r)?),
            Kind::Done => Self::Done(Done::decode(&mut r)?),
            Kind::Versions => Self::Versions(Versions::decode(&mut r)?),
            Kind::RangeOffer => Self::RangeOffer(RangeOffer::decode(&mut r)?),
            Kind::RangeAnswer => Self::RangeAnswer(RangeAnswer::decode(&mut r)?),
            Kind::ContentPart => Self::ContentPart(ContentPart::decode(&mut r)?),
        };
        r.end()?;
        Ok((message, header.ends_turn))
    }
}
