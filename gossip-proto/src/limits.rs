//! Every cap of the wire and of the session, in one place.
//!
//! Each cap is checked before memory of that size is allocated. A peer that exceeds a limit of the
//! wire is refused, and the refusal names the limit. Changing such a limit needs a new wire
//! version. `PROTOCOL.md` lists all limits for other implementations. The limits of patterns belong
//! to their codec, [`PatternContent`](crate::PatternContent).

/// Bytes of one frame, header included.
pub const MAX_FRAME: usize = 1 << 20;
/// Bytes of a frame's body.
pub const MAX_BODY: usize = MAX_FRAME - crate::HEADER_LEN;
/// Bytes of each of these: the name of a parameter, its value, a text in a refusal.
pub const MAX_NAME: usize = 128;
/// Host-defined pairs among the parameters.
pub const MAX_PARAMETERS: usize = 64;
/// Bytes of the name of a space.
pub const MAX_SPACE_NAME: usize = 64;
/// Spaces that one session may cover, and spaces that one side may name.
pub const MAX_SPACES: usize = 4_096;

/// Nodes of the tree in one `SubtreeRequest`.
pub const MAX_NODES: usize = 1_024;
/// Listings in one `SubtreeResponse`.
pub const MAX_LISTINGS: usize = 1_024;
/// Entries of one listing.
pub const MAX_LINES: usize = 4_096;
/// Nibbles of the longest prefix of the descent; a subtree this deep is listed, however large.
pub const MAX_DEPTH: u8 = 12;
/// Keys in one `PatternRequest`.
pub const MAX_WANTS: usize = 4_096;
/// Nodes of a context sent with a wanted key; a longer context is omitted.
pub const MAX_WANT_CONTEXT: usize = 16;
/// Digests of held contents sent with a wanted key; further digests are omitted.
pub const MAX_WANT_HOLDS: usize = 256;

/// Records in one `PatternSync`.
pub const MAX_RECORDS: usize = 1_024;
/// Contents in one `PatternSync`.
pub const MAX_CONTENTS: usize = 4_096;
/// Distinct nodes in one `PatternSync` or `PatternRequest`.
pub const MAX_NODE_IDS: usize = 16_384;
/// Bytes of a pattern id.
pub const MAX_ID: usize = 128;
/// Parts of one `Record` in a message; a record with more parts travels in pieces.
pub const MAX_PARTS: usize = 8_192;
/// Live dots that one node may have in a record.
pub const MAX_NODE_DOTS: usize = 16;
/// Suppressed digests of one record.
pub const MAX_SUPPRESSED: usize = 1_024;
/// Length of the causal-length set of one suppressed digest.
pub const MAX_SUPPRESSION_LENGTH: u32 = 1 << 31;
/// Bytes of memory that the fields of one `PatternSync` may unfold to; its contents have the same
/// cap.
pub const MAX_UNFOLDED: usize = 4 << 20;
/// Bytes of one content on the wire without compression. A content that does not fit a frame
/// travels in parts.
pub const MAX_CONTENT_LEN: usize = 12 << 20;
/// Bytes of memory that the decoder of one content in parts may allocate.
pub const MAX_CONTENT_MEMORY: usize = 2 * MAX_CONTENT_LEN + (64 << 10);
/// Bytes of the contents ahead of one part of a record, on the wire without compression. A receiver
/// keeps at most this many bytes and at most [`MAX_NODE_DOTS`] contents until that part arrives.
pub const MAX_AHEAD: usize = 24 << 20;

/// Subtrees answered in one turn; the others wait for the next turn.
pub const NODES_PER_TURN: usize = 512;
/// Subtrees, records to send, or requests that may wait at any time; the limit applies to each kind
/// separately. Also limits the entries that a side offers in a session, and the keys that it
/// remembers as sent by clocks or as refused.
///
/// Further subtrees, records, requests and offers are left to the next session, and the outcome
/// says so. Further keys are not remembered, which only costs bytes.
pub const MAX_PENDING: usize = 32_768;
/// Records that a side may send in a session without being asked for them.
///
/// Further records are offered first, in a listing, and the receiver requests those that no other
/// of its sessions is bringing. Thus, a few records cost no extra turn, and many records are not
/// sent twice.
pub const MAX_UNASKED: u64 = 128;
/// Records that a side may send by clocks without offering their ranges first. Also the number of
/// records that it may send above its own version summary.
pub const MAX_NEWS: u64 = 128;
/// Entries of one version summary. A space with more nodes is compared by its tree alone.
pub const MAX_SUMMARY: usize = 8_192;
/// Entries of all version summaries that one side may send in a session.
pub const MAX_SUMMARIES: usize = 65_536;
/// Bases of one space that a [`ClockIndex`](crate::ClockIndex) may keep.
pub const MAX_BASES: usize = 16;
/// Nodes without held records whose refused versions a [`ClockIndex`](crate::ClockIndex) notes.
pub const MAX_REFUSED_NODES: usize = 256;
/// Consecutive sessions of one pair of nodes that may leave a difference to the next session
/// without comparing the trees, because records by clocks are still outstanding.
pub const MAX_POSTPONED: u8 = 4;
/// Unsendable records of one side that a session may name in `Done` and in the outcome; further
/// ones are only counted.
pub const MAX_UNSENDABLE: usize = 64;
/// Events that may wait to be polled; further events are dropped.
pub const MAX_EVENTS: usize = 1_024;
/// Turns of one session, both sides counted.
pub const MAX_TURNS: u32 = 4_096;
/// Maximum bytes of memory of a session, in addition to its views and the current frame.
///
/// It follows from the limits above; a test measures it.
pub const MAX_SESSION_MEMORY: usize = 96 << 20;

/// Bytes of a root advert.
pub const MAX_ADVERT: usize = 1_100;
