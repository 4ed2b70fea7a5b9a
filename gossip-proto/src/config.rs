//! Settings that each side of a session chooses for itself.

use alloc::vec::Vec;
use core::time::Duration;

use crate::limits::MAX_RECORDS;
use crate::{Greeting, SetupError, SpaceId};

/// Whether this side compresses the records that it sends and accepts compressed ones.
///
/// Records are compressed only if both sides enable it; the resulting state is the same either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// No compression.
    Off,
    /// LZ4, applied after the transformations of the content's codec, if the result is smaller
    /// (default).
    #[default]
    Lz4,
}

/// The limits and other settings of one session that each side chooses for itself.
///
/// A driver of the [`Scheduler`](crate::schedule::Scheduler) sets `cursor`, `postponed`, `suspects`
/// and `intake`, and lowers the budgets, with [`Terms::apply`](crate::schedule::Terms::apply).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// Maximum number of records in one message, 1 to 1,024. A session sends as many messages as it
    /// needs. Default: 100.
    pub max_patterns_per_sync: u32,
    /// Whether to compress records. Default: LZ4.
    pub compression: Compression,
    /// Maximum number of bytes of records that this side sends in the session. The first message of
    /// records in each turn and the remaining pieces of a partially sent record are exempt from this
    /// budget, so that every session makes progress. Default: 256 MiB.
    pub send_budget: u64,
    /// Maximum number of bytes that this side accepts from the peer in the session, hashes and
    /// headers included. The hello announces it, so that the peer stops in time.
    /// Default: 512 MiB; minimum: 4 MiB.
    pub receive_budget: u64,
    /// Maximum time for which the peer may be silent during its turn. Default: 10 s.
    pub idle_timeout: Duration,
    /// Maximum duration of the whole session. Default: 300 s.
    pub session_timeout: Duration,
    /// Position in the key space at which this side begins to send records: the first 8 bytes of a
    /// key hash, read as a big-endian number. Pass the [`Outcome::cursor`](crate::Outcome) of the
    /// last session with this peer, so that records which the peer keeps refusing cannot starve
    /// others. `None`, the default, starts at the beginning.
    pub cursor: Option<u64>,
    /// The peer's node id, if known. It selects the base to which this side's version summaries are
    /// relative. Default: `None`.
    pub peer: Option<[u8; 32]>,
    /// Spaces whose root is known or expected to differ at the peer. This side sends their version
    /// summaries together with its table, which saves half a round trip. At most 16 are used.
    /// Default: none.
    pub suspects: Vec<SpaceId>,
    /// Number of consecutive sessions with this peer, immediately before this one, that set
    /// [`Outcome::postponed`](crate::Outcome::postponed). Default: 0.
    pub postponed: u8,
    /// The greeting in the hello: the greatest version of the peer's node that this node knows, and
    /// this node's clock. Default: empty.
    pub greeting: Greeting,
    /// Whether to ask the peer for the names of the spaces that only the peer hosts. Default:
    /// false.
    pub learn_spaces: bool,
    /// Which records the peer sends without a request. Default: all, unless there are many.
    pub intake: Intake,
}

/// Which records the peer sends without a request. There are two kinds: records above this side's
/// version summary, and records that the comparison of trees finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Intake {
    /// Both kinds, unless there are many records (default).
    #[default]
    AtOnce,
    /// Records above the version summary, unless there are many. The peer lists the others first,
    /// so that this side does not receive refused records again. This takes one more round trip.
    ByClocks,
    /// None: the peer offers its records first, and this side takes only those that no other
    /// session is fetching. This takes one more round trip.
    Offered,
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
            intake: Intake::AtOnce,
        }
    }
}

/// Minimum receive budget: one full frame and room for hashes.
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
