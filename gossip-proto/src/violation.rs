//! The rules of a session that a peer can break.

/// A rule of the protocol that the peer broke. The session ends; what was applied before stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolViolation {
    /// The first message is not a hello.
    #[error("the first frame is not a hello")]
    NoHello,
    /// A side says hello twice.
    #[error("a second hello")]
    SecondHello,
    /// The opener's hello carries no digest of its parameters.
    #[error("an opening hello without the digest of its parameters")]
    NoParameterDigest,
    /// The answer to a hello carries a digest of parameters, as only the opener's does.
    #[error("an answer to a hello with a digest of parameters")]
    UnexpectedParameterDigest,
    /// A hello names its spaces in a form that belongs to a later message.
    #[error("a hello that names neither its spaces nor their digest")]
    NoSpaces,
    /// The peer answers with a digest of its spaces, as if they were equal, and they are not.
    #[error("a digest of spaces that is called equal and is not")]
    FalseEquality,
    /// Further messages follow although all spaces are equal.
    #[error("a message after hellos that are equal")]
    AfterEquality,
    /// Another message comes in place of the table of spaces.
    #[error("another message in place of the table of spaces")]
    SpacesExpected,
    /// The table of spaces comes twice.
    #[error("a second table of spaces")]
    SecondSpaces,
    /// The answer about spaces has a form that does not fit the question.
    #[error("an answer about spaces that does not fit the question")]
    UnexpectedSpaces,
    /// The answer about spaces covers another number of spaces than the table.
    #[error("an answer about another number of spaces than were listed")]
    HostsCount,
    /// The answer about spaces sets bits beyond the table.
    #[error("an answer about spaces that were not listed")]
    HostsBeyondTable,
    /// The table of spaces covers another number of buckets than were asked for.
    #[error("a table of other buckets than were asked for")]
    OtherBuckets,
    /// A table or list names a space twice, or one that its sender did not announce.
    #[error("a space that is listed twice or out of place")]
    SpaceOutOfPlace,
    /// A message is about a space that not both sides host.
    #[error("a space that is not shared")]
    UnsharedSpace,
    /// A version summary comes twice.
    #[error("a second version summary")]
    SecondSummary,
    /// A version summary refers to a base that this side did not name.
    #[error("a version summary over a base that was not named")]
    UnknownBase,
    /// A version summary changes entries that its base does not have.
    #[error("a version summary beyond its base")]
    SummaryBeyondBase,
    /// An offer of ranges comes unasked or twice.
    #[error("an unexpected offer of ranges")]
    UnexpectedOffer,
    /// An answer to an offer comes without the offer, or does not fit it.
    #[error("an unexpected answer to ranges")]
    UnexpectedAnswer,
    /// A subtree comes that this side did not ask for, or comes twice.
    #[error("an unsolicited or repeated subtree")]
    UnsolicitedSubtree,
    /// A part of a content does not follow the part before it.
    #[error("a part that does not follow the previous one")]
    PartOutOfOrder,
    /// The parts of one content hold several.
    #[error("several contents in the parts of one")]
    SeveralContents,
    /// The turn ends before the last part of a content.
    #[error("a content whose last part is missing")]
    MissingPart,
    /// Frames follow the last frame of a turn.
    #[error("a turn that continues after its end")]
    TurnAfterEnd,
    /// A frame other than a refusal comes while it is this side's turn.
    #[error("a frame out of turn")]
    OutOfTurn,
    /// The peer calls roots equal that this side did not name.
    #[error("roots called equal that were not named")]
    UnnamedRoots,
    /// The final roots leave out spaces.
    #[error("final roots that leave out spaces")]
    MissingRoots,
}
