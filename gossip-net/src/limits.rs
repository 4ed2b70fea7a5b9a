//! Every limit of the transport, in one place. Each is a number that some peer can run into.
//!
//! quinn's own defaults would let one peer claim hundreds of mebibytes; these let a peer claim at
//! most [`CONNECTION_WINDOW`] and a stranger nothing but a bounded handshake. The limits of the scheduler
//! stand here as well.

use std::num::NonZeroUsize;
use std::time::Duration;

pub use engram_gossip_proto::schedule::limits::*;

// What one connection may use up.

/// Bidirectional streams that a peer may have open at once. A session uses one, and a peer runs
/// one session at a time; the rest is slack for sessions that are just being refused, and lets
/// several ended ones be told of in one packet. All share the window of the connection.
pub const MAX_STREAMS: u32 = 32;
/// Unread bytes that a peer may have in flight on one stream.
pub const STREAM_WINDOW: u32 = 1024 * 1024;
/// Unread bytes that a peer may have in flight on all streams of its connection.
pub const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;
/// Bytes of ours that may wait for a peer's acknowledgement.
pub const SEND_WINDOW: u64 = 2 * 1024 * 1024;
/// Unread datagram bytes that a peer may park here; the oldest are dropped beyond it.
pub const DATAGRAM_RECEIVE_BUFFER: usize = 32 * 1024;
/// Datagram bytes of ours that may wait for being sent; the oldest are dropped beyond it.
pub const DATAGRAM_SEND_BUFFER: usize = 16 * 1024;
/// Bytes of handshake messages that may arrive out of order.
pub const CRYPTO_BUFFER: usize = 16 * 1024;

// What strangers may use up, before they have shown a certificate.

/// Connection attempts that may wait for the accept loop.
pub const MAX_INCOMING: usize = 256;
/// Bytes buffered for one waiting attempt.
pub const INCOMING_BUFFER: u64 = 64 * 1024;
/// Bytes buffered for all waiting attempts.
pub const INCOMING_BUFFER_TOTAL: u64 = 4 * 1024 * 1024;
/// Handshakes that are answered at once; further attempts are refused.
pub const MAX_HANDSHAKES: usize = 64;
/// Running handshakes above which an attempt has to prove its address first (QUIC Retry).
pub const RETRY_ABOVE_HANDSHAKES: usize = 16;
/// Running handshakes of one address; further attempts of it are refused.
pub const MAX_HANDSHAKES_PER_ADDRESS: usize = 32;
/// How often the certificates of connected peers are verified again.
pub const RECHECK_INTERVAL: Duration = Duration::from_secs(600);
/// Names that are looked up at once. Each takes a thread of the runtime while DNS is silent.
pub const MAX_LOOKUPS: usize = 64;
/// How long a lookup of a name may take.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of a name that a dial tries.
pub const MAX_ADDRESSES: usize = 8;
/// How long a dial waits for an address to answer before it tries the next one beside it
/// (RFC 8305, section 5).
pub const DIAL_DELAY: Duration = Duration::from_millis(250);
/// Certificates that a peer may send in its chain, its own included.
pub const MAX_CHAIN: usize = 8;

// What a session may use up.

/// How long a peer may take to take one frame from us, or to give room for a stream. How long it
/// may be silent is [`SessionConfig::idle_timeout`](engram_gossip_proto::SessionConfig::idle_timeout);
/// a peer that does not say one byte until then is taken for dead, and its connection is closed.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a whole session may take. What it did not get to, the next one does.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a session's last bytes are waited for to be acknowledged.
pub const FINISH_TIMEOUT: Duration = Duration::from_secs(5);

// What the membership may use up.

/// Bytes of a membership packet. With its envelope and [`PACKET_ADVERT`] it fits into a datagram
/// of a connection that does not know yet how large they may be (1,162 bytes).
pub const MAX_MEMBERSHIP_PACKET: usize = 900;
/// Bytes of roots that a membership packet carries along.
pub const PACKET_ADVERT: usize = 160;
/// Members that are asked to probe one that did not answer.
pub const MAX_INDIRECT_PROBES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2);

// Queues.

/// Events that a slow subscriber may lag behind; the oldest are dropped and counted.
pub const EVENT_QUEUE: usize = 1024;
/// Members of a roster.
pub const MAX_MEMBERS: usize = 4096;
