//! The limits of the transport and the scheduler.
//!
//! quinn's defaults would let one peer fill hundreds of mebibytes of memory. With these limits, one
//! peer's unread stream data takes at most [`CONNECTION_WINDOW`], the unacknowledged stream data
//! sent to it takes at most [`SEND_WINDOW`], and an unauthenticated remote causes only bounded
//! handshake work.

use std::num::NonZeroUsize;
use std::time::Duration;

pub use engram_gossip_proto::schedule::limits::*;

// Limits per connection.

/// Bidirectional streams that a peer may have open at once. A session uses one, and a peer runs one
/// session at a time. The others leave room for sessions that are being refused, and allow one
/// packet to grant several new streams. All streams share the connection's window.
pub const MAX_STREAMS: u32 = 32;
/// Bytes that a peer may send on one stream ahead of the reader.
pub const STREAM_WINDOW: u32 = 1024 * 1024;
/// Bytes that a peer may send on all streams of its connection ahead of the readers.
pub const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;
/// Sent bytes that may await a peer's acknowledgement.
pub const SEND_WINDOW: u64 = 2 * 1024 * 1024;
/// Unread datagram bytes from one peer. Beyond this limit, the oldest datagrams are dropped.
pub const DATAGRAM_RECEIVE_BUFFER: usize = 32 * 1024;
/// Datagram bytes queued for sending. Beyond this limit, the oldest datagrams are dropped.
pub const DATAGRAM_SEND_BUFFER: usize = 16 * 1024;
/// Bytes of handshake messages that may arrive out of order.
pub const CRYPTO_BUFFER: usize = 16 * 1024;

// Limits for unauthenticated remotes.

/// Connection attempts that may wait for the accept loop.
pub const MAX_INCOMING: usize = 256;
/// Bytes buffered for one waiting attempt.
pub const INCOMING_BUFFER: u64 = 64 * 1024;
/// Bytes buffered for all waiting attempts.
pub const INCOMING_BUFFER_TOTAL: u64 = 4 * 1024 * 1024;
/// Concurrent incoming handshakes; further attempts are refused.
pub const MAX_HANDSHAKES: usize = 64;
/// Number of running handshakes at which a further attempt has to prove its address first (QUIC
/// Retry).
pub const RETRY_ABOVE_HANDSHAKES: usize = 16;
/// Concurrent handshakes per address; further attempts from the address are refused.
pub const MAX_HANDSHAKES_PER_ADDRESS: usize = 32;
/// Time after an [`Event::Refused`](crate::Event::Refused) during which further refusals of the
/// same address for the same cause are only counted: 60 s.
pub const REFUSED_PERIOD: Duration = Duration::from_secs(60);
/// Maximum number of pairs of address and cause for which refusals are reported within
/// [`REFUSED_PERIOD`]. Refusals of further pairs appear only in
/// [`Stats::connections_failed`](crate::Stats::connections_failed).
pub const MAX_REFUSED_REMOTES: usize = 256;
/// Interval at which the certificates of connected peers are verified again: 10 min.
pub const RECHECK_INTERVAL: Duration = Duration::from_secs(600);
/// Concurrent name lookups. Each holds a blocking thread of the runtime until DNS answers.
pub const MAX_LOOKUPS: usize = 64;
/// Maximum duration of a name lookup: 5 s.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of addresses of a name that a dial tries.
pub const MAX_ADDRESSES: usize = 8;
/// How long a dial waits for an address to answer before it tries the next one in parallel (RFC
/// 8305, section 5): 250 ms.
pub const DIAL_DELAY: Duration = Duration::from_millis(250);
/// Maximum number of certificates in a peer's chain, including its own.
pub const MAX_CHAIN: usize = 8;

// Limits per session.

/// How long a peer may take to accept one frame, or to allow a stream: 30 s. Silence is limited by
/// [`SessionConfig::idle_timeout`](engram_gossip_proto::SessionConfig::idle_timeout); a peer that
/// has not answered a session of this node with a single byte within that time is considered dead,
/// and its connection is closed.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum duration of a session: 10 min, or
/// [`SessionConfig::session_timeout`](engram_gossip_proto::SessionConfig::session_timeout) if that
/// is less. The next session transfers the remaining records.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(600);
/// How long the stream of an ended session waits for the end of the peer's direction, which
/// confirms that this node's last bytes have arrived: 5 s.
pub const FINISH_TIMEOUT: Duration = Duration::from_secs(5);

// Membership limits.

/// Maximum size of a membership packet in bytes. With its envelope and [`PACKET_ADVERT`], it fits
/// into a datagram (1,162 bytes) even before the connection has discovered the packet size of its
/// path.
pub const MAX_MEMBERSHIP_PACKET: usize = 900;
/// Maximum size of the roots in a membership packet, in bytes.
pub const PACKET_ADVERT: usize = 160;
/// Maximum number of members that are asked to probe a member that did not answer.
pub const MAX_INDIRECT_PROBES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2);

// Queues.

/// Events buffered per subscriber. Beyond this limit, the oldest events are dropped and counted.
pub const EVENT_QUEUE: usize = 1024;
/// Maximum number of members of a roster.
pub const MAX_MEMBERS: usize = 4096;
