//! All limits of the wire format and of sessions, in one place.
//!
//! Each cap is checked before memory of that size is allocated. A peer that exceeds a limit of the
//! wire is refused, and the refusal names the limit. Changing such a limit requires a new wire
//! version. `PROTOCOL.md` lists all limits for other implementations. The limits of patterns belong
//! to their codec, [`PatternContent`](crate::PatternContent).

/// Maximum size of a frame in bytes, header included.
pub const MAX_FRAME: usize = 1 << 20;
/// Maximum size of a frame's body in bytes.
pub const MAX_BODY: usize = MAX_FRAME - crate::HEADER_LEN;
/// Maximum length in bytes of a parameter's name, of its value, of a string in a refusal, and of an
/// exceeded limit in `Done`.
pub const MAX_NAME: usize = 128;
/// Maximum number of host-defined pairs among the parameters.
pub const MAX_PARAMETERS: usize = 64;
/// Maximum length of a space's name in bytes.
pub const MAX_SPACE_NAME: usize = 64;
/// Maximum number of spaces that one session may cover, and that one side may name.
pub const MAX_SPACES: usize = 4_096;

/// Maximum number of tree nodes in one `SubtreeRequest`.
pub const MAX_NODES: usize = 1_024;
/// Maximum number of listings in one `SubtreeResponse`.
pub const MAX_LISTINGS: usize = 1_024;
/// Maximum number of entries in one listing.
pub const MAX_LINES: usize = 4_096;
/// Maximum length of a prefix in the descent, in nibbles; a subtree at this depth is listed,
/// however large it is.
pub const MAX_DEPTH: u8 = 12;
/// Maximum number of keys in one `PatternRequest`.
pub const MAX_WANTS: usize = 4_096;
/// Maximum number of nodes in the context sent with a wanted key; a longer context is omitted.
pub const MAX_WANT_CONTEXT: usize = 16;
/// Maximum number of digests of held contents sent with a wanted key; further digests are omitted.
pub const MAX_WANT_HOLDS: usize = 256;

/// Maximum number of records in one `PatternSync`.
pub const MAX_RECORDS: usize = 1_024;
/// Maximum number of contents in one `PatternSync`.
pub const MAX_CONTENTS: usize = 4_096;
/// Maximum number of distinct nodes in one `PatternRequest`, and of nodes, introduced nodes and
/// node tags in one `PatternSync`, for each kind separately.
pub const MAX_NODE_IDS: usize = 16_384;
/// Maximum length of a pattern id in bytes.
pub const MAX_ID: usize = 128;
/// Maximum number of parts of one `Record` in a message; a record with more parts is sent in
/// pieces.
pub const MAX_PARTS: usize = 8_192;
/// Maximum number of live dots that one node may have in a record.
pub const MAX_NODE_DOTS: usize = 16;
/// Maximum number of suppressed digests of one record.
pub const MAX_SUPPRESSED: usize = 1_024;
/// Maximum length of the causal-length set of one suppressed digest.
pub const MAX_SUPPRESSION_LENGTH: u32 = 1 << 31;
/// Maximum memory, in bytes, that the fields of one `PatternSync` may unfold to. Its contents have
/// a separate cap of the same size.
pub const MAX_UNFOLDED: usize = 4 << 20;
/// Maximum size of one content on the wire, in bytes without compression. A content that does not
/// fit into a frame is sent in parts.
pub const MAX_CONTENT_LEN: usize = 12 << 20;
/// Maximum memory, in bytes, that the decoder of one content in parts may allocate.
pub const MAX_CONTENT_MEMORY: usize = 2 * MAX_CONTENT_LEN + (64 << 10);
/// Maximum size of the contents sent ahead of one part of a record, in bytes without compression. A
/// receiver keeps at most this many bytes and at most [`MAX_NODE_DOTS`] contents until that part
/// arrives.
pub const MAX_AHEAD: usize = 24 << 20;

/// Maximum number of subtrees answered in one turn; the others wait for the next turn.
pub const NODES_PER_TURN: usize = 512;
/// Maximum number of subtrees, of records to send, and of requests that may wait at any time; the
/// limit applies to each kind separately. It also limits the nodes and listings that a side sends
/// in a session, the entries that it offers, and the keys that it remembers as sent by clocks, as
/// refused, or as unsendable without a name.
///
/// Further subtrees, records, requests and offers are left to the next session, and the outcome
/// reports this. Further keys are not remembered: this costs bytes, and further unsendable records
/// are not counted.
pub const MAX_PENDING: usize = 32_768;
/// Maximum number of records that the comparison of trees finds and that a side may send in a
/// session without a request.
///
/// Further records are first offered in a listing, and the receiver requests those that none of its
/// other sessions is fetching. Thus, a few records cost no extra turn, and many records are not
/// sent twice.
pub const MAX_UNASKED: u64 = 128;
/// Maximum number of records of one space that a side may send by clocks without offering their
/// ranges first. Also the maximum number of records of one space that it may send above its own
/// version summary.
pub const MAX_NEWS: u64 = 128;
/// Maximum number of entries in one version summary. A space with more nodes is compared by its
/// tree alone.
pub const MAX_SUMMARY: usize = 8_192;
/// Maximum number of entries in all version summaries that one side may send in a session.
pub const MAX_SUMMARIES: usize = 65_536;
/// Maximum number of bases that a [`ClockIndex`](crate::ClockIndex) keeps for its space.
pub const MAX_BASES: usize = 16;
/// Maximum number of nodes without held records for which a [`ClockIndex`](crate::ClockIndex) notes
/// refused versions.
pub const MAX_REFUSED_NODES: usize = 256;
/// Maximum number of consecutive sessions between two nodes that may leave a difference to the next
/// session without comparing the trees, because records by clocks are still outstanding.
pub const MAX_POSTPONED: u8 = 4;
/// Maximum number of unsendable records of one side that a session may name in `Done` and in the
/// outcome; further ones are only counted.
pub const MAX_UNSENDABLE: usize = 64;
/// Maximum number of events that may wait to be polled; further events are dropped.
pub const MAX_EVENTS: usize = 1_024;
/// Maximum number of turns in one session, counting both sides.
pub const MAX_TURNS: u32 = 4_096;
/// Maximum memory of a session in bytes, in addition to its views and the current frame.
///
/// This limit follows from those above, and a test checks it.
pub const MAX_SESSION_MEMORY: usize = 96 << 20;

/// Maximum size of a root advert in bytes.
pub const MAX_ADVERT: usize = 1_100;
