//! Every limit of the scheduler that is not configured, in one place.

use core::time::Duration;

use super::Rate;

// Dials.

/// Dials that hold a permit at once. A node that starts in a large cluster would otherwise drown its
/// peers, and its own socket, in handshakes that then all run out of time.
pub const MAX_DIALS: usize = 8;
/// Permits that dials of members hold which were met lately and are lost now.
pub const MAX_LOST_DIALS: usize = 4;
/// Permits that dials of members hold whose last dial failed.
pub const MAX_UNREACHABLE_DIALS: usize = 2;
/// Dials that are under way at once, with a permit or without.
pub const MAX_DIALS_UNDER_WAY: usize = 512;
/// How long a dial without an answer holds its permit, as long as no dial has succeeded.
pub const DIAL_PERMIT: Duration = Duration::from_millis(80);
/// Afterwards it is this many times the usual duration of a handshake,
pub const PERMIT_HANDSHAKES: u32 = 4;
/// but at least this.
pub const LEAST_DIAL_PERMIT: Duration = Duration::from_millis(20);
/// How long a handshake may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a member counts as met lately after it was lost.
pub const MET_LATELY: Duration = Duration::from_secs(120);
/// How long a handshake with such a member may take: its retransmissions and the next dial come
/// within a second of each other.
pub const LOST_HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(1_500);
/// The longest pause between two dials of such a member that does not answer.
pub const LOST_PAUSE: Duration = Duration::from_millis(250);

// Sessions.

/// How long an accepted session may wait for a permit before it is refused as busy.
pub const PERMIT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a session that a peer refused because too much was used up is not opened again.
pub const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// The least time between two sessions with a peer that nobody requested. It doubles with each
/// session that brings nothing, so that a peer which lies about its roots, or refuses what it is
/// sent, is asked ever less.
pub const SESSION_GAP: Duration = Duration::from_millis(100);
/// How often [`SESSION_GAP`] is doubled at most.
pub const MAX_GAP_DOUBLINGS: u32 = 9;
/// Sessions in a row without progress and without becoming equal after which a peer is reported
/// as stalled.
pub const STALLED_AFTER: u32 = 5;
/// Spaces that a session takes for differing from the beginning.
pub const MAX_SUSPECTS: usize = 16;
/// Previews of one peer that run or wait.
pub const MAX_PEER_PREVIEWS: usize = 2;
/// Previews of a node that run or wait.
pub const MAX_PREVIEWS: usize = 8;
/// The least pause between two previews of one peer; it is at least as long as the one before took,
/// so that previews leave half of the time to sessions of the peer.
pub const PREVIEW_PAUSE: Duration = Duration::from_millis(100);

// Claims.

/// How long the other sessions leave out what one session has asked for, unless records come.
pub const CLAIM_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the sessions of a peer that did not bring what was asked for hold up no others.
pub const DISTRUST: Duration = Duration::from_secs(600);
/// Records that sessions have claimed, or brought while others ran, at once; further ones may come
/// twice.
pub const MAX_CLAIMS: usize = 65_536;

// Rates.

/// Datagrams that are taken from a peer; those beyond it are dropped and counted.
pub const DATAGRAMS: Rate = Rate { per_second: 20, burst: 32 };
/// Bytes of sessions with one peer, both ways, unless [`PeerQuota`](super::PeerQuota) says otherwise.
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
/// How often the time of the day is looked at while sessions wait for the end of quiet hours.
pub const CLOCK_CHECK: Duration = Duration::from_secs(60);
