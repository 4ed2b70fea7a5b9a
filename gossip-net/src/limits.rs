//! Every limit of the transport, in one place. Each is a number that some peer can run into.
//!
//! quinn's own defaults would let one peer claim hundreds of mebibytes; these let a peer claim at
//! most [`CONNECTION_WINDOW`] and a stranger nothing but a bounded handshake.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::bucket::Rate;

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
/// How long a handshake may take, on either side.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Dials that a node has under way at once. A node that starts in a large cluster would otherwise
/// drown its peers, and its own socket, in handshakes that then all run out of time.
pub const MAX_DIALS: usize = 8;
/// How often the certificates of connected peers are verified again.
pub const RECHECK_INTERVAL: Duration = Duration::from_secs(600);
/// Certificates that a peer may send in its chain, its own included.
pub const MAX_CHAIN: usize = 8;

// What a session may use up.

/// How long a peer may take to take one frame from us, or to give room for a stream. How long it
/// may be silent is [`SessionConfig::idle_timeout`](engram_gossip_proto::SessionConfig::idle_timeout);
/// a peer that does not say one byte until then is taken for dead, and its connection is closed.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a whole session may take. What it did not get to, the next one does.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(600);
/// How long an accepted session may wait for a permit before it is refused as busy.
pub const PERMIT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a session's last bytes are waited for to be acknowledged.
pub const FINISH_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the other sessions leave out what one session has asked for, unless records come.
pub const CLAIM_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the sessions of a peer that did not bring what was asked for hold up no others.
pub const DISTRUST: Duration = Duration::from_secs(600);
/// Records that sessions have claimed, or brought while others ran, at once; further ones may come
/// twice.
pub const MAX_CLAIMS: usize = 65_536;

// What a member may make us do.

/// Datagrams that are taken from a peer; those beyond it are dropped and counted.
pub const DATAGRAMS: Rate = Rate { per_second: 20, burst: 32 };
/// Bytes of sessions with one peer, both ways, unless the host allows it
/// [others](crate::Allowance).
pub const PEER_BYTES: Rate = Rate { per_second: 32 << 20, burst: 256 << 20 };
/// Nodes and listings of the tree that one peer makes this node compare.
pub const PEER_HASH_NODES: Rate = Rate { per_second: 100_000, burst: 1_000_000 };
/// Records of sessions with one peer, both ways.
pub const PEER_RECORDS: Rate = Rate { per_second: 20_000, burst: 200_000 };
/// Seconds of its rate that a node which sends no faster may send at once.
pub const SEND_BURST: u64 = 2;
/// Bytes that a session may receive however little has accrued: one full frame and room for hashes.
pub const LEAST_RECEIVED: u64 = 4 << 20;
/// Bytes a second below which a message of records would take longer than peers wait.
pub const LEAST_RATE: u64 = 1024;
/// How long a session that a peer refused because too much was used up is not opened again.
pub const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// The least time between two sessions that adverts of one peer trigger. It doubles with each such
/// session that brings no progress, so that a peer which lies about its roots is asked ever less.
pub const TRIGGER_GAP: Duration = Duration::from_millis(100);
/// How often [`TRIGGER_GAP`] is doubled at most.
pub const MAX_TRIGGER_DOUBLINGS: u32 = 9;
/// Sessions in a row without progress and without becoming equal after which a peer is reported
/// as stalled.
pub const STALLED_AFTER: u32 = 5;

// What the membership may use up.

/// Bytes of a membership packet. With its envelope and [`PACKET_ADVERT`] it fits into a datagram
/// of a connection that does not know yet how large they may be (1,162 bytes).
pub const MAX_MEMBERSHIP_PACKET: usize = 900;
/// Bytes of roots that a membership packet carries along.
pub const PACKET_ADVERT: usize = 160;
/// Members that are asked to probe one that did not answer.
pub const MAX_INDIRECT_PROBES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2);

// Queues.

/// Commands that may wait for a peer's task; adverts beyond it are dropped and counted.
pub const MAILBOX: usize = 64;
/// Events that a slow subscriber may lag behind; the oldest are dropped and counted.
pub const EVENT_QUEUE: usize = 1024;
/// Members of a roster.
pub const MAX_MEMBERS: usize = 4096;
