//! The rules of a session that a peer can break.

/// A rule of the protocol that the peer broke. The session ends; records that were applied before
/// are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolViolation {
    /// The first frame is not a hello.
    #[error("the first frame is not a hello")]
    NoHello,
    /// The peer sends a second hello.
    #[error("a second hello")]
    SecondHello,
    /// The opener's hello carries no digest of its parameters.
    #[error("an opening hello without a digest of its parameters")]
    NoParameterDigest,
    /// The answer to a hello carries a digest of parameters, which only the opener sends.
    #[error("a digest of parameters in the answer to a hello")]
    UnexpectedParameterDigest,
    /// A hello describes its spaces in a form that belongs to a later message.
    #[error("a hello with neither its spaces nor their digest")]
    NoSpaces,
    /// The peer answers with a digest of its spaces, which claims equality, but the digest differs.
    #[error("an answer with a digest of spaces that differs")]
    FalseEquality,
    /// A message follows although all spaces are equal.
    #[error("a message after equal hellos")]
    AfterEquality,
    /// Another message arrives instead of an answer about spaces.
    #[error("another message in place of an answer about spaces")]
    SpacesExpected,
    /// A message about spaces arrives after they were settled.
    #[error("a message about spaces after they were settled")]
    LateSpaces,
    /// An answer about spaces has a form that this side did not ask for.
    #[error("an unexpected answer about spaces")]
    UnexpectedSpaces,
    /// The answer to a table does not have one bit for each space.
    #[error("an answer to a table without one bit for each space")]
    HostsCount,
    /// The answer to a table sets bits beyond the table.
    #[error("an answer to a table with bits beyond it")]
    HostsBeyondTable,
    /// A table names a space outside its buckets.
    #[error("a table with a space outside its buckets")]
    SpaceOutsideBuckets,
    /// The peer lists a space as missing from this side's table, but this side hosts it.
    #[error("a list of other spaces that includes a space of the receiver")]
    SpaceIsHosted,
    /// A message is about a space that one side does not host.
    #[error("a space that is not shared")]
    UnsharedSpace,
    /// The peer sends a second version summary of a space, although this side did not ask for it,
    /// or asked for a whole one and this one is relative.
    #[error("a second version summary")]
    SecondSummary,
    /// A version summary is relative to a summary that this side did not send.
    #[error("a version summary relative to a base that was not sent")]
    UnknownBase,
    /// A version summary changes entries that its base does not have.
    #[error("a version summary that changes entries beyond its base")]
    SummaryBeyondBase,
    /// A version summary has a separate entry for a node that is in its base.
    #[error("a version summary that repeats a node of its base")]
    SummaryRepeatsBase,
    /// An offer of ranges arrives without being expected, or arrives twice.
    #[error("an unexpected offer of ranges")]
    UnexpectedOffer,
    /// An answer to ranges arrives without an open offer.
    #[error("an unexpected answer to ranges")]
    UnexpectedAnswer,
    /// The answer to an offer does not have one bit for each range.
    #[error("an answer to ranges without one bit for each range")]
    TakenCount,
    /// The answer to an offer sets bits beyond its ranges.
    #[error("an answer to ranges with bits beyond them")]
    TakenBeyondOffer,
    /// A subtree arrives that this side did not ask for, or arrives twice.
    #[error("an unsolicited or repeated subtree")]
    UnsolicitedSubtree,
    /// A part of a content does not follow the previous one.
    #[error("a part that does not follow the previous one")]
    PartOutOfOrder,
    /// The parts of a content do not decode to exactly one content.
    #[error("a content in parts that is not one content")]
    NotOneContent,
    /// Records, parts of another space or the end of the turn arrive before the last part of a
    /// content.
    #[error("a content whose last part is missing")]
    MissingPart,
    /// A `Done` does not end its turn.
    #[error("a turn that continues after its end")]
    TurnAfterEnd,
    /// A frame other than a refusal arrives during this side's turn.
    #[error("a frame out of turn")]
    OutOfTurn,
    /// The final roots claim to equal roots that this side did not send.
    #[error("final roots that claim to equal roots that were not sent")]
    UnnamedRoots,
    /// The final roots claim to cover all shared spaces, but do not.
    #[error("final roots that claim to cover all spaces, but do not")]
    MissingRoots,
}
