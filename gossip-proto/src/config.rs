//! What each side of a session chooses for itself.

use alloc::vec::Vec;
use core::time::Duration;

use crate::limits::MAX_RECORDS;
use crate::{Greeting, SetupError, SpaceId};

/// Whether this side compresses what it sends, and takes what is compressed.
///
/// A frame is compressed only if both sides have it on; the state is the same either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Nothing is compressed.
    Off,
    /// LZ4, and what the codec of the contents does before it, where that is smaller (default).
    #[default]
    Lz4,
}

/// The limits of one session that each side chooses for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// Most records in one message, 1 to 1,024. A session sends as many messages as it needs.
    pub max_patterns_per_sync: u32,
    /// Whether records are compressed.
    pub compression: Compression,
    /// Most bytes of records that this side sends in the session. One message of records in each turn
    /// is always sent, so that every session makes progress.
    pub send_budget: u64,
    /// Most bytes that this side takes from the peer in the session, hashes and headers included.
    /// The peer is told, and ends its sending in time.
    pub receive_budget: u64,
    /// Longest silence while it is the peer's turn.
    pub idle_timeout: Duration,
    /// Longest duration of the whole session.
    pub session_timeout: Duration,
    /// Where in the key space the sending of records begins: the first 8 bytes of a key hash, read
    /// as a big-endian number. Pass the [`Outcome::cursor`](crate::Outcome) of the last session with
    /// this peer, so that records which it keeps refusing cannot starve others. `None` begins anew.
    pub cursor: Option<u64>,
    /// The peer's node id, if it is known: it chooses the base to tell a version summary by.
    pub peer: Option<[u8; 32]>,
    /// Spaces whose root at the peer is known or believed to differ: their version summaries go along
    /// with the first table, which saves half a round trip. At most 16 count.
    pub suspects: Vec<SpaceId>,
    /// How many sessions with this peer before this one, in a row, had an
    /// [`Outcome::postponed`](crate::Outcome::postponed).
    pub postponed: u8,
    /// What the hello tells the peer: its greatest version known here, and this node's clock.
    pub greeting: Greeting,
    /// Whether the peer names its spaces that this side does not host. Default: no.
    pub learn_spaces: bool,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            max_patterns_per_sync: 100,
            compression: Compression::Lz4,
            send_budget: 256 << 20,
            receive_budget: 512 << 20,
            idle_timeout: Duration::from_secs(10),
            session_timeout: Duration::from_secs(300),
            cursor: None,
            peer: None,
            suspects: Vec::new(),
            postponed: 0,
            greeting: Greeting::default(),
            learn_spaces: false,
        }
    }
}

/// The least that a side must be willing to receive: one full frame and room for the hashes.
pub(crate) const MIN_RECEIVE_BUDGET: u64 = 4 << 20;

impl SessionConfig {
    pub(crate) fn check(&self) -> Result<(), SetupError> {
        if !(1..=MAX_RECORDS as u32).contains(&self.max_patterns_per_sync) {
            return Err(SetupError::MaxPatternsPerSync(self.max_patterns_per_sync));
        }
        if self.receive_budget < MIN_RECEIVE_BUDGET {
            return Err(SetupError::ReceiveBudget(self.receive_budget));
        }
        Ok(())
    }
}
