use thiserror::Error;

use crate::MAX_COUNTER;

/// Why a clock refused a counter. The clock is unchanged whenever one of these is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClockError {
    /// A counter of zero names no write: counting starts at one.
    #[error("a counter of zero names no write; nothing was changed, drop the dot")]
    ZeroCounter,
    /// The counter is above [`MAX_COUNTER`].
    #[error(
        "counter {counter} is above the cap {MAX_COUNTER}; \
         nothing was changed, refuse its sender"
    )]
    AboveCap {
        /// The counter that was offered.
        counter: u64,
    },
    /// The actor has used its last counter.
    #[error(
        "the actor has used its last counter, {MAX_COUNTER}; \
         nothing was changed, start a new incarnation"
    )]
    Exhausted,
    /// One step from what is known to what is claimed is longer than the caller allows.
    #[error(
        "a counter jumps from {known} to {claimed}, more than {max_jump}; \
         nothing was changed, refuse its sender"
    )]
    JumpTooFar {
        /// The highest counter known for the actor.
        known: u64,
        /// The counter that was offered.
        claimed: u64,
        /// The longest step that the caller allows.
        max_jump: u64,
    },
    /// The entries do not strictly ascend by actor.
    #[error(
        "entry {index} is not above the one before it; \
         nothing was built, sort the entries and name no actor twice"
    )]
    OutOfOrder {
        /// The first entry that is out of place, from 0.
        index: usize,
    },
}

/// Why a set of siblings refused a write or its parts. It is unchanged whenever one of these is
/// returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SiblingsError {
    /// The counter of the dot cannot exist.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The dot of a write is covered by the context already: the number was used before.
    #[error(
        "dot {counter} of its actor was seen before; \
         nothing was written, roll the incarnation and take a new dot"
    )]
    DotReused {
        /// The counter of the refused dot.
        counter: u64,
    },
    /// A live dot is not covered by the context that came with it.
    #[error("sibling {index} is not covered by its context; nothing was built, refuse its sender")]
    NotCovered {
        /// The first sibling that breaks the rule, from 0.
        index: usize,
    },
    /// The siblings do not strictly ascend by dot.
    #[error(
        "sibling {index} is not above the one before it; \
         nothing was built, sort by dot and name no dot twice"
    )]
    OutOfOrder {
        /// The first sibling that is out of place, from 0.
        index: usize,
    },
}

/// Why a [`DotSource`](crate::DotSource) gave no dot. The source is unchanged whenever one of these
/// is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Every counter of the lease was used.
    #[error("the counter lease is spent; no dot was issued, persist a new lease and accept it")]
    LeaseSpent,
    /// The actor has no counters left.
    #[error(
        "the actor has used its last counter, {MAX_COUNTER}; \
         no dot was issued, start a new incarnation"
    )]
    Exhausted,
    /// The lease belongs to another actor, reaches no further than the present one, or lies above
    /// the cap.
    #[error(
        "the lease does not continue this source; \
         it was not taken, propose a new one and persist that"
    )]
    ForeignLease,
    /// The incarnation offered for a new life is the present one.
    #[error("the fresh incarnation is the present one; nothing was rolled, draw another")]
    SameIncarnation,
}

/// Why bytes are not the encoding of anything. Nothing was built from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside a field, or a count promises more than the bytes can hold.
    #[error("the bytes end too early; refuse the frame")]
    UnexpectedEnd,
    /// Bytes are left over behind the last field.
    #[error("{count} bytes are left over; refuse the frame")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A field is written in another form than the one form that exists for its value.
    #[error("a field is not in its one canonical form; refuse the frame")]
    NotCanonical,
    /// Actors or dots do not strictly ascend.
    #[error("entries do not strictly ascend; refuse the frame")]
    OutOfOrder,
    /// A counter is above [`MAX_COUNTER`], or a dot above its context.
    #[error("a counter is out of its range; refuse the frame")]
    CounterOutOfRange,
    /// An index points behind the end of the actor table or of the context.
    #[error("an index names no actor; refuse the frame")]
    UnknownActor,
    /// An actor or a value breaks a rule of its own type.
    #[error("{0}; refuse the frame")]
    InvalidValue(&'static str),
}

/// A clock names an actor that the table does not hold. The output is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the clock names an actor that is not in the table; \
     nothing was written, build the table from every clock of the frame"
)]
pub struct NotInTable;
