//! The fixed limits of the scheduler, and the defaults of its quotas.

use core::time::Duration;

use super::Rate;

// Dials.

/// Maximum number of dials that hold a permit at once. Without this limit, a node that starts in a
/// large cluster would overload its peers and its own socket with handshakes that then all time
/// out.
pub const MAX_DIALS: usize = 8;
/// Maximum number of permits for dials of members that were lost recently.
pub const MAX_LOST_DIALS: usize = 4;
/// Maximum number of permits for dials of members whose last dial failed.
pub const MAX_UNREACHABLE_DIALS: usize = 2;
/// Maximum number of concurrent dials, with or without a permit.
pub const MAX_DIALS_UNDER_WAY: usize = 512;
/// Time for which an unanswered dial holds its permit while no dial has succeeded yet: 80 ms.
pub const DIAL_PERMIT: Duration = Duration::from_millis(80);
/// Time for which an unanswered dial holds its permit once a dial has succeeded, as a multiple of
/// the usual duration of a handshake. The time is at least [`LEAST_DIAL_PERMIT`].
pub const PERMIT_HANDSHAKES: u32 = 4;
/// Minimum time for which an unanswered dial holds its permit: 20 ms.
pub const LEAST_DIAL_PERMIT: Duration = Duration::from_millis(20);
/// Maximum duration of a handshake: 5 s.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for which a member counts as recently lost after its connection was lost, or after it shut
/// down or stopped answering: 2 min.
pub const MET_LATELY: Duration = Duration::from_secs(120);
/// A connection that is lost within this time counts as short: 5 s. After more than [`FREE_FLAPS`]
/// short connections in a row, the pause before the next dial is longer: by [`SESSION_GAP`] at
/// first, and by twice as much after each further one, so that a peer that ends each connection
/// immediately is dialled less and less often.
pub const SHORT_CONNECTION: Duration = Duration::from_secs(5);
/// Number of short connections in a row that do not lengthen the pause.
pub const FREE_FLAPS: u32 = 3;
/// Maximum duration of a handshake with a member that was lost recently: 1.5 s. It is short, so
/// that a lost packet is followed by a retransmission or by the next dial within a second.
pub const LOST_HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Maximum pause between two dials of a member that was lost recently and does not answer: 250 ms.
pub const LOST_PAUSE: Duration = Duration::from_millis(250);

// Sessions.

/// Time for which a session that a peer opens waits for a permit before it is refused as busy: 2 s.
pub const PERMIT_TIMEOUT: Duration = Duration::from_secs(2);
/// Minimum pause before reopening a session that a peer refused because a quota was exhausted: 1 s.
pub const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// Minimum time between two sessions that this node opens with one peer: 100 ms. A session that the
/// host requests does not wait, and one that the timer starts waits only after sessions that
/// achieved nothing. The time doubles with each session that achieves nothing, so that sessions
/// become rarer with a peer that lies about its roots, refuses the records that it receives, or
/// refuses sessions. For a session that is triggered by a root that the peer has not advertised
/// before, or by a previous session, the time doubles only with earlier sessions that were
/// triggered in one of these two ways. Sessions and previews that repeatedly give way to other
/// sessions become rarer in the same way.
pub const SESSION_GAP: Duration = Duration::from_millis(100);
/// Maximum number of doublings of [`SESSION_GAP`].
pub const MAX_GAP_DOUBLINGS: u32 = 9;
/// Number of consecutive sessions that make no progress and do not end in sync, after which a peer
/// is reported as stalled.
pub const STALLED_AFTER: u32 = 5;
/// Maximum number of spaces that the terms of a session name as expected to differ.
pub const MAX_SUSPECTS: usize = 16;
/// Maximum number of previews with one peer that may run or wait at the same time.
pub const MAX_PEER_PREVIEWS: usize = 2;
/// Maximum number of previews with all peers together that may run or wait at the same time.
pub const MAX_PREVIEWS: usize = 8;
/// Minimum pause between two previews with one peer: 100 ms. The pause is at least as long as the
/// previous preview took, so that previews leave at least half of the time to other sessions with
/// the peer.
pub const PREVIEW_PAUSE: Duration = Duration::from_millis(100);

// Claims.

/// Maximum number of running sessions, including a new one, at which the new one still takes
/// records without an offer. If more are running, the new one asks for offers, because several
/// peers most likely hold the same records.
pub const MAX_AT_ONCE: usize = 1;

/// Maximum time for which a session with one peer postpones sessions with others that have
/// advertised the same root: 2 s. A session that begins although another one fetches its records
/// costs few bytes, because the claims keep it from requesting them.
pub const COVER_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for which other sessions do not request the records that one session has requested: 2 s.
/// The time begins with the request for the first of these records, and [`CLAIM_PACE`] extends it.
pub const CLAIM_TIMEOUT: Duration = Duration::from_secs(2);
/// Time by which each requested record that arrives and is accepted extends the claims of its
/// session, up to [`CLAIM_TIMEOUT`] from then on: 100 ms. The claims of a session thus last while
/// it receives a message of 20 records every two seconds, as over a slow link, but lapse if it
/// receives fewer than 10 records per second in the long run.
pub const CLAIM_PACE: Duration = Duration::from_millis(100);
/// Time for which new sessions with a peer claim nothing after one did not receive all claimed
/// records: 10 min.
pub const DISTRUST: Duration = Duration::from_secs(600);
/// Maximum number of records that are noted as claimed by a session, or as received while other
/// sessions were running. Also the maximum number of claimed ranges, and of those that sessions
/// expect without an offer. Further records may arrive twice.
pub const MAX_CLAIMS: usize = 65_536;

// Refusals.

/// Time for which sessions with a peer do not request a refused record again: 60 s. Each refusal
/// after this pause doubles it.
pub const REFUSAL_PAUSE: Duration = Duration::from_secs(60);
/// Maximum time for which sessions do not request a refused record: 60 min. A record that the node
/// would now accept may be requested again after at most this time.
pub const MAX_REFUSAL_PAUSE: Duration = Duration::from_secs(3_600);
/// Maximum number of refused records that a node remembers. A record is remembered only if the room
/// that is left exceeds the room that records from the same peer already take. Further records are
/// requested again in each session.
pub const MAX_REFUSALS: usize = 65_536;

// Rates.

/// Maximum rate at which datagrams from one peer are processed; further datagrams are dropped.
pub const DATAGRAMS: Rate = Rate { per_second: 20, burst: 32 };
/// Default rate of session bytes with one peer, in both directions. [`PeerQuota`](super::PeerQuota)
/// overrides this rate and the next two.
pub const PEER_BYTES: Rate = Rate { per_second: 32 << 20, burst: 256 << 20 };
/// Default rate of tree nodes, listings and requested keys that this node receives from one peer.
pub const PEER_HASH_NODES: Rate = Rate { per_second: 100_000, burst: 1_000_000 };
/// Default rate of records in sessions with one peer, in both directions.
pub const PEER_RECORDS: Rate = Rate { per_second: 20_000, burst: 200_000 };
/// Burst of the send rate, as the number of seconds in which it accrues.
pub const SEND_BURST: u64 = 2;
/// Number of bytes that a session may receive even if less has accrued: one full frame and room for
/// hashes.
pub const LEAST_RECEIVED: u64 = 4 << 20;
/// Minimum send rate in bytes per second. At this rate, the debt of one full frame lasts 17 min.
pub const LEAST_RATE: u64 = 1024;
/// Maximum time between two checks of a debt at the send rate, which changes when quiet hours begin
/// or end: 60 s.
pub const CLOCK_CHECK: Duration = Duration::from_secs(60);
